"""Channels say how long answers are read on without their client, and whether implausible reports are
charged; those of before do as the server says, and charge them."""

from alembic import op
from sqlalchemy import Boolean, Column, Float, false

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("channels", Column("client_gone_read_s", Float))
    op.add_column("channels", Column("doubt_usage", Boolean, nullable=False, server_default=false()))


def downgrade() -> None:
    op.drop_column("channels", "doubt_usage")
    op.drop_column("channels", "client_gone_read_s")
