"""Who is to be reminded, and when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from storage import models as m
from storage.database import Db, Utc


@dataclass(frozen=True, slots=True)
class Due:
    """An assessment whose time for a reminder has come, with the best open address of its person, if any."""

    id: int
    person_id: int
    cycle_id: int
    state: str
    remind_at: datetime
    reminded: int
    reminded_at: datetime | None
    snoozed_until: datetime | None
    address_id: int | None

    @property
    def owes(self) -> bool:
        """Whether it still has to be submitted."""
        return self.state in m.OWES


def best_address(person_id: InstrumentedAttribute[Any]) -> sa.ScalarSelect[int]:
    """The open address of a person that is best for a notice: as ``addresses.of_person`` orders them."""
    return (
        sa.select(m.Address.id)
        .where(m.Address.person_id == person_id, m.Address.closed.is_(None))
        .order_by(sa.case((m.Address.channel == "web", 1), else_=0), m.Address.last_seen.desc(), m.Address.id)
        .limit(1)
        .scalar_subquery()
    )


_DUE = (
    sa.select(
        m.Assessment.id,
        m.Assessment.person_id,
        m.Assessment.cycle_id,
        m.Assessment.state,
        m.Assessment.remind_at,
        m.Assessment.reminded,
        m.Assessment.reminded_at,
        m.Assessment.snoozed_until,
        best_address(m.Assessment.person_id).label("address_id"),
    )
    .where(m.Assessment.remind_at <= sa.bindparam("now"), m.Assessment.remind_at.is_not(None))
    .where(m.Assessment.cycle_id.not_in(sa.select(m.Cycle.id).where(m.Cycle.opening.is_(sa.true()))))
    .order_by(m.Assessment.remind_at)
    .limit(sa.bindparam("limit"))
    .with_for_update(key_share=True, skip_locked=True, of=m.Assessment)
)


def due(db: Db, now: datetime, limit: int) -> list[Due]:
    """The next assessments whose ``remind_at`` has come, each locked; two clocks at once get different ones."""
    return [Due(**row._asdict()) for row in db.execute(_DUE, {"now": now, "limit": limit})]


def set_next(db: Db, times: Iterable[tuple[int, datetime | None]]) -> None:
    """When each of these assessments (ids) is to be reminded next."""
    if rows := [{"row": row, "at": at} for row, at in times]:
        db.execute(
            sa.update(m.Assessment).where(m.Assessment.id == sa.bindparam("row")).values(remind_at=sa.bindparam("at")),
            rows,
        )


def snooze(db: Db, assessment_id: int, until: datetime) -> None:
    """They asked to be reminded then, and to be left alone until then."""
    db.execute(
        sa.update(m.Assessment).where(m.Assessment.id == assessment_id).values(snoozed_until=until, remind_at=until)
    )


@dataclass(frozen=True, slots=True)
class Count:
    """How a reminder that goes out now is counted, and what stands again where it did not get out."""

    at: datetime
    more: int  # 0: the person asked for it
    remind_at: datetime | None  # when the next one is due
    reminded_at_before: datetime | None
    remind_at_unsent: datetime | None  # when the next one is due where this one did not get out

    def facts(self) -> dict[str, Any]:
        """As JSON, for the row of the outbox."""
        return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in asdict(self).items()}


def counted(facts: Mapping[str, Any]) -> Count:
    """What ``Count.facts`` wrote."""
    read: dict[str, Any] = {name: datetime.fromisoformat(v) if isinstance(v, str) else v for name, v in facts.items()}
    return Count(**read)


def count(db: Db, assessment_id: int, this: Count) -> None:
    """A reminder goes out now."""
    db.execute(
        sa.update(m.Assessment)
        .where(m.Assessment.id == assessment_id)
        .values(reminded=m.Assessment.reminded + this.more, reminded_at=this.at, remind_at=this.remind_at)
    )


def uncount(db: Db, assessment_id: int, this: Count) -> None:
    """A reminder that was counted surely did not get out. What the person or others did meanwhile stays."""
    owes = m.Assessment.state.in_(m.OWES)
    as_counted = m.Assessment.remind_at.is_not_distinct_from(sa.literal(this.remind_at, Utc()))
    db.execute(
        sa.update(m.Assessment)
        .where(m.Assessment.id == assessment_id, m.Assessment.reminded_at == this.at)
        .values(
            reminded=m.Assessment.reminded - this.more,
            reminded_at=this.reminded_at_before,
            remind_at=sa.case(
                (sa.and_(owes, as_counted), sa.literal(this.remind_at_unsent, Utc())), else_=m.Assessment.remind_at
            ),
        )
    )


def lock(db: Db, assessment_id: int) -> None:
    """Hold an assessment until the end of the transaction: what is read of it afterwards stays true."""
    db.execute(sa.select(m.Assessment.id).where(m.Assessment.id == assessment_id).with_for_update(key_share=True))


def owing(db: Db, cycle_id: int) -> Sequence[tuple[int, int, datetime | None, datetime | None]]:
    """Everybody who owes and has a form: assessment, how often reminded, when last, snoozed until."""
    columns = m.Assessment.id, m.Assessment.reminded, m.Assessment.reminded_at, m.Assessment.snoozed_until
    rows = db.execute(
        sa.select(*columns).where(
            m.Assessment.cycle_id == cycle_id, m.Assessment.state.in_(m.OWES), m.Assessment.form_id.is_not(None)
        )
    )
    return [(row.id, row.reminded, row.reminded_at, row.snoozed_until) for row in rows]
