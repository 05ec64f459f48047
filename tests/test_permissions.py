"""Who may: every role taps everything, with the ids of others, through the whole program.

What is not theirs is answered as what is not there, and changes nothing.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import menu
from handlers.routes import COMMANDS, FLOWS
from storage.database import Database
from tests.attack import NOBODY, ROLES, SUBMITTED, Role, Season, answer
from tests.world import AN, CHI

TAPS = {  # a new flow, or a new tap in a flow, without its row here fails the first test
    "join": ["join.stay", "join.not_me={address}", "join.not_me_yes={address}"],
    "consent": ["consent.show", "consent.accept", "consent.decline", "consent.decline_yes=1", "consent.decline_no"],
    "menu": ["menu.open", "menu.help", "menu.unknown"],
    "fill": [
        "fill.open",
        "{assessment}.continue",
        "{assessment}.tonight",
        "{assessment}.tomorrow",
        "{assessment}.why",
        "{assessment}.header",
        "{assessment}.right=header",
        "{assessment}.review",
        "{assessment}.review=2",
        "{assessment}.a1_1",
        "{assessment}.next=a1_1",
        "{assessment}.rewrite=a1_1",
        "{assessment}.level=good",
        "{assessment}.confirm",
        "{assessment}.submit=1",
    ],
    "mine": [
        "mine.open",
        "mine.read=1",
        "mine.draft=1",
        "mine.word",
        "mine.reopen",
        "mine.keep",
        "mine.keep=1",
        "mine.withdraw",
        "mine.discard=1",
    ],
    "cell": ["cell.open", "cell.show={unit}", "cell.nudge={unit}", "cell.nudge_yes={unit}"],
    "committee": ["committee.open", "committee.show={unit}", "committee.show={unit}/1", "committee.unit={unit}"],
}
TYPED = ["start", "menu", "cancel", "help", "tinhhinh"]

EVERY_ROLE = pytest.mark.parametrize("role", ROLES.values(), ids=list(ROLES))


def offered() -> Iterator[str]:
    """What the buttons in the code of the handlers carry: ``cell.show``, ``join.accept``."""
    for file in Path("handlers").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Move" | "Choice" | "Tapped"), args=[first, *_]):
                    pass
                case ast.MatchClass(cls=ast.Name(id="Tapped"), patterns=[ast.MatchValue(value=first)]):
                    pass
                case _:
                    continue
            constant = first.values[0] if isinstance(first, ast.JoinedStr) else first
            tap = str(constant.value).partition("=")[0] if isinstance(constant, ast.Constant) else ""
            flow, _, name = tap.partition(".")
            if flow in FLOWS and name:
                yield tap


def test_every_flow_every_tap_and_every_command_has_its_row() -> None:
    assert sorted(TAPS) == sorted(FLOWS)
    assert sorted(TYPED) == sorted(COMMANDS)
    rows = {tap.partition("=")[0] for taps in TAPS.values() for tap in taps}
    assert {*offered(), *COMMANDS.values(), *menu.LEADS_TO.values()} <= rows


def ids(season: Season, role: Role, tap: str) -> list[int]:
    """The ids of what is not theirs, for the placeholder of a tap."""
    if "{unit}" in tap:
        own = role.cells if tap.startswith("cell.") else role.counts
        return [unit for name, unit in season.units.items() if name not in own]
    known = season.assessments if "{assessment}" in tap else season.addresses
    return [known[code] for code in (AN, CHI, SUBMITTED[0]) if code != role.code]


def filled(tap: str, number: object) -> str:
    """A tap with an id for its placeholder."""
    return re.sub(r"\{\w+\}", str(number), tap)


@EVERY_ROLE
async def test_what_is_not_theirs_is_answered_as_what_is_not_there(sqlite: Database, role: Role) -> None:
    season = Season(sqlite)
    who = await season.plays(role)
    taps = [tap for taps in TAPS.values() for tap in taps if "{" in tap]
    for tap in taps:
        await answer(who, filled(tap, NOBODY))
    before = season.stored_beside(who.chat)
    for tap in taps:
        not_there = await answer(who, filled(tap, NOBODY))
        for number in ids(season, role, tap):
            assert await answer(who, filled(tap, number)) == not_there, filled(tap, number)
    assert season.stored_beside(who.chat) == before


@EVERY_ROLE
async def test_names_are_for_those_who_lead_the_cell_and_answers_for_their_writer(sqlite: Database, role: Role) -> None:
    season = Season(sqlite)
    who = await season.plays(role)
    seen = len(who.messages)
    for command in TYPED:
        await who.says(f"/{command}")
    for tap in [tap for taps in TAPS.values() for tap in taps]:
        own = [season.assessments.get(role.code, NOBODY)]
        for number in season.units.values() if "{unit}" in tap else own:
            await answer(who, filled(tap, number))
    told = who.messages[seen:]
    owing = season.members_of(role.cells) - set(SUBMITTED)
    assert season.named_in(told) == owing | ({role.code} if role.code else set())
    assert season.read_in(told) <= {role.code}
