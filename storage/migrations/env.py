"""How Alembic reaches the tables: on the connection that ``storage.schema`` hands it."""

from typing import Any, Literal

from alembic import context

from storage.database import Utc
from storage.models import Base


def _named(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    """How a type of ours is written in a migration."""
    return "Utc()" if kind == "type" and isinstance(value, Utc) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
    render_item=_named,
)
context.run_migrations()
