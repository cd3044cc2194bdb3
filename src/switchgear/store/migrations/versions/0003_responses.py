"""Responses that later calls may name."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, String

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "responses",
        Column("id", String, primary_key=True),
        Column("owner", String, primary_key=True),
        Column("key_id", String, nullable=False),
        Column("model", String, nullable=False),
        Column("created_at_ms", BigInteger, nullable=False),
        Column("expires_at_ms", BigInteger, nullable=False),
        Column("status", String, nullable=False),
        Column("previous_id", String, nullable=False),
        Column("channel", String, nullable=False),
        Column("secret_digest", LargeBinary, nullable=False),
        Column("background", Boolean, nullable=False),
        Column("epoch", String, nullable=False),
        Column("due", Boolean, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("input_items", LargeBinary, nullable=False),
        Column("output_items", LargeBinary, nullable=False),
        Column("response", LargeBinary, nullable=False),
        Column("bill", LargeBinary, nullable=False),
    )
    op.create_index("responses_by_expiry", "responses", ["expires_at_ms"])
    op.create_index("responses_by_owner", "responses", ["owner", "created_at_ms", "bytes"])
    op.create_index("responses_due", "responses", ["due", "epoch"])


def downgrade() -> None:
    op.drop_table("responses")
