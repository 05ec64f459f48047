"""Invitations: one-time codes that bind an address to a person. Only a keyed hash of a code is stored."""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from storage import models as m
from storage.database import Db
from storage.prepared import Prepared, any_of

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # 31 signs that are not taken for one another
LENGTH = 10  # 31 ** 10 codes: 49 bits
LASTS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whose account a code opens, and until when."""

    id: int
    person_id: int
    expires_at: datetime
    used_at: datetime | None
    opened_at: datetime | None
    revoked_at: datetime | None

    def opens(self, *, web: bool, now: datetime, in_season: bool) -> bool:
        """Whether it may bind an address now.

        Typed, it is used once. As a web link it opens again, and once opened it does so until the season ends;
        the birth date is asked each time. (DECISIONS of the project: a page is opened more often than a chat is bound.)
        """
        if self.revoked_at is not None:
            return False
        if web and self.opened_at is not None and in_season:
            return True
        return now <= self.expires_at and (web or self.used_at is None)


def code_in(text: str) -> str | None:
    """The code in what was typed: any case, with or without dash or spaces; None where it is none."""
    if len(text) > 10 * LENGTH:
        return None
    typed = re.sub(r"[\s\-\u2010-\u2015]", "", text).upper()
    return typed if len(typed) == LENGTH and all(sign in ALPHABET for sign in typed) else None


def written(code: str) -> str:
    """The code as people read it: ABCDE-FGHJK."""
    return f"{code[:5]}-{code[5:]}"


def hashed(db: Db, code: str) -> str:
    """What is stored of a code, under the secret of this installation."""
    secret: bytes = db.get_execution_options()["secret"]
    return hmac.digest(secret, f"invitation/{code}".encode(), "sha256").hex()


def make(db: Db, people: Iterable[int], now: datetime, lasts: timedelta = LASTS) -> dict[int, str]:
    """A new code for each of *people*, by person; it revokes those they had. Raises ValueError without a secret."""
    if not db.get_execution_options()["secret"]:
        raise ValueError("invitations need a secret key")
    codes = {person: "".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for person in people}
    revoke(db, codes, now)
    if codes:
        db.execute(
            sa.insert(m.Invitation),
            [
                {
                    "person_id": person,
                    "code_hash": hashed(db, code),
                    "created_at": now,
                    "expires_at": now + lasts,
                }
                for person, code in codes.items()
            ],
        )
    return codes


_REVOKE = Prepared(
    sa.update(m.Invitation)
    .where(any_of(m.Invitation.person_id, "people"), m.Invitation.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("now"))
)


def revoke(db: Db, people: Iterable[int], now: datetime) -> int:
    """Close every invitation of *people*, typed or as a link; how many there were."""
    return _REVOKE.run(db, people=list(people), now=now)


def by_hash(db: Db, code_hash: str) -> Invitation | None:
    """The invitation of a hashed code."""
    row = db.execute(
        sa.select(
            m.Invitation.id,
            m.Invitation.person_id,
            m.Invitation.expires_at,
            m.Invitation.used_at,
            m.Invitation.opened_at,
            m.Invitation.revoked_at,
        ).where(m.Invitation.code_hash == code_hash)
    ).first()
    return Invitation(*row) if row else None


def use(db: Db, invitation: Invitation, *, web: bool, now: datetime) -> bool:
    """Note that it bound an address; False where another chat was quicker with the same typed code."""
    this = sa.update(m.Invitation).where(m.Invitation.id == invitation.id)
    if web:
        db.execute(this.where(m.Invitation.opened_at.is_(None)).values(opened_at=now))
        return True
    return bool(db.execute(this.where(m.Invitation.used_at.is_(None)).values(used_at=now)).rowcount)
