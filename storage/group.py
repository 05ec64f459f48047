"""What the turns of one transaction read and write alike: in one statement for all of them."""

from collections.abc import Collection

from storage import assessments, consents
from storage.assessments import Assessment, Step
from storage.database import Db


class Group:
    """The people whose turns share a transaction, and what each step of a form needs of them.

    It is read for all of them when the first one asks, and handed out once: who asks again asks the database. A turn
    changes only what is its own person's; one that changes something before it asks says so with `forget`.
    """

    def __init__(self, db: Db, people: Collection[int], cycle_id: int | None, consent: str) -> None:
        """*consent*: the version of the cycle's text."""
        self.db, self.cycle_id, self.version = db, cycle_id, consent
        self.people = set(people)
        self._consents: dict[int, bool | None] | None = None  # by person, as all of these
        self._assessments: dict[int, Assessment | None] | None = None
        self._answers: dict[int, list[assessments.Piece]] | None = None
        self._begun: dict[int, int] = {}  # assessments that may have answers, with their persons
        self._revision = 0  # the highest of theirs
        self._steps: list[Step] = []

    def consent(self, person_id: int) -> bool | None:
        """The person's last word on the cycle's text; None where it was never asked."""
        assert self.cycle_id is not None
        if self._consents is None:
            given = consents.newest_of(self.db, self.people, self.cycle_id, self.version)
            self._consents = {person: given.get(person) for person in self.people}
        if person_id in self._consents:
            return self._consents.pop(person_id)
        self.write()
        return consents.newest(self.db, person_id, self.cycle_id, self.version)

    def assessment(self, person_id: int) -> Assessment | None:
        """The person's own assessment in the cycle."""
        assert self.cycle_id is not None
        if self._assessments is None:
            found = assessments.of_all(self.db, self.people, self.cycle_id)
            self._assessments = {person: found.get(person) for person in self.people}
            self._begun = {each.id: each.person_id for each in found.values() if each.revision and each.editable}
            self._revision = max((each.revision for each in found.values() if each.id in self._begun), default=0)
        if person_id in self._assessments:
            return self._assessments.pop(person_id)
        self.write()  # also of who is known by another chat: they join here while they answer there
        return assessments.of(self.db, person_id, self.cycle_id)

    def answers(self, assessment: Assessment) -> dict[str, str]:
        """What is answered, by question id."""
        if self._answers is None:
            pieces = assessments.pieces_of(self.db, self._begun, revision=self._revision)
            self._answers = {person: pieces.get(each, []) for each, person in self._begun.items()}
        if assessment.person_id in self._answers:
            return assessments.joined(self.db, assessment.id, self._answers.pop(assessment.person_id))
        self.write()
        return assessments.answers(self.db, assessment.id)

    def forget(self, person_id: int) -> None:
        """The turn of this person is about to change what it has not asked for yet."""
        self.people.discard(person_id)
        self._begun = {each: person for each, person in self._begun.items() if person != person_id}
        for read in (self._consents, self._assessments, self._answers):
            if read is not None:
                read.pop(person_id, None)

    def save(self, step: Step) -> None:
        """Store a step when all turns have run, or somebody asks the database."""
        self._steps.append(step)

    def write(self) -> None:
        """Store what is left to be stored."""
        steps, self._steps = self._steps, []
        assessments.save(self.db, *steps)
