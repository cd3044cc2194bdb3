"""Brings a database to the current schema by Alembic, from the package's own files.

Imported only when there is something to do: Alembic takes longer to import than the rest of a start.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, migrations: Path = MIGRATIONS) -> None:
    """Runs the missing steps in the connection's transaction; the caller commits."""
    config = _config(migrations)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def known_revisions(migrations: Path = MIGRATIONS) -> tuple[str, ...]:
    """Every revision of the package, first to last."""
    script = ScriptDirectory.from_config(_config(migrations))
    return tuple(step.revision for step in reversed(list(script.walk_revisions())))


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
