"""The first schema."""

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    _who_may_call()
    _upstreams_and_prices()
    _money()
    _what_happened()


def downgrade() -> None:
    raise RuntimeError("the first schema has none before it; restore a backup instead")


def _who_may_call() -> None:
    op.create_table(
        "groups",
        Column("name", String, primary_key=True),
        Column("ratio_ppm", BigInteger, nullable=False),
    )
    op.create_table(
        "users",
        Column("id", String, primary_key=True),
        Column("name", String, nullable=False, unique=True),
        Column("status", String, nullable=False),
        Column("created_at_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "keys",
        Column("slot", Integer, primary_key=True, autoincrement=True),
        Column("id", String, nullable=False, unique=True),
        Column("name", String, nullable=False, unique=True),
        Column("user_id", String, ForeignKey("users.id"), nullable=False),
        Column("group_name", String, ForeignKey("groups.name"), nullable=False),
        Column("digest", LargeBinary, nullable=False, unique=True),
        Column("masked", String, nullable=False),
        Column("disabled", Boolean, nullable=False),
        Column("has_quota", Boolean, nullable=False),
        Column("models", JSON, nullable=False),
        Column("allow_ips", JSON, nullable=False),
        Column("rpm", Integer, nullable=False),
        Column("tpm", BigInteger, nullable=False),
        Column("concurrency", Integer, nullable=False),
        Column("expires_at_ms", BigInteger, nullable=False),
        Column("created_at_ms", BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "admins",
        Column("name", String, primary_key=True),
        Column("password_hash", String, nullable=False),
    )


def _upstreams_and_prices() -> None:
    op.create_table(
        "channels",
        Column("id", String, primary_key=True),
        Column("name", String, nullable=False, unique=True),
        Column("vendor", String, nullable=False),
        Column("base_url", String),
        Column("keys_env", String),
        Column("models", JSON(none_as_null=True)),
        Column("model_map", JSON, nullable=False),
        Column("group_names", JSON, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("weight", Integer, nullable=False),
        Column("enabled", Boolean, nullable=False),
        Column("timeouts", JSON, nullable=False),
        Column("concurrency", Integer, nullable=False),
        Column("operations", JSON, nullable=False),
        Column("finish_on_client_gone", Boolean, nullable=False),
    )
    op.create_table(
        "channel_secrets",
        Column("channel_id", String, ForeignKey("channels.id"), primary_key=True),
        Column("kind", String, primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
    )
    op.create_table(
        "prices",
        Column("model", String, primary_key=True),
        Column("rates", JSON, nullable=False),
        Column("tiers", JSON, nullable=False),
    )


def _money() -> None:
    op.create_table(
        "accounts",
        Column("id", String, primary_key=True),
        Column("balance", BigInteger, nullable=False),
    )
    op.create_table(
        "transfers",
        Column("id", String, primary_key=True),
        Column("debit", String, nullable=False),
        Column("credit", String, nullable=False),
        Column("nanos", BigInteger, nullable=False),
        Column("kind", String, nullable=False),
        Column("ref", String, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        CheckConstraint("nanos > 0", name="transfers_nanos_positive"),
        CheckConstraint("debit <> credit", name="transfers_two_accounts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "epochs",
        Column("id", String, primary_key=True),
        Column("worker_index", Integer, nullable=False),
        Column("state", String, nullable=False),
        Column("started_at_ms", BigInteger, nullable=False),
        Column("buried_at_ms", BigInteger),
    )
    op.create_table(
        "leases",
        Column("epoch", String, ForeignKey("epochs.id"), primary_key=True),
        Column("account", String, primary_key=True),
        Column("granted", BigInteger, nullable=False),
        Column("returned", BigInteger, nullable=False),
        Index("leases_by_account", "account"),
    )
    op.create_table(
        "cursors",
        Column("epoch", String, primary_key=True),
        Column("journal_offset", BigInteger, nullable=False),
    )
    op.create_table(
        "grants_declared",
        Column("account", String, primary_key=True),
        Column("nanos", BigInteger, nullable=False),
    )


def _what_happened() -> None:
    op.create_table(
        "usage",
        Column("request_id", String, primary_key=True),
        Column("at_ms", BigInteger, nullable=False),
        Column("epoch", String, nullable=False),
        Column("user_id", String, nullable=False),
        Column("key_id", String, nullable=False),
        Column("model", String, nullable=False),
        Column("channel", String, nullable=False),
        Column("end_state", String, nullable=False),
        Column("nanos", BigInteger, nullable=False),
        Column("input_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        Column("record", LargeBinary, nullable=False),
        Index("usage_by_time", "at_ms"),
        Index("usage_by_key", "key_id", "request_id"),
    )
    op.create_table(
        "meta",
        Column("name", String, primary_key=True),
        Column("value", String, nullable=False),
    )
