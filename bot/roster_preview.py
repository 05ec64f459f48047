"""What importing a roster would change, as the operator reads it: on the screen in short, in a report whole."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from bot.roster_row import Finding, Member
from bot.roster_units import UnitPlan
from bot.season_follows import Synced
from handlers.texts import say
from storage.people import Person

# The columns of a roster with the field of a person that each decides, in the order in which changes are shown.
FIELDS = {
    "full_name": "name",
    "birth_date": "birth_date",
    "gender": "gender",
    "phone": "phone",
    "position": "position",
    "form": "form",
    "admitted_on": "admitted_on",
    "exempt_reason": "exempt_reason",
}
COLUMNS = ("unit_path", "full_name", "birth_date", "gender", "phone", "position", "form", "role", "admitted_on",
           "exempt_reason")  # fmt: skip
AT_MOST = 20  # changes of one column, units or findings of one kind on the screen


@dataclass(frozen=True, slots=True)
class Changed:
    """A record that says something else than what is stored: (column, old, new), as words."""

    member: Member
    steps: tuple[tuple[str, str, str], ...]

    @property
    def code(self) -> str:
        """The member code."""
        return self.member.code


@dataclass(frozen=True, slots=True)
class Preview:
    """What importing a roster would change, or has changed."""

    findings: tuple[Finding, ...]
    rejected: int
    new: tuple[Member, ...]
    changed: tuple[Changed, ...]
    unchanged: int
    absent: int  # stored, but not in the file: they stay
    units: UnitPlan
    paths: Mapping[str, str]  # of every unit by key: "Khối/Sở A/Chi bộ 1"
    members: Mapping[str, int]  # how many records each of them has, those below included
    ids: Mapping[str, int] = field(default_factory=dict)  # of the people whose records are there already, by code
    as_of: int = 0  # the last record of an import or a granted role when this was compared
    synced: Synced | None = None  # how the open cycle followed, once it was taken in

    @property
    def units_new(self) -> Mapping[str, str]:
        """The names of the new units by key."""
        return self.units.new

    @property
    def changes(self) -> bool:
        """Whether anything is different from what is stored."""
        return bool(self.new or self.changed or self.units.new or self.units.changed)

    def lines(self, lang: str, *, whole: bool = False) -> list[str]:
        """For the operator: findings, changes from old to new by column, new units, counts. *whole*: all of them."""
        counts = say(
            lang,
            "roster.counts",
            new=len(self.new),
            changed=len(self.changed),
            unchanged=self.unchanged,
            rejected=self.rejected,
            absent=self.absent,
        )
        nothing = [] if self.changes else [say(lang, "roster.no_change")]
        return [
            *self._findings(lang, whole),
            *self._changes(lang, whole),
            *self._renamed(lang, whole),
            *self._other_kinds(lang, whole),
            *self._units(lang, whole),
            counts,
            *nothing,
        ]

    def _findings(self, lang: str, whole: bool) -> list[str]:
        """Everything that is refused or doubtful; of what was only put right, the first of each kind."""
        seen: Counter[str] = Counter()
        lines = []
        for finding in self.findings:
            seen[finding.key] += finding.mark == "fixed"
            if whole or seen[finding.key] <= AT_MOST:
                lines.append(finding.sentence(lang))
        left = len(self.findings) - len(lines)
        return lines + ([say(lang, "roster.more_findings", count=left)] if left else [])

    def _changes(self, lang: str, whole: bool) -> list[str]:
        by_column: dict[str, list[str]] = defaultdict(list)
        for each in self.changed:
            for column, old, new in each.steps:
                if column == "phone" and not whole:
                    old, new = _hidden(old), _hidden(new)
                by_column[column].append(f"{each.code}: {old or '-'} → {new or '-'}")
        lines = []
        for column in COLUMNS:
            if steps := by_column[column]:
                lines.append(say(lang, "roster.column_changed", column=column, count=len(steps)))
                lines += _first(lang, steps, whole)
        return lines

    def _renamed(self, lang: str, whole: bool) -> list[str]:
        steps = [f"{old.name} → {new.name}" for old, new in self.units.changed if old.name != new.name]
        return [say(lang, "roster.units_renamed", count=len(steps)), *_first(lang, steps, whole)] if steps else []

    def _other_kinds(self, lang: str, whole: bool) -> list[str]:
        steps = [
            f"{self.paths[new.key]}: {say(lang, f'roster.{old.kind}')} → {say(lang, f'roster.{new.kind}')}"
            for old, new in self.units.changed
            if old.kind != new.kind
        ]
        return [say(lang, "roster.units_kind", count=len(steps)), *_first(lang, steps, whole)] if steps else []

    def _units(self, lang: str, whole: bool) -> list[str]:
        """New units: each of them where they are few, else counted below each organisation."""
        new = self.units.new
        if not new:
            return []
        head = say(lang, "roster.units", new=len(new))
        if whole or len(new) <= AT_MOST:
            each = [say(lang, "roster.unit", path=self.paths[key], people=self.members[key]) for key in sorted(new)]
            return [head, *(f"  {line}" for line in each)]
        below = Counter("/".join(key.split("/")[:2]) for key in new)
        tree = [
            say(lang, "roster.units_below", path=self.paths[key], new=below[key], people=self.members[key])
            for key in sorted(below)
        ]
        return [head, *_first(lang, tree, whole)]


def steps(person: Person, member: Member) -> list[tuple[str, str, str]]:
    """What a record says differently of a person, but for unit and role."""
    return [
        (column, _words(was), _words(new))
        for column, name in FIELDS.items()
        if (was := getattr(person, name)) != (new := getattr(member, name))
    ]


def _first(lang: str, lines: list[str], whole: bool) -> list[str]:
    shown = lines if whole else lines[:AT_MOST]
    left = len(lines) - len(shown)
    return [f"  {line}" for line in shown] + ([f"  {say(lang, 'roster.more_changes', count=left)}"] if left else [])


def _words(value: object) -> str:
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value or "")


def _hidden(phone: str) -> str:
    """A number as far as it tells two apart: a screen is read by others, too."""
    return f"…{phone[-3:]}" if phone else ""
