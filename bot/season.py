"""A season from its opening to its end: who is in it, what it would say to whom, and how it follows the roster."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from handlers import cycles as rules
from handlers import forms, notices
from handlers.calendar import allowed, next_reminder, schedule
from handlers.cycles import Cycle
from handlers.forms import Form, Problem
from handlers.messages import as_text, dumps
from handlers.texts import say
from storage import audit, cycles, enrolments, outbox, reminders, season_counts
from storage import models as m
from storage.database import Database, Db
from storage.enrolments import Change, Difference


@dataclass(frozen=True, slots=True)
class Synced:
    """What importing a roster changed in the open cycle."""

    added: int = 0
    moved: int = 0
    exempted: int = 0
    resumed: int = 0  # no longer exempt
    forms_changed: int = 0
    kept: tuple[str, ...] = ()  # member codes: the roster gives another form, but they have begun
    submitted: tuple[str, ...] = ()  # member codes: exempt now, but they have submitted
    without_form: tuple[str, ...] = ()  # member codes

    def lines(self, lang: str) -> list[str]:
        """For the operator: what changed, then who needs a look."""
        numbers = {
            "added": self.added,
            "moved": self.moved,
            "exempted": self.exempted,
            "resumed": self.resumed,
            "forms": self.forms_changed,
        }
        named = {"kept": self.kept, "submitted": self.submitted, "without_form": self.without_form}
        return [say(lang, "season.synced", **numbers)] + [
            say(lang, f"season.{name}", codes=", ".join(codes)) for name, codes in named.items() if codes
        ]


@dataclass(frozen=True, slots=True)
class Opening:
    """Who would get what, and when: true of the database as it was."""

    cycle: Cycle
    now: datetime
    people: int
    by_form: Mapping[str, int]  # who owe, by the roster's value
    exempt: Mapping[str, int]  # by reason
    without_form: tuple[str, ...]  # member codes
    ringing: int  # of those who owe: who get the first notice and the reminders
    passive: int  # who have only the web page
    unlinked: int
    unreachable: int
    secretaries: int
    officers: int
    notice: str = ""
    reminder: str = ""
    slots: tuple[datetime, ...] = field(default=())

    def lines(self, lang: str) -> list[str]:
        """For the operator: counts, times and the text of one example of each message."""
        cycle = self.cycle
        owe = sum(self.by_form.values()) + len(self.without_form)
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
            lines.append(say(lang, "season.without_form", codes=", ".join(self.without_form)))
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


def open_cycle(
    db: Db, cycle: Cycle, known_forms: Mapping[str, Form], now: datetime, lang: str = "vi"
) -> Opening | Problem:
    """Open a season in this transaction: its rules, its frozen forms, a row for everybody, the first notices.

    A Problem where another season is open, or one of this code has been.
    """
    newest = cycles.newest(db)
    if newest is not None and newest.closed_at is None:
        return Problem("season.another_open", {"code": newest.code})
    if any(row.code == cycle.code for row in cycles.every(db)):
        return Problem("season.same_code", {"code": cycle.code})
    frozen = []
    for value, form_id in cycle.forms:
        body = forms.dumps(known_forms[form_id])
        frozen.append((value, form_id, body, forms.digest(body)))
    cycle = replace(cycle, id=cycles.opened(db, cycle.code, rules.dumps(cycle), frozen, now))
    enrolments.add_missing(db, cycle.id, cycle.admitted_before, _first_reminder(cycle, now))
    audit.record(db, "cycle.opened", now, cycle_id=cycle.id)
    opening = _opening(db, cycle, now, lang)
    _put_first_notices(db, cycle, now, lang)
    return opening


def rehearse(
    database: Database, cycle: Cycle, known_forms: Mapping[str, Form], now: datetime, lang: str = "vi"
) -> Opening | Problem:
    """What ``open_cycle`` would do: it is done, looked at and rolled back."""
    with database.engine.connect() as db, db.begin() as transaction:
        found = open_cycle(db, cycle, known_forms, now, lang)
        transaction.rollback()
    return found


def close_cycle(db: Db, cycle: Cycle, now: datetime) -> None:
    """Close a season early: nothing more is taken, and nothing that waits is sent."""
    cycles.close(db, cycle.id, now)
    audit.record(db, "cycle.closed", now, cycle_id=cycle.id)


def move_deadline(db: Db, cycle: Cycle, due: datetime, closes: datetime, now: datetime) -> Cycle | Problem:
    """Give a running season another deadline. Next reminders are set anew, from now on: none is repeated."""
    if not cycle.opens < due <= closes:
        return Problem("season.wrong_order", {})
    moved = replace(cycle, due=due, closes=closes)
    cycles.change(db, cycle.id, rules.dumps(moved))
    reschedule(db, moved, now)
    audit.record(db, "cycle.deadline_moved", now, cycle_id=cycle.id)
    return moved


def reschedule(db: Db, cycle: Cycle, now: datetime) -> None:
    """Set the next reminder of everybody who owes, always later than *now*."""
    reminders.set_next(
        db,
        [
            (
                assessment,
                next_reminder(
                    cycle, reminded=reminded, reminded_at=reminded_at, snoozed_until=snoozed_until, after=now
                ),
            )
            for assessment, reminded, reminded_at, snoozed_until in reminders.owing(db, cycle.id)
        ],
    )


def sync_assessments(db: Db, cycle: Cycle, now: datetime) -> Synced:
    """Let the open cycle follow the roster: to be called in the transaction of an import. A closed one stays as it is.

    Adds missing rows, moves people to their unit, exempts and no longer exempts; another form only where nothing was
    begun, else its member code is reported.
    """
    if cycle.closed:
        return Synced()
    added = enrolments.add_missing(db, cycle.id, cycle.admitted_before, _first_reminder(cycle, now))
    different = enrolments.differences(db, cycle.id, cycle.admitted_before)
    changes = [_followed(cycle, each, now) for each in different]
    enrolments.change(db, changes)
    both = list(zip(different, changes, strict=True))
    return Synced(
        added=added,
        moved=sum(1 for was, now_is in both if was.old_unit_id != now_is.unit_id),
        exempted=sum(1 for was, now_is in both if was.state != m.EXEMPT == now_is.state),
        resumed=sum(1 for was, now_is in both if was.state == m.EXEMPT != now_is.state),
        forms_changed=sum(1 for was, now_is in both if was.form_id != now_is.form_id),
        kept=tuple(was.code for was, now_is in both if was.other_form and now_is.form_id != was.wanted_form_id),
        submitted=tuple(was.code for was, now_is in both if was.reason and now_is.state != m.EXEMPT),
        without_form=tuple(enrolments.without_form(db, cycle.id)),
    )


def _followed(cycle: Cycle, each: Difference, now: datetime) -> Change:
    """What an assessment says once it follows the roster."""
    form_id = each.wanted_form_id if each.other_form and not each.started else each.form_id
    state, reason, remind_at = each.state, each.old_reason, each.remind_at
    if each.reason and state not in (m.SUBMITTED, m.ACCEPTED):
        state, reason, remind_at = m.EXEMPT, each.reason, None
    elif not each.reason and state == m.EXEMPT:
        state, reason = (m.IN_PROGRESS if each.started else m.NOT_STARTED), None
    if state in m.OWES and form_id is None:
        remind_at = None
    elif state in m.OWES and (each.state == m.EXEMPT or each.form_id is None):
        remind_at = next_reminder(
            cycle, reminded=each.reminded, reminded_at=each.reminded_at, snoozed_until=None, after=now
        )
    return Change(each.id, each.unit_id, form_id, state, reason, remind_at)


def _first_reminder(cycle: Cycle, now: datetime) -> datetime | None:
    return next_reminder(cycle, reminded=0, reminded_at=None, snoozed_until=None, after=now)


def _put_first_notices(db: Db, cycle: Cycle, now: datetime, lang: str) -> None:
    at = allowed(cycle, max(now, cycle.opens))
    outbox.put_notices(
        db,
        [
            {
                "key": f"opened:{cycle.id}:{each.person_id}",
                "kind": m.NOTICE,
                "address_id": each.address_id,
                "person_id": each.person_id,
                "assessment_id": each.assessment_id,
                "due_at": at,
                "expires_at": cycle.due,
                "body": dumps(notices.opened(each.lang or lang, cycle, each.assessment_id)),
            }
            for each in season_counts.bound(db, cycle.id)
        ],
        now,
    )


def _opening(db: Db, cycle: Cycle, now: datetime, lang: str) -> Opening:
    standing = season_counts.standing(db, cycle.id)
    reach = Counter(dict.fromkeys(("ringing", "passive", "unlinked", "unreachable"), 0))
    reach.update(standing.reach)
    example = notices.reminder(
        lang, cycle, 0, max(now, cycle.opens), state=m.NOT_STARTED, stage=None, submitted_before=False
    )
    return Opening(
        cycle,
        now,
        standing.people,
        standing.by_form,
        standing.exempt,
        tuple(enrolments.without_form(db, cycle.id)),
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
