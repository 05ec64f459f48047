"""One record of a roster: what it says, what was mended in it, and why it is refused."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, lru_cache
from typing import Literal

from bot.roster_file import Record
from handlers.texts import say
from handlers.words import a_date, clean, fold, spelled
from storage.enrolments import LEFT

Mark = Literal["rejected", "fixed", "warning", "skipped"]

LONGEST = {"unit_path": 100, "full_name": 100, "position": 200}  # characters; a path: each of its names
ROLES = {
    "": "member",
    "member": "member",
    "dang vien": "member",
    "secretary": "secretary",
    "bi thu": "secretary",
    "bi thu chi bo": "secretary",
    "deputy": "deputy",
    "pho bi thu": "deputy",
    "pho bi thu chi bo": "deputy",
    "officer": "officer",
    "can bo phu trach": "officer",
}
GENDERS = ("nam", "nữ")
# Who is not reviewed: article 5 of Quy định 366-QĐ/TW, and those who are no longer in the cell.
REASONS = ("miễn công tác và sinh hoạt đảng", "đình chỉ sinh hoạt đảng", *LEFT)

_FORMULA = re.compile(r"[=+\-@＝＋－＠]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CODE = re.compile(r"\w[\w./-]{0,39}")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SERIAL = re.compile(r"\d{5}")
_SERIAL_ZERO = date(1899, 12, 30)  # day 0 of Excel's calendar, seen from March 1900 on
_WORDS = ("unit_path", "full_name", "position", "exempt_reason")  # the others are codes: full-width forms united too


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about a record; ``key`` and ``values`` of the text."""

    number: int
    code: str
    mark: Mark
    key: str
    values: Mapping[str, object]

    def sentence(self, lang: str) -> str:
        """One line for the operator."""
        mark = say(lang, f"roster.{self.mark}")
        where = f"{self.number} ({self.code[:40]})" if self.code else f"{self.number}"
        return say(lang, "roster.finding", where=where, mark=mark, text=say(lang, self.key, **self.values))


@dataclass(frozen=True, slots=True)
class Member:
    """What a good record says of a person."""

    number: int
    units: tuple[str, ...]  # names from the root to the cell
    code: str
    name: str
    birth_date: date
    gender: str | None
    phone: str | None
    position: str | None
    form: str | None
    role: str  # member, secretary, deputy, officer
    admitted_on: date | None
    exempt_reason: str | None


@cache
def unit_key(units: tuple[str, ...]) -> str:
    """The key of a unit, from the names of its path: the same under any spelling that reads the same."""
    *above, name = units
    plain, exact = fold(name).replace("!", " "), spelled(name).replace("!", " ")
    key = plain if exact == plain else f"{plain}!{exact}"
    return f"{unit_key(tuple(above))}/{key}" if above else key


@lru_cache(maxsize=8192)
def _parts(path: str) -> tuple[str, ...]:
    """The names of a path. The same for the same path: a cell has many members."""
    return tuple(filter(None, (part.strip() for part in path.split("/"))))


@dataclass
class Reading:
    """A record while it is read: its tidy cells and what was found."""

    record: Record
    today: date
    forms: Collection[str]
    findings: list[Finding] = field(default_factory=list)
    member: Member | None = None

    def __post_init__(self) -> None:
        self.cells = {column: _tidy(column, cell) for column, cell in self.record.cells.items()}
        self.code = self.cells["member_code"] = self.cells["member_code"].upper()
        self.units = _parts(self.cells["unit_path"])
        self._read()

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against taking it in."""
        return self.member is not None and not any(found.mark == "rejected" for found in self.findings)

    def note(self, mark: Mark, key: str, **values: object) -> None:
        """Remember what was found."""
        self.findings.append(Finding(self.record.number, self.code, mark, f"roster.{key}", values))

    def _read(self) -> None:
        if not any(self.cells.values()):
            self.note("skipped", "empty")
            return
        if self.record.surplus:
            self.note("rejected", "too_many_cells" if self.record.surplus > 0 else "too_few_cells")
            return
        self._check_words()
        birth, admitted = self._dates()
        phone, gender, form = self._phone(), self._gender(), self._form()
        role, reason = self._role(), self._reason()
        if birth:
            self.member = Member(
                number=self.record.number,
                units=self.units,
                code=self.code,
                name=self.cells["full_name"],
                birth_date=birth,
                gender=gender,
                phone=phone,
                position=self.cells["position"] or None,
                form=form,
                role=role,
                admitted_on=admitted,
                exempt_reason=reason,
            )

    def _check_words(self) -> None:
        changed = [c for c in self.cells if self.cells[c] != self.record.cells[c] and c not in ("role", "phone")]
        if changed:
            self.note("fixed", "tidied", columns=", ".join(changed))
        if not self.units:
            self.note("rejected", "no_unit")
        if not self.code:
            self.note("rejected", "no_code")
        elif not _CODE.fullmatch(self.code):
            self.note("rejected", "bad_code")
        name = self.cells["full_name"]
        if not any(letter.isalpha() for letter in name):
            self.note("rejected", "no_name")
        if _FORMULA.match(name) or any(_FORMULA.match(unit) for unit in self.units):
            self.note("rejected", "formula", column="full_name" if _FORMULA.match(name) else "unit_path")
        elif _FORMULA.match(self.cells["position"]):
            self.note("warning", "formula_kept", column="position")
        for column, limit in LONGEST.items():
            parts = self.units if column == "unit_path" else (self.cells[column],)
            if any(len(part) > limit for part in parts):
                self.note("rejected", "too_long", column=column, limit=limit)
            if _BIDI.search(self.cells[column]):
                self.note("rejected", "hidden_signs", column=column)

    def _dates(self) -> tuple[date | None, date | None]:
        found = {column: _day(self.cells[column]) for column in ("birth_date", "admitted_on")}
        day_first = any(day and how == "day first" for day, how in found.values())
        for column, (day, how) in found.items():
            if how == "none" and column == "birth_date":
                self.note("rejected", "no_birth_date")
            elif how != "none" and (day is None or day.year < 1900):
                self.note("rejected", "no_such_day", column=column)
            elif (
                how == "either" and day and day.day != day.month and not day_first
            ):  # the other date of the record does not settle it
                self.note("warning", "day_or_month", column=column, day=f"{day:%d/%m/%Y}")
            elif day and how != "iso":
                self.note("fixed", "date_read", column=column, day=f"{day:%d/%m/%Y}")
        birth, admitted = found["birth_date"][0], found["admitted_on"][0]
        if birth and birth >= self.today:
            self.note("rejected", "born_later")
        if birth and admitted and admitted <= birth:
            self.note("rejected", "admitted_before_birth")
        elif admitted and admitted > self.today:
            self.note("warning", "admitted_later")
        return birth, admitted

    def _phone(self) -> str | None:
        raw = self.cells["phone"]
        digits = re.sub(r"[\s.()-]", "", raw)
        if digits.startswith("+84"):
            digits = "0" + digits[3:]
        elif re.fullmatch(r"[1-9]\d{8}", digits):  # a spreadsheet took the zero away
            digits = "0" + digits
        if re.fullmatch(r"0\d{9,10}", digits):
            if digits != self.record.cells["phone"]:
                self.note("fixed", "phone_read", phone=digits)
            return digits
        if raw:
            self.note("warning", "phone_dropped")
        return None

    def _gender(self) -> str | None:
        raw = self.cells["gender"]
        known = _known(GENDERS, raw)
        if raw and not known:
            self.note("warning", "gender_dropped", known=", ".join(GENDERS))
        return known

    def _form(self) -> str | None:
        raw = self.cells["form"]
        known = _known(tuple(self.forms), raw)
        if not raw:
            self.note("warning", "no_form")
        elif not known:
            self.note("rejected", "unknown_form", known=", ".join(self.forms))
        return known

    def _role(self) -> str:
        known = ROLES.get(fold(self.cells["role"]))
        if known is None:
            self.note("rejected", "unknown_role", known="member, secretary, deputy, officer")
        elif known != self.record.cells["role"]:
            self.note("fixed", "role_read", role=known)
        return known or "member"

    def _reason(self) -> str | None:
        raw = self.cells["exempt_reason"]
        known = _known(REASONS, raw)
        if raw and not known:
            self.note("rejected", "unknown_reason", known="; ".join(REASONS))
        return known


@lru_cache(maxsize=8192)  # units, positions and forms repeat
def _tidy(column: str, raw: str) -> str:
    """One line, NFC, single spaces, Đ for Ð, nothing invisible but what turns the direction (that is refused)."""
    if raw.isascii() and raw.isprintable():
        return " ".join(raw.split())
    text = clean(raw) if column in _WORDS else unicodedata.normalize("NFKC", clean(raw))
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf" or _BIDI.match(c))
    return " ".join(seen.translate({0xD0: "Đ", 0xF0: "đ"}).split())


@lru_cache(maxsize=1024)
def _known(words: tuple[str, ...], raw: str) -> str | None:
    """The one of a few *words* that was meant, in any spelling."""
    return {fold(word): word for word in words}.get(fold(raw))


@lru_cache(maxsize=8192)
def _day(raw: str) -> tuple[date | None, Literal["none", "iso", "serial", "day first", "either"]]:
    """A day, and how it was written; *either*: day and month could be the other way round."""
    if not raw:
        return None, "none"
    if found := _ISO.fullmatch(raw):
        year, month, day = (int(part) for part in found.groups())
        try:
            return date(year, month, day), "iso"
        except ValueError:
            return None, "iso"
    if _SERIAL.fullmatch(raw):
        return _SERIAL_ZERO + timedelta(days=int(raw)), "serial"
    read = a_date(raw)
    return read, "either" if read and read.day <= 12 else "day first"
