"""${message}."""

import sqlalchemy as sa
from alembic import op

from storage.database import Utc
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """The tables as this revision wants them."""
    ${upgrades if upgrades else "pass"}
