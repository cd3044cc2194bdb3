"""Groups say whether their keys may name anything of an upstream's account; those of before may not.

Channels say whether their hosts bear ``stream_options``, how long answers are read on without their client,
whether implausible reports are charged, and whether unknown chat models get all earlier reasoning back. Those
of before are asked with them, do as the server says, charge them, and get back only their own.

Epochs say whose worker they are; those of before belong to the node that starts first.
"""

from alembic import op
from sqlalchemy import Boolean, Column, Float, String, false, true

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("groups", Column("upstream_objects", Boolean, nullable=False, server_default=false()))
    op.add_column("channels", Column("asks_usage", Boolean, nullable=False, server_default=true()))
    op.add_column("channels", Column("client_gone_read_s", Float))
    op.add_column("channels", Column("doubt_usage", Boolean, nullable=False, server_default=false()))
    op.add_column("channels", Column("gives_back_reasoning", Boolean, nullable=False, server_default=false()))
    op.add_column("epochs", Column("node", String, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("epochs", "node")
    for name in ("gives_back_reasoning", "doubt_usage", "client_gone_read_s", "asks_usage"):
        op.drop_column("channels", name)
    op.drop_column("groups", "upstream_objects")
