"""The tables, as SQLAlchemy Core sees them. Migrations build them; a test keeps the two alike.

Money is BigInteger nanos, times are Unix milliseconds, identifiers are 32 hex digits that sort by creation.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    false,
    true,
)

metadata = MetaData()

# Who may call.

groups = Table(
    "groups",
    metadata,
    Column("name", String, primary_key=True),
    Column("ratio_ppm", BigInteger, nullable=False),
    Column("upstream_objects", Boolean, nullable=False, server_default=false()),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("status", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    # Row of the workers' shared rate table. AUTOINCREMENT keeps it from ever being given twice.
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

admins = Table(
    "admins",
    metadata,
    Column("name", String, primary_key=True),
    Column("password_hash", String, nullable=False),
)

# Upstreams and prices.

channels = Table(
    "channels",
    metadata,
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
    Column("dialects", JSON, nullable=False, server_default="[]"),
    Column("finish_on_client_gone", Boolean, nullable=False),
    Column("client_gone_read_s", Float),
    Column("doubt_usage", Boolean, nullable=False, server_default=false()),
    Column("only_streams", Boolean, nullable=False, server_default=false()),
    Column("asks_usage", Boolean, nullable=False, server_default=true()),
    Column("gives_back_reasoning", Boolean, nullable=False, server_default=false()),
)

channel_secrets = Table(
    "channel_secrets",
    metadata,
    Column("channel_id", String, ForeignKey("channels.id"), primary_key=True),
    # ``key`` (several, tried in turn) or ``headers`` (one, a JSON list of pairs).
    Column("kind", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

prices = Table(
    "prices",
    metadata,
    Column("model", String, primary_key=True),
    Column("rates", JSON, nullable=False),
    Column("tiers", JSON, nullable=False),
)

# Money.

accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("balance", BigInteger, nullable=False),
)

transfers = Table(
    "transfers",
    metadata,
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

epochs = Table(
    "epochs",
    metadata,
    Column("id", String, primary_key=True),
    Column("worker_index", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("buried_at_ms", BigInteger),
    # Whose worker it is; empty: of no node yet (an older database, or a restored copy).
    Column("node", String, nullable=False, server_default=""),
)

leases = Table(
    "leases",
    metadata,
    # Cumulative figures of one worker epoch and one account, as the link says them.
    Column("epoch", String, ForeignKey("epochs.id"), primary_key=True),
    Column("account", String, primary_key=True),
    Column("granted", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Index("leases_by_account", "account"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("epoch", String, primary_key=True),
    Column("journal_offset", BigInteger, nullable=False),
)

grants_declared = Table(
    "grants_declared",
    metadata,
    # What configuration has funded so far, so that applying a file again books only the difference.
    Column("account", String, primary_key=True),
    Column("nanos", BigInteger, nullable=False),
)

# What happened.

usage = Table(
    "usage",
    metadata,
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
    # The whole record as the journal held it (msgpack of ``ledger.record.UsageRecord``).
    Column("record", LargeBinary, nullable=False),
    Index("usage_by_time", "at_ms"),
    Index("usage_by_key", "key_id", "request_id"),
)

responses = Table(
    "responses",
    metadata,
    # Ids are an upstream's, and two upstreams may use one twice: nobody's row takes another's place.
    Column("id", String, primary_key=True),
    Column("owner", String, primary_key=True),
    Column("key_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("previous_id", String, nullable=False),
    # The channel whose upstream keeps it; empty: it is kept here.
    Column("channel", String, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("background", Boolean, nullable=False),
    # The worker's life that sees to it while it is not over.
    Column("epoch", String, nullable=False),
    # There is a bill to be settled.
    Column("due", Boolean, nullable=False),
    # Of what it holds, and a little for the row itself.
    Column("bytes", BigInteger, nullable=False),
    Column("input_items", LargeBinary, nullable=False),
    Column("output_items", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("bill", LargeBinary, nullable=False),
    Index("responses_by_expiry", "expires_at_ms"),
    Index("responses_by_owner", "owner", "created_at_ms", "bytes"),
    Index("responses_due", "due", "epoch"),
)

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
