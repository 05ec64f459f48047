"""What the documents promise: commands, settings, libraries, links and files that are there."""

import re
import tomllib
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from bot.cli import app
from bot.settings import PREFIX, Settings
from handlers.texts import texts

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
PLACES = ("bot/", "handlers/", "storage/", "forms/", "cycles/", "tests/", "benchmarks/", "docs/", "deploy/")


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def operators() -> str:
    """What an operator reads."""
    return "\n".join(each.read_text("utf-8") for each in PAGES if each.name in ("README.md", "running.md"))


def commands(command: Any, called: str = "kiemdiem") -> dict[str, set[str]]:
    """Every command with its options."""
    found = {}
    inside = getattr(command, "commands", {})
    if not inside or command.invoke_without_command:
        found[called] = {option for each in command.params for option in each.opts if option.startswith("--")}
    for name, each in inside.items():
        found |= commands(each, f"{called} {name}")
    return found


COMMANDS = commands(app)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_told_to_the_operator(command: str) -> None:
    assert re.search(rf"`{command}[ `]", operators())


def test_no_document_calls_a_command_or_an_option_that_is_not_there() -> None:
    lost = []
    for each in PAGES:
        for call in re.findall(r"kiemdiem((?: [a-z-]+)+[^`\n]*)", each.read_text("utf-8")):
            words = call.split()
            called = next((name for n in (2, 1) if (name := " ".join(["kiemdiem", *words[:n]])) in COMMANDS), "")
            named = set(re.findall(r"(?<!\S)\[?(--[a-z][a-z-]*)", call.partition("#")[0]))
            if not called or named - COMMANDS[called]:
                lost.append(f"{each.name}: kiemdiem{call}")
    assert lost == []


def test_every_setting_is_told_to_the_operator() -> None:
    names = {PREFIX + each.name.upper() for each in fields(Settings) if "env" not in each.metadata}
    assert names - set(re.findall(r"KIEMDIEM_[A-Z_]+", operators())) == set()


def test_no_document_names_a_setting_that_is_not_there() -> None:
    names = {PREFIX + each.name.upper() for each in fields(Settings)}
    named = {name for each in PAGES for name in re.findall(r"KIEMDIEM_[A-Z_]+[A-Z]", each.read_text("utf-8"))}
    assert {name.removesuffix("_FILE") for name in named} - names <= {"KIEMDIEM_X"}


def test_every_library_has_its_line_and_every_line_its_library() -> None:
    project = tomllib.loads(page("pyproject.toml"))
    wanted = list(chain(project["project"]["dependencies"], *project["dependency-groups"].values()))
    names = {re.split(r"[^A-Za-z0-9-]", each)[0] for each in wanted}
    assert set(re.findall(r"^\| ([a-z0-9-]+) \|", page("docs/dependencies.md"), re.MULTILINE)) - {"library"} == names


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_and_file_names_lead_somewhere(file: Path) -> None:
    text = file.read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    lost = [link for link in links if not (file.parent / link).exists()]
    names = [name for name in re.findall(r"`([\w./-]+)`", text) if name.startswith(PLACES)]
    lost += [name for name in names if not (ROOT / name).exists()]
    assert lost == []


@pytest.mark.parametrize("name", ["huong-dan-dang-vien.md", "huong-dan-bi-thu.md"])
def test_the_buttons_of_the_guides_are_buttons_of_the_program(name: str) -> None:
    said = set(texts("vi").values())
    named = set(re.findall(r"\*\*([^*]+)\*\*", page(f"docs/vi/{name}").replace("\n", " ")))
    headings = {each for each in named if each.endswith((".", "?", ":"))}
    assert {each for each in named - headings if each not in said} == set()


def test_every_decision_is_headed_by_its_number_and_listed() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [file.read_text("utf-8").split(" ")[:2] for file in files] == [["#", file.name[:4]] for file in files]
    listed = re.findall(r"^\| \[(\d+)\]\((\S+)\)", page("docs/decisions/README.md"), re.MULTILINE)
    assert listed == [(file.name[:4], file.name) for file in files]
