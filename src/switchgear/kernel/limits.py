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

DECODED_STEP_BYTES_MAX = 64 * KIB
"""Decoded at a time from a compressed reply, so that a small one can't become a large one in memory."""

# Connecting to upstreams.
ADDRESSES_PER_HOST_MAX = 8
"""Of one name; more are not tried."""
ROUTES_REMEMBERED_MAX = 1024
"""Start lines, header names and transport choices that a transport keeps; the memory starts anew when full."""
REUSE_RACE_S_MAX = 1.0
"""A kept connection that dies so soon and without a byte was closed before the upstream read the request."""
TRANSPORT_CLOSE_WAIT_S = 1.0
PYREQWEST_CLIENTS_MAX = 8
"""One for each connect timeout that is asked for: reqwest knows it by client only."""

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

# Estimates.
ESTIMATE_TEXT_BYTES_MAX = 16 * KIB
"""Text of one stream that waits to be counted."""

DRAIN_S = 30.0
"""Streams get so long to finish after SIGTERM."""
