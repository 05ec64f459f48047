"""The counts of all cells under a unit: what an officer's view of it is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

FURTHEST = 5  # cells that are named


@dataclass(frozen=True, slots=True)
class Tally:
    """A unit with the counts of all cells under it."""

    unit_id: int
    name: str
    submitted: int
    present: int
    waits: int  # who have still to submit: paper is counted apart

    @property
    def share(self) -> float:
        """How much of it is submitted; 1 where nobody is reviewed."""
        return self.submitted / self.present if self.present else 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """A unit, what lies right below it and the cells that need help most, each list the furthest behind first."""

    unit: Tally
    below: list[Tally]  # a unit with members of its own stands among them itself
    cells: int
    done: int  # cells in which nobody has to submit any more
    furthest: list[Tally]  # of the cells that wait; empty where *below* names all cells
    as_of: datetime | None = None  # when it was counted; None: just now


def furthest_behind_first(tallies: Iterable[Tally]) -> list[Tally]:
    """The order in which help is needed: the smallest share, then the most people."""
    return sorted(tallies, key=lambda each: (each.share, -each.waits, each.name, each.unit_id))


def total(unit_id: int, name: str, tallies: Sequence[Tally]) -> Tally:
    """The sum of several units."""
    return Tally(
        unit_id,
        name,
        sum(each.submitted for each in tallies),
        sum(each.present for each in tallies),
        sum(each.waits for each in tallies),
    )


def to_json(one: Summary) -> dict[str, Any]:
    """For keeping; lists rather than tuples, so that it equals what is read back."""
    return {
        "unit": list(astuple(one.unit)),
        "below": [list(astuple(each)) for each in one.below],
        "cells": one.cells,
        "done": one.done,
        "furthest": [list(astuple(each)) for each in one.furthest],
    }


def from_json(kept: dict[str, Any], as_of: datetime) -> Summary:
    """The summary that was kept."""
    return Summary(
        Tally(*kept["unit"]),
        [Tally(*each) for each in kept["below"]],
        kept["cells"],
        kept["done"],
        [Tally(*each) for each in kept["furthest"]],
        as_of,
    )
