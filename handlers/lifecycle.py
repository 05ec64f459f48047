"""The states of an assessment: who may move it from where to where.

An assessment that is opened again by its member stays *submitted* until a new submission replaces the old one. What
follows from a state is the same whoever set it: reminders go to those of ``storage.models.OWES`` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from storage.models import (
    ACCEPTED,
    EXEMPT,
    IN_PROGRESS,
    NOT_STARTED,
    OWES,
    PAPER,
    RETURNED,
    SUBMITTED,
)

Who = Literal["member", "secretary", "roster"]
Act = Literal[
    "begin", "discard", "submit", "decline", "decline_more", "consent",
    "accept", "return", "unlock", "exempt", "resume",
]  # fmt: skip
BACK = ""  # instead of a state: the one in which the exemption found it


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do something to an assessment, in which states, and the state that follows."""

    who: Who
    states: tuple[str, ...]
    to: str


RULES: Mapping[Act, Rule] = {
    "begin": Rule("member", (NOT_STARTED,), IN_PROGRESS),
    "discard": Rule("member", (IN_PROGRESS,), NOT_STARTED),
    "submit": Rule("member", (*OWES, SUBMITTED), SUBMITTED),
    "decline": Rule("member", (NOT_STARTED, IN_PROGRESS), PAPER),  # they hand in a paper form
    "decline_more": Rule("member", (RETURNED,), SUBMITTED),  # what they submitted last counts
    "consent": Rule("member", (PAPER,), NOT_STARTED),  # a draft was erased when they declined
    "accept": Rule("secretary", (SUBMITTED,), ACCEPTED),
    "return": Rule("secretary", (SUBMITTED,), RETURNED),
    "unlock": Rule("secretary", (ACCEPTED,), SUBMITTED),
    "exempt": Rule("roster", (*OWES, PAPER), EXEMPT),  # what was submitted stays submitted
    "resume": Rule("roster", (EXEMPT,), BACK),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an assessment, and what an exempt one goes back to."""

    state: str
    before: str | None = None


def may(who: Who, act: Act, state: str) -> bool:
    """Whether *act* is theirs to do in this state."""
    return RULES[act].who == who and state in RULES[act].states


def after(act: Act, standing: Standing) -> Standing:
    """Where an assessment stands after *act*; unchanged where it has no effect in that state."""
    rule = RULES[act]
    if standing.state not in rule.states:
        return standing
    if rule.to == EXEMPT:
        return Standing(EXEMPT, standing.state)
    if rule.to == BACK:
        return Standing(standing.before or NOT_STARTED)
    return Standing(rule.to)


def state_before(*, submitted: bool, declined: bool, begun: bool) -> str:
    """What an exempt assessment goes back to where that was not kept, from what else is known of it."""
    if submitted:
        return SUBMITTED
    if declined:
        return PAPER
    return IN_PROGRESS if begun else NOT_STARTED
