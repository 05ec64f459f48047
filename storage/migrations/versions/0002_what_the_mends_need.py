"""what the mends of version 0.1 need: columns, partial indexes, states and a table, none is rebuilt."""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INDEXES = {
    "ix_outgoing_claimed": (["sender", "claimed_by"], "state = 'claimed'"),
    "ix_outgoing_said": (["sent_at"], "state = 'sent' AND body IS NOT NULL"),
    "ix_outgoing_failed": (["due_at"], "state IN ('refused', 'unsure')"),
}
# On PostgreSQL a turn beside another one could store an older revision; after that no answer could be stored any more.
HEAL_REVISIONS = """
UPDATE assessment SET revision = (SELECT max(number) FROM answer WHERE answer.assessment_id = assessment.id)
WHERE revision < (SELECT max(number) FROM answer WHERE answer.assessment_id = assessment.id)
"""


def upgrade() -> None:
    """The tables as this revision wants them."""
    op.add_column("address", sa.Column("shown", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("cycle", sa.Column("opening", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("assessment", sa.Column("state_before", sa.String(12), nullable=True))
    op.create_table(
        "tally",
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycle.id"], name="fk_tally_cycle_id"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_tally_unit_id"),
        sa.PrimaryKeyConstraint("cycle_id", "unit_id", name="pk_tally"),
    )
    op.execute(HEAL_REVISIONS)
    _spell_keys_out()
    for name, (columns, condition) in INDEXES.items():
        only = sa.text(condition)
        op.create_index(name, "outgoing", columns, sqlite_where=only, postgresql_where=only)
    # Until now changing a submitted review took the submission back; from now on it counts until another replaces it.
    # Only one that is in progress has changes: the other drafts were discarded, or erased with the consent.
    op.execute(
        "UPDATE assessment SET state = 'submitted', remind_at = NULL,"
        " place = CASE state WHEN 'in_progress' THEN place ELSE '' END"
        " WHERE state IN ('not_started', 'in_progress', 'paper') AND submitted_at IS NOT NULL"
    )


def _spell_keys_out() -> None:
    """Give every unit a key that keeps diacritics: Đông and Đồng were one. Keys get finer only: none meets another."""
    unit = sa.table("unit", sa.column("id"), sa.column("parent_id"), sa.column("name"), sa.column("key"))
    db = op.get_bind()
    keys: dict[int | None, str] = {None: ""}
    rows = db.execute(sa.select(unit.c.id, unit.c.parent_id, unit.c.name, unit.c.key)).all()
    for row in sorted(rows, key=lambda row: row.key.count("/")):
        plain, exact = row.key.rpartition("/")[2].replace("!", " "), _spelled(row.name).replace("!", " ")
        own = plain if exact == plain else f"{plain}!{exact}"
        above = keys.get(row.parent_id, "")
        keys[row.id] = f"{above}/{own}" if above else own
    if changed := [{"row": row.id, "to": keys[row.id]} for row in rows if keys[row.id] != row.key]:
        db.execute(sa.update(unit).where(unit.c.id == sa.bindparam("row")).values(key=sa.bindparam("to")), changed)


TONES = "\u0300\u0301\u0303\u0309\u0323"


def _spelled(text: str) -> str:
    """As ``handlers.words.spelled`` was when this was written."""
    apart = unicodedata.normalize("NFD", text.casefold().replace("ð", "đ"))
    moved = re.sub("(?:[^\\W\\d_][\u0300-\u036f]*)+", _tones_last, apart)
    return unicodedata.normalize("NFC", " ".join(moved.split()))


def _tones_last(syllable: re.Match[str]) -> str:
    letters = [letter for letter in syllable[0] if letter not in TONES]
    return "".join([*letters, *(tone for tone in syllable[0] if tone in TONES)])
