"""A cycle's frozen forms, each read once: under its digest a form never changes."""

from handlers import forms
from handlers.forms import Form
from storage import cycles
from storage.database import Db

_READ: dict[str, Form] = {}  # by digest: a handful


def form(db: Db, form_id: int, digest: str) -> Form:
    """The frozen form of a row of ``cycle_form``."""
    if digest not in _READ:
        _READ[digest] = forms.loads(cycles.form_body(db, form_id))
    return _READ[digest]
