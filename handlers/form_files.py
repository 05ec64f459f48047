"""A form's TOML file becomes a Form, or a list of everything that is wrong with it and how to mend it."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from handlers.forms import RESERVED, Form, Kind, Prefill, made
from handlers.messages import plain
from handlers.texts import LANGUAGES, say
from handlers.words import clean

Table = Mapping[str, Any]

_ID = re.compile(r"[a-z][a-z0-9_]{0,23}")  # with an assessment and an option it fits into the 64 bytes of a button
_LINE = 300  # characters of a ``line`` where the file says nothing else
_SCREEN = 2_400  # characters of all that is said with one question: a phone's screen or two, never cut
_LABEL = 100  # characters of an option
_OPTIONS = 20
_NUMBER = (int, float)
_FORM = {
    "id": str, "title": str, "lang": str, "legal_basis": str, "header": str, "for_leaders": bool, "sections": list,
}  # fmt: skip
_SECTION = {"id": str, "number": str, "heading": str, "intro": str, "filled_by": str, "questions": list}
_QUESTION = {
    "id": str, "kind": str, "label": str, "required": bool, "options": list, "minimum": _NUMBER, "maximum": _NUMBER,
    "decimals": int, "sum_of": list, "longest": int, "hint": str, "example": str, "carry_over": bool, "prefill": str,
    "when": dict, "rates": bool, "scores": bool,
}  # fmt: skip
_OPTION = {"id": str, "label": str}
_FIELDS, _FIELD = 12, 100  # fields of a header, which is one screen, and characters of a field's label
_WHEN = {"question": str, "is_in": list}
_FILLED_BY = ("member", "thu_truong", "chi_uy", "dang_uy")
_NEEDED = {"id", "title", "lang", "sections", "heading", "questions", "kind", "label", "question", "is_in"}
_ONLY = {  # a key that means something for some kinds only
    "options": ("choice", "choices"), "minimum": ("number",), "maximum": ("number",), "decimals": ("number",),
    "sum_of": ("sum",), "longest": ("text", "line"), "rates": ("choice",), "scores": ("number", "sum"),
}  # fmt: skip


def forms_in(folder: Path, lang: str) -> tuple[dict[str, Form], list[str]]:
    """Every form of a folder by its id, and what is wrong with the files that hold none, in sentences of *lang*."""
    found: dict[str, Form] = {}
    wrong: list[str] = []
    for file in sorted(folder.glob("*.toml")):
        form = read_form(file.read_bytes().decode("utf-8", "replace"), file.name, lang)
        if not isinstance(form, Form):
            wrong += form
        elif form.id in found:
            wrong.append(say(lang, "forms.same_form", file=file.name, id=form.id))
        else:
            found[form.id] = form
    return found, wrong or ([] if found else [say(lang, "forms.none", folder=folder)])


def problems_in(folder: Path, lang: str) -> list[str]:
    """What is wrong with the forms of a folder; nothing where all is well."""
    return forms_in(folder, lang)[1]


def read_form(text: str, file: str, lang: str) -> Form | list[str]:
    """The form that a TOML *text* describes, or every mistake in it as a sentence that names *file* and place."""
    try:
        data = tomllib.loads(clean(text))
    except tomllib.TOMLDecodeError as error:
        return [say(lang, "forms.toml", file=file, error=error)]
    check = _Check(file, lang)
    check.form(data)
    return check.wrong or made(_with_defaults(data))


def _with_defaults(data: Table) -> Table:
    def whole(question: Table) -> Table:
        return {"longest": _LINE, **question} if question["kind"] == "line" else question

    def filled(section: Table) -> Table:
        return {"number": "", **section, "questions": [whole(question) for question in section["questions"]]}

    return {**data, "sections": [filled(section) for section in data["sections"]]}


class _Check:
    """Goes through the data of one file and gathers what is wrong."""

    def __init__(self, file: str, lang: str) -> None:
        self.file, self.lang = file, lang
        self.wrong: list[str] = []
        self.known: dict[str, Table] = {}  # the questions so far, by id

    def no(self, where: str, key: str, **values: Any) -> None:
        self.wrong.append(f"{self.file}, {where}: {say(self.lang, f'forms.{key}', **values)}")

    def table(self, where: str, data: Any, keys: Mapping[str, Any]) -> bool:
        """Whether *data* is a table with the needed keys, each of its type. Unknown keys are told as well."""
        if not isinstance(data, dict):
            self.no(where, "table")
            return False
        before = len(self.wrong)
        for key, value in data.items():
            if key not in keys:
                meant = get_close_matches(key, keys, 1)
                self.no(where, "unknown_key", name=key, known=meant[0] if meant else ", ".join(keys))
            elif not isinstance(value, keys[key]) or (isinstance(value, bool) and keys[key] is not bool):
                self.no(where, f"type_{_name(keys[key])}", name=key)
            elif key in _NEEDED and value in ("", []):
                self.no(where, "empty", name=key)
        for key in keys:
            if key in _NEEDED and key not in data:
                self.no(where, "needed", name=key)
        return len(self.wrong) == before

    def id(self, where: str, value: str, seen: Iterable[str]) -> None:
        if not _ID.fullmatch(value):
            self.no(where, "id", id=value)
        elif value in RESERVED:
            self.no(where, "reserved", id=value)
        elif value in seen:
            self.no(where, "twice", id=value)

    def one_of(self, where: str, key: str, value: str, allowed: tuple[str, ...]) -> None:
        if value not in allowed:
            self.no(where, "one_of", name=key, value=value, allowed=", ".join(filter(None, allowed)))

    def form(self, data: Table) -> None:
        top = say(self.lang, "forms.top")
        if not self.table(top, data, _FORM):
            return
        self.id(top, data["id"], ())
        self.one_of(top, "lang", data["lang"], LANGUAGES)
        seen: list[str] = []
        for number, section in enumerate(data["sections"], 1):
            where = say(self.lang, "forms.section", id=_id(section, number))
            if self.table(where, section, _SECTION):
                self.id(where, section["id"], seen)
                seen.append(section["id"])
                self.one_of(where, "filled_by", section.get("filled_by", "member"), _FILLED_BY)
                if header := bool(data.get("header")) and section["id"] == data["header"]:
                    self.header(where, section)
                self.section(section, header=header)
        if data.get("header") and seen[:1] != [data["header"]]:
            self.no(top, "header", header=data["header"])
        for flag in ("rates", "scores"):
            marked = [q["id"] for q in self.known.values() if q.get(flag)]
            if len(marked) > 1:
                self.no(top, "one_mark", flag=flag, ids=", ".join(marked))

    def header(self, where: str, section: Table) -> None:
        labels = [q["label"] for q in section["questions"] if isinstance(q, dict) and isinstance(q.get("label"), str)]
        if len(section["questions"]) > _FIELDS or any(len(label) > _FIELD for label in labels):
            self.no(where, "header_long", fields=_FIELDS, longest=_FIELD)

    def section(self, section: Table, *, header: bool) -> None:
        for number, question in enumerate(section["questions"], 1):
            where = say(self.lang, "forms.question", id=_id(question, number), section=section["id"])
            if self.table(where, question, _QUESTION):
                self.question(where, question, header=header)
                screen = sum(len(question.get(key, "")) for key in ("label", "hint", "example"))
                if (long := screen + len(section["heading"]) + len(section.get("intro", ""))) > _SCREEN:
                    self.no(where, "screen", length=long, longest=_SCREEN)
                self.known.setdefault(question["id"], question)

    def question(self, where: str, question: Table, *, header: bool) -> None:
        kind = question["kind"]
        self.id(where, question["id"], self.known)
        self.one_of(where, "kind", kind, get_args(Kind))
        self.one_of(where, "prefill", question.get("prefill", ""), get_args(Prefill))
        for key, kinds in _ONLY.items():
            if key in question and kind not in kinds:
                self.no(where, "only_for", name=key, kinds=", ".join(kinds))
        if header and kind not in ("line", "number", "date"):
            self.no(where, "header_kind", kind=kind)
        if question.get("prefill") and not header:
            self.no(where, "prefill")
        if kind in ("choice", "choices"):
            self.options(where, question.get("options", []))
        if kind == "sum":
            self.sum(where, question.get("sum_of", []))
        if question.get("minimum", 0) > question.get("maximum", question.get("minimum", 0)):
            self.no(where, "limits", minimum=question.get("minimum", 0), maximum=question["maximum"])
        if not 0 <= question.get("decimals", 0) <= 4:
            self.no(where, "decimals")
        if not 1 <= question.get("longest", 1) <= 20_000:
            self.no(where, "longest")
        if "when" in question:
            self.when(where, question["when"], header=header)

    def options(self, where: str, options: list[Any]) -> None:
        if not 2 <= len(options) <= _OPTIONS:
            self.no(where, "options", most=_OPTIONS)
        seen: list[str] = []
        labels: list[str] = []
        for number, option in enumerate(options, 1):
            place = f"{where}, {say(self.lang, 'forms.option', number=number)}"
            if self.table(place, option, _OPTION):
                self.id(place, option["id"], seen)
                seen.append(option["id"])
                if not 1 <= len(option["label"]) <= _LABEL:
                    self.no(place, "option_label", longest=_LABEL)
                if plain(option["label"]) in labels:
                    self.no(place, "same_label", label=option["label"])
                labels.append(plain(option["label"]))

    def sum(self, where: str, parts: list[Any]) -> None:
        if not parts:
            self.no(where, "needed", name="sum_of")
        for part in parts:
            question = self.known.get(part) if isinstance(part, str) else None
            if question is None or question["kind"] != "number":
                self.no(where, "sum_part", part=part)
            elif not question.get("required", True) or "when" in question:
                self.no(where, "sum_always", part=part)

    def when(self, where: str, when: Table, *, header: bool) -> None:
        if header:
            self.no(where, "header_when")
        if not self.table(f"{where}, when", when, _WHEN):
            return
        asked = self.known.get(when["question"])
        if asked is None:
            self.no(where, "when_earlier", question=when["question"])
            return
        ids = ["yes", "no"] if asked["kind"] == "yes_no" else [o["id"] for o in asked.get("options", ())]
        if not ids:
            self.no(where, "when_kind", question=when["question"])
        for option in when["is_in"]:
            if ids and option not in ids:
                self.no(where, "when_option", option=option, question=when["question"], allowed=", ".join(ids))


def _name(kind: Any) -> str:
    return "number" if kind in (_NUMBER, int) else {str: "text", bool: "flag", list: "list", dict: "table"}[kind]


def _id(data: Any, number: int) -> str:
    """What a table calls itself, or its place in the file."""
    return str(data["id"]) if isinstance(data, dict) and data.get("id") else f"#{number}"
