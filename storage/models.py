"""The tables. Times are aware and in UTC; words are NFC; states are small words."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.database import Utc

# States of an assessment. Those of OWES still have to submit.
NOT_STARTED, IN_PROGRESS, RETURNED = "not_started", "in_progress", "returned"
SUBMITTED, ACCEPTED, EXEMPT, PAPER = "submitted", "accepted", "exempt", "paper"
OWES = (NOT_STARTED, IN_PROGRESS, RETURNED)


def is_reopened(state: str, place: str) -> bool:
    """Whether a submitted review is being changed: its last submission counts until a new one replaces it."""
    return state == SUBMITTED and place not in ("", "submitted")


# States of an outgoing message.
QUEUED, CLAIMED, SENT, UNSURE = "queued", "claimed", "sent", "unsure"
WITHDRAWN, EXPIRED, REFUSED = "withdrawn", "expired", "refused"

# Kinds of an outgoing message. A reminder is sent at most once; the others at least once.
REPLY, RECEIPT, NOTICE, REMINDER, DIGEST = "reply", "receipt", "notice", "reminder", "digest"

# Conditions of partial indexes. Queries repeat them to the letter: SQLite sees through no parameter.
WAITING_REPLY = "outgoing.state = 'queued' AND outgoing.kind IN ('reply', 'receipt')"
WAITING_NOTICE = "outgoing.state = 'queued' AND outgoing.kind NOT IN ('reply', 'receipt')"
OPEN_REPLY = "outgoing.state IN ('queued', 'claimed') AND outgoing.kind IN ('reply', 'receipt')"
IN_A_HAND = "outgoing.state = 'claimed'"
SAID = "outgoing.state = 'sent' AND outgoing.body IS NOT NULL"
FAILED = "outgoing.state IN ('refused', 'unsure')"


def _only(condition: str) -> dict[str, Any]:
    """The arguments that make an index partial."""
    inside = text(condition.replace("outgoing.", ""))
    return {"sqlite_where": inside, "postgresql_where": inside}


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can change it."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: Utc,
        str: sa.Text,
        bytes: sa.LargeBinary,
        dict[str, Any]: sa.JSON,
        int: sa.Integer,
    }


class Unit(Base):
    """A node of the tree: committee > organisation > (division) > cell."""

    __tablename__ = "unit"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    kind: Mapped[str]  # committee, organisation, division, cell; base_cell is organisation and cell in one
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)  # the path of names, folded and exact: see storage.units
    path: Mapped[str] = mapped_column(index=True)  # ids from the root, "1.4.7.": a subtree is a prefix


class Person(Base):
    """A member, whatever their roles."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_key: Mapped[str]  # folded, for finding
    birth_date: Mapped[date]
    gender: Mapped[str | None]
    phone: Mapped[str | None]
    position: Mapped[str | None]
    form: Mapped[str | None]  # the roster's value: "2A"
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    admitted_on: Mapped[date | None]
    exempt_reason: Mapped[str | None]
    lang: Mapped[str | None]  # None: the organisation's


class Role(Base):
    """A person's function in a unit. Being a member follows from ``person.unit_id`` and has no row."""

    __tablename__ = "role"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    name: Mapped[str]  # secretary, deputy, officer, admin
    granted: Mapped[bool]  # by an operator; the roster's own roles follow the roster
    __table_args__ = (UniqueConstraint("person_id", "unit_id", "name"),)


class Address(Base):
    """A person on a channel; nobody's yet while they join."""

    __tablename__ = "address"
    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str]  # telegram, zalo, web, terminal
    bot: Mapped[str]  # which bot of the channel; "" where there is one
    chat: Mapped[str]  # the platform's id of the chat
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    closed: Mapped[str | None]  # why nothing can be sent there: blocked, ended, moved
    place: Mapped[str] = mapped_column(default="")  # which flow its next words go to: "join/birth", "fill", "menu"
    memory: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what that flow must remember: ids, never words
    seq: Mapped[int] = mapped_column(default=0)  # the web page's last message number
    shown: Mapped[int] = mapped_column(default=0, server_default="0")  # the last number the page says it has shown
    last_seen: Mapped[datetime]
    __table_args__ = (UniqueConstraint("channel", "bot", "chat"),)


class Invitation(Base):
    """A one-time code that binds an address to a person. Only a keyed hash of it is stored."""

    __tablename__ = "invitation"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]  # when its typed code bound somebody: that is once
    opened_at: Mapped[datetime | None]  # when its web link first let somebody in: that may be again
    revoked_at: Mapped[datetime | None]


class Attempt(Base):
    """A wrong code or a wrong birth date, for the limits."""

    __tablename__ = "attempt"
    id: Mapped[int] = mapped_column(primary_key=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
    code_hash: Mapped[str]  # of the code that was tried, whether there is such a code or not
    at: Mapped[datetime] = mapped_column(index=True)


class Cycle(Base):
    """One review season, with everything its TOML file says."""

    __tablename__ = "cycle"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    opening: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # its rows are still being made
    rules: Mapped[str]  # JSON of the file, checked: handlers.cycles reads it
    digest: Mapped[str]  # of ``rules``: whoever has read these rules need not read them again


class CycleForm(Base):
    """The cycle's own frozen copy of a form."""

    __tablename__ = "cycle_form"
    id: Mapped[int] = mapped_column(primary_key=True)
    cycle_id: Mapped[int] = mapped_column(ForeignKey("cycle.id"))
    key: Mapped[str]  # the roster's value that gets this form: "2A"
    form_id: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    body: Mapped[str]  # JSON: handlers.forms reads it
    digest: Mapped[str]
    __table_args__ = (UniqueConstraint("cycle_id", "key", "version"),)


class Consent(Base):
    """What a person said to a cycle's consent text, each time. The newest row counts."""

    __tablename__ = "consent"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    cycle_id: Mapped[int] = mapped_column(ForeignKey("cycle.id"))
    version: Mapped[str]
    given: Mapped[bool]
    at: Mapped[datetime]
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
    __table_args__ = (Index(None, "person_id", "cycle_id"),)


class Assessment(Base):
    """One person's review in one cycle. Everybody in the cycle has a row, the exempt too."""

    __tablename__ = "assessment"
    id: Mapped[int] = mapped_column(primary_key=True)
    cycle_id: Mapped[int] = mapped_column(ForeignKey("cycle.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    form_id: Mapped[int | None] = mapped_column(ForeignKey("cycle_form.id"))  # None: the roster gave none
    state: Mapped[str] = mapped_column(sa.String(12))
    exempt_reason: Mapped[str | None]
    state_before: Mapped[str | None] = mapped_column(sa.String(12))  # of the exempt: what it goes back to
    place: Mapped[str] = mapped_column(default="")  # where filling stands: a question's id, "review/2", ...
    revision: Mapped[int] = mapped_column(default=0)  # one more with every change of an answer
    remind_at: Mapped[datetime | None]  # the next reminder; None: none is due any more
    reminded: Mapped[int] = mapped_column(default=0)  # how many were sent
    reminded_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    active_at: Mapped[datetime | None]  # the last thing the person did in it
    submitted_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("cycle_id", "person_id"),
        Index("ix_assessment_unit", "cycle_id", "unit_id", "state"),
        Index("ix_assessment_due", "remind_at", **_only("remind_at IS NOT NULL")),
    )


class Answer(Base):
    """One thing that was answered. Rows are only added: the answer to a question is its last row that *starts*
    with all that were added to it since; earlier ones are its history."""

    __tablename__ = "answer"
    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessment.id"))
    question: Mapped[str]
    number: Mapped[int]  # the revision of the assessment that wrote it
    starts: Mapped[bool]  # False: goes on with the answer before it
    words: Mapped[bytes]  # UTF-8, sealed where a data key is set
    at: Mapped[datetime]
    address_id: Mapped[int | None] = mapped_column(ForeignKey("address.id"))
    __table_args__ = (UniqueConstraint("assessment_id", "question", "number"),)


class Submission(Base):
    """The immutable snapshot taken each time an assessment is submitted."""

    __tablename__ = "submission"
    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessment.id"))
    number: Mapped[int]
    at: Mapped[datetime]
    late: Mapped[bool]
    receipt: Mapped[str]  # the short code in the member's hand
    snapshot: Mapped[bytes]  # JSON of all answers, sealed where a data key is set
    level: Mapped[str | None]  # the self-rating's option id
    score: Mapped[float | None]
    __table_args__ = (UniqueConstraint("assessment_id", "number"),)


class IncomingKey(Base):
    """What came in, by its key. A turn that failed is kept here with its payload until it is replayed."""

    __tablename__ = "incoming"
    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    failed: Mapped[str | None]  # the kind of error; None: done
    payload: Mapped[bytes | None]
    __table_args__ = (Index("ix_incoming_failed", "at", **_only("failed IS NOT NULL")),)


class Outgoing(Base):
    """The outbox: every message, replies included."""

    __tablename__ = "outgoing"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
    sender: Mapped[str]  # the address's channel and bot, "telegram:123": whoever delivers looks here
    person_id: Mapped[int | None]
    assessment_id: Mapped[int | None]
    unit_id: Mapped[int | None]
    state: Mapped[str] = mapped_column(sa.String(10))
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]  # the run of the process that has it
    attempts: Mapped[int] = mapped_column(default=0)
    parts_sent: Mapped[int] = mapped_column(default=0)  # of a long text that went out in parts
    body: Mapped[bytes | None]  # JSON of the Message, sealed; None: worded when claimed, or emptied after 7 days
    facts: Mapped[dict[str, Any] | None]  # a digest's counts, or what undoes a reminder's count: numbers and times
    seq: Mapped[int | None]  # its place on the web page
    why: Mapped[str | None]
    created_at: Mapped[datetime]  # or when it was last put back to be due
    sent_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("address_id", "seq"),
        Index("ix_outgoing_replies", "sender", "due_at", "id", **_only(WAITING_REPLY)),
        Index("ix_outgoing_notices", "sender", "due_at", "id", **_only(WAITING_NOTICE)),
        Index("ix_outgoing_open", "address_id", "id", **_only(OPEN_REPLY)),
        Index("ix_outgoing_claimed", "sender", "claimed_by", **_only(IN_A_HAND)),
        Index("ix_outgoing_said", "sent_at", **_only(SAID)),
        Index("ix_outgoing_failed", "due_at", **_only(FAILED)),
        Index("ix_outgoing_assessment", "assessment_id"),
    )


class Audit(Base):
    """Who did what to whom: bindings, roles, exemptions, and each read of another's answers. Ids, never words."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[int | None]  # a person; None: the operator or the program itself
    action: Mapped[str]
    person_id: Mapped[int | None]
    unit_id: Mapped[int | None]
    address_id: Mapped[int | None]
    cycle_id: Mapped[int | None]


class Tally(Base):
    """What officers of a large unit are shown, as the clock's job ``tally`` counted it the last time it ran."""

    __tablename__ = "tally"
    cycle_id: Mapped[int] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    body: Mapped[dict[str, Any]]  # handlers.rollup reads it


class JobRun(Base):
    """The heartbeat of each job of the clock."""

    __tablename__ = "job_run"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    expected: Mapped[int]
    put_out: Mapped[int]


class Note(Base):
    """A few words the program keeps for itself: ``paused``, ``demo``, a bot's name."""

    __tablename__ = "note"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
