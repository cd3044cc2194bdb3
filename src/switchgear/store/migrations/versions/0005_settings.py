"""Groups say whether their keys may name anything of an upstream's account; channels, whether their hosts
bear ``stream_options``. Those of before may not, and are asked with them."""

from alembic import op
from sqlalchemy import Boolean, Column, false, true

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("groups", Column("upstream_objects", Boolean, nullable=False, server_default=false()))
    op.add_column("channels", Column("asks_usage", Boolean, nullable=False, server_default=true()))


def downgrade() -> None:
    op.drop_column("channels", "asks_usage")
    op.drop_column("groups", "upstream_objects")
