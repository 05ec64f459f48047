"""What opening a season means for whom: counts, times, and an example of each message."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.listing import SOME, some
from handlers import notices
from handlers.calendar import schedule
from handlers.cycles import Cycle
from handlers.messages import as_text
from handlers.texts import say
from storage import models as m
from storage import season_counts
from storage.database import Db


@dataclass(frozen=True, slots=True)
class Opening:
    """Who would get what, and when: true of the database as it was."""

    cycle: Cycle
    now: datetime
    people: int
    by_form: Mapping[str, int]  # who owe, by the roster's value
    exempt: Mapping[str, int]  # by reason
    without_form: int
    codes: tuple[str, ...]  # member codes of the first of those without a form
    ringing: int  # of those who owe: who get the first notice and the reminders
    passive: int  # who have only the web page
    unlinked: int
    unreachable: int
    secretaries: int
    officers: int
    notice: str  # an example; "" where nobody gets one
    reminder: str
    slots: tuple[datetime, ...]

    def lines(self, lang: str) -> list[str]:
        """For the operator: counts, times and the text of one example of each message."""
        cycle = self.cycle
        owe = sum(self.by_form.values()) + self.without_form
        say_when = {at: notices.when(lang, cycle, at) for at in (cycle.opens, cycle.due, cycle.closes, *self.slots)}
        lines = [
            f"{cycle.name} ({cycle.code})",
            say(
                lang,
                "season.dates",
                opens=say_when[cycle.opens],
                due=say_when[cycle.due],
                closes=say_when[cycle.closes],
            ),
            say(
                lang,
                "season.people",
                people=self.people,
                owe=owe,
                forms=", ".join(f"{form} {number}" for form, number in self.by_form.items()) or "-",
            ),
        ]
        if self.exempt:
            reasons = "; ".join(f"{reason} {number}" for reason, number in self.exempt.items())
            lines.append(say(lang, "season.exempt", number=sum(self.exempt.values()), reasons=reasons))
        if self.without_form:
            lines.append(say(lang, "season.without_form", codes=some(lang, self.codes, self.without_form)))
        lines.append(
            say(
                lang,
                "season.reach",
                ringing=self.ringing,
                passive=self.passive,
                unlinked=self.unlinked,
                unreachable=self.unreachable,
            )
        )
        lines.append(say(lang, "season.digests", secretaries=self.secretaries, officers=self.officers))
        for at in self.slots:
            past = at <= self.now
            lines.append(say(lang, f"season.{'slot_past' if past else 'slot'}", at=say_when[at], number=self.ringing))
        if self.notice:
            lines.append(say(lang, "season.example", text=_indented(self.notice)))
        lines.append(say(lang, "season.example", text=_indented(self.reminder)))
        return lines


def opening_of(db: Db, cycle: Cycle, now: datetime, lang: str) -> Opening:
    """What opening a season means with the roster as it is. Only reads."""
    values = [value for value, _ in cycle.forms]
    standing = season_counts.standing(db, values, cycle.admitted_before)
    reach = Counter(dict.fromkeys(("ringing", "passive", "unlinked", "unreachable"), 0))
    reach.update(standing.reach)
    example = notices.reminder(lang, cycle, 0, max(now, cycle.opens), state=m.NOT_STARTED, stage=None)
    return Opening(
        cycle,
        now,
        standing.people,
        standing.by_form,
        standing.exempt,
        standing.without_form,
        tuple(season_counts.without_form(db, values, cycle.admitted_before, SOME)),
        reach["ringing"],
        reach["passive"],
        reach["unlinked"],
        reach["unreachable"],
        standing.secretaries,
        standing.officers,
        as_text(notices.opened(lang, cycle, 0)) if reach["ringing"] + reach["passive"] else "",
        as_text(example),
        schedule(cycle),
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
