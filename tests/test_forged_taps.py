"""A button may carry anything: a client can send any bytes, and every id there is."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.words import clean
from storage import people, roles
from storage.database import Database
from tests.attack import A1, COMMITTEE, MOVED, NOBODY, ROLES, Role, Season, answer
from tests.test_permissions import TAPS, filled

BYTES = st.binary(max_size=64).map(lambda sent: clean(sent.decode("utf-8", "replace")))
ODD = ["", "0", "-1", str(NOBODY), str(2**31), str(2**63), "9" * 5000, "²", "1/2", "1/" + "9" * 5000]
NUMBERS = st.integers(0, 130).map(str) | st.sampled_from(ODD)
EVERY_TAP = [tap for taps in TAPS.values() for tap in taps]
KNOWN = st.sampled_from(EVERY_TAP)
FORGED = (
    st.builds(filled, KNOWN, NUMBERS)
    | st.tuples(KNOWN.map(lambda tap: filled(tap, "1").partition("=")[0]), BYTES | NUMBERS).map("=".join)
    | st.tuples(st.sampled_from(sorted(TAPS)) | NUMBERS, BYTES).map(".".join)
    | BYTES
)


@pytest.fixture
def season(sqlite: Database) -> Season:
    return Season(sqlite)


@pytest.mark.parametrize("role", ROLES.values(), ids=list(ROLES))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(taps=st.lists(FORGED, min_size=1, max_size=5))
async def test_whatever_is_tapped_shows_and_changes_nothing_of_others(
    season: Season, role: Role, taps: list[str]
) -> None:
    who = await season.plays(role)
    seen, before = len(who.messages), season.stored_of_others(role)
    for tap in taps:
        assert len(await answer(who, tap)) == 1
    told = who.messages[seen:]
    assert season.inbox.kept == 0
    assert season.named_in(told) <= season.members_of(role.cells) | {role.code}
    assert season.read_in(told) <= {role.code}
    assert season.stored_of_others(role) == before


async def test_no_number_in_a_tap_is_too_odd_for_an_answer(database: Database) -> None:
    season = Season(database)
    who = await season.plays(ROLES["member who moved from cell 1 to cell 2"])
    with database.transaction() as db:  # and may do everything there is to do
        person = people.by_code(db, MOVED)
        assert person is not None
        roles.grant(db, person.id, "secretary", season.units[A1])
        roles.grant(db, person.id, "officer", season.units[COMMITTEE])
    for number in ODD:
        await answer(who, f"{number}.continue")
        for tap in EVERY_TAP:
            await answer(who, f"{filled(tap, season.assessments[MOVED]).partition('=')[0]}={number}")
    assert season.inbox.kept == 0
