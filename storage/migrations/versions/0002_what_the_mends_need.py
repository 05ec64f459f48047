"""what the mends of version 0.1 need: columns, partial indexes and states, no table is rebuilt."""

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
    op.execute(HEAL_REVISIONS)
    for name, (columns, condition) in INDEXES.items():
        only = sa.text(condition)
        op.create_index(name, "outgoing", columns, sqlite_where=only, postgresql_where=only)
    # Until now changing a submitted review took the submission back; from now on it counts until another replaces it.
    op.execute(
        "UPDATE assessment SET state = 'submitted', remind_at = NULL,"
        " place = CASE state WHEN 'not_started' THEN '' ELSE place END"
        " WHERE state IN ('not_started', 'in_progress') AND submitted_at IS NOT NULL"
    )
