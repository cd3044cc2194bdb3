"""Channels say which dialects their hosts speak; those of before speak what their vendors do."""

from alembic import op
from sqlalchemy import JSON, Column

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("channels", Column("dialects", JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("channels", "dialects")
