"""What ``docs/promises.md`` says is proved: by tests that are there, in the run it says."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PROOFS = re.findall(r"`(test_\w+\.py)::(test_\w+)`( \(long)?", (TESTS.parent / "docs/promises.md").read_text("utf-8"))


def _tests() -> dict[tuple[str, str], bool]:
    """Every test by file and name, and whether all of it is marked slow."""
    found = {}
    for file in TESTS.rglob("test_*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[file.name, node.name] = any(
                    ast.unparse(mark) == "pytest.mark.slow" for mark in node.decorator_list
                )
    return found


def test_every_proof_is_a_test_that_runs_when_it_says() -> None:
    tests = _tests()
    assert [proof for proof in PROOFS if tests.get(proof[:2]) is not bool(proof[2])] == []
    assert len(PROOFS) > 70
