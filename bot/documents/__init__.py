"""Files that are built when they are sent, and the links to them for channels that take none."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from bot.channels import File
from bot.documents import word
from handlers import frozen
from handlers.cycles import loads
from handlers.forms import Answers, Form
from handlers.messages import Document
from handlers.texts import say
from storage import assessments, audit, cycles, people, units
from storage.database import Database, Db

REVIEW = "review.docx"
LASTS = timedelta(hours=1)  # a link
LONGEST = 30.0  # seconds that building a file may take


class NotTheirs(Exception):
    """There is no such document of that person."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a review is built from."""

    form: Form
    facts: word.Facts
    answers: Answers
    year: int


@dataclass(frozen=True, slots=True)
class Documents:
    """Builds documents for whom they are about, and signs links to them."""

    database: Database
    now: Callable[[], datetime]
    secret_key: str
    public_url: str
    lang: str

    async def built(self, document: Document, person_id: int | None) -> File:
        """The file, built from what is submitted now; that it was read is on record. Raises NotTheirs."""
        found = await self.database.read(lambda db: _sources(db, document, person_id))
        if found is None:
            raise NotTheirs
        await self.database.write(
            lambda db: audit.record(db, "review.downloaded", self.now(), actor_id=person_id, person_id=person_id)
        )
        building = asyncio.to_thread(word.review, found.form, found.facts, found.answers)
        return File(f"ban-kiem-diem-{found.year}.docx", await asyncio.wait_for(building, LONGEST))

    def path(self, document: Document, person_id: int | None) -> str:
        """Where the web app gives this document to whoever has the link, for a while."""
        expires = int((self.now() + LASTS).timestamp())
        return f"/file/{self._signer().dumps([document.name, document.assessment, person_id, expires])}"

    def opened(self, token: str) -> tuple[Document, int] | None:
        """What a link leads to, and whose it is; None where it was altered or has expired."""
        try:
            name, assessment, person_id, expires = self._signer().loads(token)
        except (BadSignature, ValueError, TypeError):
            return None
        if self.now() > datetime.fromtimestamp(expires, UTC):
            return None
        return Document(name, assessment), person_id

    def written_out(self, document: Document, person_id: int | None) -> str:
        """What is said in place of the file where the channel takes none."""
        if not self.public_url:
            return say(self.lang, "document.on_the_page")
        return say(self.lang, "document.link", url=self.public_url.rstrip("/") + self.path(document, person_id))

    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self.secret_key, salt="document")


def _sources(db: Db, document: Document, person_id: int | None) -> Sources | None:
    """What was submitted last in this assessment, if it is that person's own; ids in links are never trusted."""
    assessment = assessments.by_id(db, document.assessment)
    person = people.by_id(db, person_id) if person_id else None
    if document.name != REVIEW or assessment is None or person is None or assessment.person_id != person.id:
        return None
    submitted = assessments.last_submission(db, assessment.id)
    if submitted is None or assessment.form_id is None or assessment.form_digest is None:
        return None
    cycle = loads(cycles.rules(db, assessment.cycle_id))
    facts = word.Facts(units.names(db, assessment.unit_id), person.name, cycle.zone, submitted.at, submitted.receipt)
    form = frozen.form(db, assessment.form_id, assessment.form_digest)
    return Sources(form, facts, submitted.snapshot, cycle.year)
