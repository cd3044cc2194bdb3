"""Runs the steps on the connection that ``store.migrate`` hands in, inside its transaction."""

from alembic import context

from switchgear.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
