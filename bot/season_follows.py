"""The open season follows the roster."""

from dataclasses import dataclass
from datetime import datetime

from bot.listing import some
from handlers.calendar import first_reminder, next_reminder
from handlers.cycles import Cycle
from handlers.lifecycle import Standing, after, state_before
from handlers.texts import say
from storage import consents, enrolments, outbox
from storage import models as m
from storage.database import Db
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
            say(lang, f"season.{name}", codes=some(lang, codes)) for name, codes in named.items() if codes
        ]


def sync_assessments(db: Db, cycle: Cycle, now: datetime) -> Synced:
    """Let the open cycle follow the roster: to be called in the transaction of an import. A closed one stays as it is.

    Adds missing rows, moves people to their unit, exempts and no longer exempts; another form only where nothing was
    begun, else its member code is reported. A submission stays where the roster exempts its person: they are reported
    once, and not written to any more.
    """
    if cycle.closed:
        return Synced()
    added = enrolments.add_missing(db, cycle.id, cycle.admitted_before, first_reminder(cycle, now))
    different = enrolments.differences(db, cycle.id, cycle.admitted_before)
    back = [each.person_id for each in different if each.state == m.EXEMPT and not each.reason]
    said = consents.newest_of(db, back, cycle.id, cycle.consent.version)
    changes = [_followed(cycle, each, now, declined=said.get(each.person_id) is False) for each in different]
    enrolments.change(db, changes)
    outbox.withdraw_notices(db, [each.id for each in changes if each.exempt_reason], "exempt")
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


def _followed(cycle: Cycle, each: Difference, now: datetime, *, declined: bool) -> Change:
    """What an assessment says once it follows the roster."""
    known = each.state_before or state_before(submitted=each.submitted, declined=declined, begun=each.started)
    was = Standing(each.state, known if each.state == m.EXEMPT else None)
    stands = after("exempt" if each.reason else "resume", was)
    begun = (was.before or was.state) != m.NOT_STARTED
    changes_form = each.other_form and not begun
    form_id, place = (each.wanted_form_id, "") if changes_form else (each.form_id, each.place)
    remind_at = each.remind_at
    if stands.state not in m.OWES or form_id is None:
        remind_at = None
    elif each.state == m.EXEMPT or each.form_id is None:
        remind_at = next_reminder(
            cycle, reminded=each.reminded, reminded_at=each.reminded_at, snoozed_until=None, after=now
        )
    return Change(each.id, each.unit_id, form_id, place, stands.state, stands.before, each.reason, remind_at)
