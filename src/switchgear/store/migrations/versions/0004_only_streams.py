"""Channels say whether their hosts answer only as a stream; those of before answer either way."""

from alembic import op
from sqlalchemy import Boolean, Column, false

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("channels", Column("only_streams", Boolean, nullable=False, server_default=false()))


def downgrade() -> None:
    op.drop_column("channels", "only_streams")
