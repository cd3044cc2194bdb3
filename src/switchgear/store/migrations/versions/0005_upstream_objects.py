"""Groups say whether their keys may name anything of an upstream's account; those of before may not."""

from alembic import op
from sqlalchemy import Boolean, Column, false

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("groups", Column("upstream_objects", Boolean, nullable=False, server_default=false()))


def downgrade() -> None:
    op.drop_column("groups", "upstream_objects")
