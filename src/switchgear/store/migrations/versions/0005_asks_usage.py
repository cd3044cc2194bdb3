"""Channels say whether their hosts bear ``stream_options``; those of before are asked with them."""

from alembic import op
from sqlalchemy import Boolean, Column, true

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("channels", Column("asks_usage", Boolean, nullable=False, server_default=true()))


def downgrade() -> None:
    op.drop_column("channels", "asks_usage")
