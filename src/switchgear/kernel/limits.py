"""Every bound of the product, each with its unit in its name and its reason beside it."""

KIB = 1024
MIB = 1024 * 1024

# What a client may send.
BODY_BYTES_MAX = 32 * MIB
"""One JSON request body; the largest that a known vendor takes."""
JSON_DEPTH_MAX = 100
"""Nesting of a request body."""
HEADER_BYTES_MAX = 64 * KIB
"""All request headers together."""
BODY_READ_TIMEOUT_S = 60.0
"""A client that trickles its body is let go."""
CLIENT_STALL_TIMEOUT_S = 60.0
"""A client that takes no bytes of its reply for so long counts as gone."""
MODEL_NAME_CHARS_MAX = 256

# What an upstream may send.
UPSTREAM_HEADER_BYTES_MAX = 64 * KIB
REPLY_BYTES_MAX = 64 * MIB
"""A JSON reply, after content decoding."""
ERROR_BODY_BYTES_MAX = 64 * KIB
FRAME_BYTES_MAX = 16 * MIB
"""One server-sent event: a base64 image or a whole tool call may stand in one."""
STREAM_BUFFER_BYTES_MAX = 64 * KIB
"""Read ahead of a slow client before the upstream is paused."""

# Waiting for an upstream.
CONNECT_TIMEOUT_S = 5.0
FIRST_BYTE_TIMEOUT_STREAM_S = 120.0
FIRST_BYTE_TIMEOUT_JSON_S = 600.0
IDLE_CHUNK_TIMEOUT_S = 120.0
TOTAL_TIMEOUT_S = 3600.0
HEARTBEAT_INTERVAL_S = 15.0
"""A comment line to the client while a stream is silent; content delivery networks cut at about 100 s."""

# Trying again.
ATTEMPTS_MAX = 3
RETRY_BUDGET_RATIO = 0.2
"""Retries in flight, as a part of requests in flight."""
RETRY_BUDGET_FLOOR = 3
RETRY_AFTER_WAIT_S_MAX = 0.0
"""Candidates are changed, not waited for: a client waits better than a relay."""

# Health.
EJECT_AFTER_FAULTS = 5
EJECT_BASE_S = 30.0
EJECT_MAX_S = 300.0
COOL_DEFAULT_S = 5.0
COOL_MAX_S = 600.0

# One worker.
IN_FLIGHT_MAX = 4096
"""Requests of one worker; over it a 503 at once."""
CONNECTIONS_PER_ORIGIN_MAX = 4096
IDLE_CONNECTIONS_PER_ORIGIN_MAX = 128
IDLE_CONNECTION_S_MAX = 30.0
DIRECTORY_KEYS_MAX = 100_000
DIRECTORY_UNKNOWN_MAX = 10_000
UNKNOWN_KEY_TTL_S = 5.0
STALE_MAX_S = 900.0
"""Known keys go on for so long without a controller."""
WORKERS_MAX = 16

# Journal and ledger.
JOURNAL_BYTES_MAX = 256 * MIB
"""Not yet ingested, a worker; beyond it new calls get 503."""
JOURNAL_SEGMENT_BYTES = 8 * MIB
JOURNAL_SYNC_INTERVAL_S = 0.1
RECORD_BYTES_MAX = 64 * KIB
INGEST_BATCH = 256
LEASE_FRACTION = 4
"""A lease is at most wallet ÷ (LEASE_FRACTION × workers)."""
LEASE_NANOS_MAX = 5_000_000_000
LEASE_NANOS_MIN = 1_000_000
RECALL_WAIT_S = 0.25
"""How long a grant waits for what other workers hold free."""
HOLD_WAIT_S = 1.0
"""How long a call waits for running calls of the same wallet to give back what they do not use."""
HOLD_WAITERS_MAX = 1024
RESERVE_OUTPUT_TOKENS = 4096
"""Held for the output of a call that names no cap of its own."""

# Link.
LINK_FRAME_BYTES_MAX = 64 * MIB
LINK_CALLS_MAX = 4096
LINK_CALL_TIMEOUT_S = 5.0

# Configuration.
CONFIG_BYTES_MAX = 4 * MIB
"""One configuration file."""
CONFIG_LIST_MAX = 10_000
"""Elements of one array or tables of one kind in a configuration file."""
NAME_CHARS_MAX = 64
"""Names of groups, users, keys and channels: a line of a table has room for it."""
DRAIN_S_MAX = 3600.0
TIMEOUT_S_MAX = 86_400.0
"""The longest deadline that a channel may be given."""
RATE_PER_MINUTE_MAX = 1_000_000_000
"""The highest requests or tokens per minute that a key may be given; 0 stands for none."""
CONCURRENCY_CAP_MAX = 100_000
"""The highest cap of calls at the same time of a key or channel."""
WEIGHT_MAX = 1_000_000
"""Weights and priorities of channels."""
PROBE_TIMEOUT_S = 60.0
"""``switchgear channels test`` waits so long for one channel; an embedded model loads within it."""
PROBES_MAX = 8
"""Channels that it tries at the same time."""
BANNER_MODELS_MAX = 12
"""Model names in the text of the start; the rest is a number."""

# Estimates.
ESTIMATE_TEXT_BYTES_MAX = 16 * KIB
"""Text of one stream that waits to be counted."""

DRAIN_S = 30.0
"""Streams get so long to finish after SIGTERM."""
