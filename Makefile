# make demo: play it in the browser.  make test: all tests.  make faults: the long fault tests.  make season: a hundred seasons drawn at random.  make browser: those in Chromium.  make check: what CI runs.  make bench: how fast it is.
PY ?= python3
PORT ?= 8000
SEEDS ?= 100
FIRST_SEED ?= 0
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
LOCKED := --require-hashes --only-binary=:all:
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
stamp = .venv/.$(1)-$(shell sha256sum $(1).lock 2>/dev/null | cut -c1-16)
.PHONY: install demo chat test faults season browser pictures bench check lock
install: $(call stamp,run)
demo: $(call stamp,run)
	$(BIN)/kiemdiem demo --port $(PORT)
chat: $(call stamp,run)
	$(BIN)/kiemdiem chat
test: $(call stamp,test)
	$(BIN)/python -m pytest -q
faults: $(call stamp,test)  # the long ones: at most ten minutes
	$(BIN)/python -m pytest -q -m slow --ignore=tests/test_broadcast.py
	$(BIN)/python -m pytest -q -m slow -n 0 -s tests/test_broadcast.py
season: $(call stamp,test)  # the ten of make faults and ninety more; FIRST_SEED=7 SEEDS=1 plays one again
	SEEDS=$(SEEDS) FIRST_SEED=$(FIRST_SEED) $(BIN)/python -m pytest -q -m slow tests/scenario
browser: $(call stamp,browser)
	$(BIN)/python -m pytest -q -n 0 -m browser tests/browser
pictures: $(call stamp,browser)  # of the README, from the demo as it runs
	PICTURES=docs/images $(BIN)/python -m pytest -q -n 0 -m browser tests/browser/test_pictures.py
bench: $(call stamp,test) .venv-peers/bin/python
	$(BIN)/python -m benchmarks.answers
	$(BIN)/python -m benchmarks.answers --modes webhook --latency-ms 50
	$(BIN)/python -m benchmarks.answers --modes webhook --pace 30 --seconds 10
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.broadcast
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.beside
check: $(call stamp,test) $(call stamp,lint)
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports
	$(BIN)/python -m pytest -q
$(BIN)/python:
	$(PY) -c 'import sys, venv, ensurepip; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	$(PY) -m venv .venv
$(call stamp,run): run.lock pyproject.toml | $(BIN)/python
	$(PIP) $(LOCKED) -r run.lock
	$(PIP) --no-deps --no-build-isolation -e .
	rm -f .venv/.run-*; touch $@
$(call stamp,test): test.lock $(call stamp,run)
	$(PIP) $(LOCKED) -r test.lock
	rm -f .venv/.test-*; touch $@
$(call stamp,lint): lint.lock $(call stamp,run)
	$(PIP) $(LOCKED) -r lint.lock
	rm -f .venv/.lint-*; touch $@
$(call stamp,browser): browser.lock $(call stamp,test)
	$(PIP) $(LOCKED) -r browser.lock
	rm -f .venv/.browser-*; touch $@
.venv-peers/bin/python: bench.lock
	$(PY) -m venv .venv-peers
	$@ -m pip install -q --disable-pip-version-check $(LOCKED) -r bench.lock
	touch $@
lock:  # maintainer only: needs uv
	$(LOCK) -o run.lock pyproject.toml build.in
	$(LOCK) --group test -c run.lock -o test.lock
	$(LOCK) --group lint -c run.lock -o lint.lock
	$(LOCK) --group browser -c run.lock -o browser.lock
	$(LOCK) --group bench -o bench.lock
