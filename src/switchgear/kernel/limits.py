"""Every bound of the product, each with its unit in its name and its reason beside it."""

KIB = 1024
MIB = 1024 * 1024

# What a client may send.
BODY_BYTES_MAX = 32 * MIB
"""One JSON request body; the largest that a known vendor takes."""
JSON_DEPTH_MAX = 100
"""Nesting of a request body."""
FIELDS_MAX = 1024
"""At the top level of a request body; no vendor knows a tenth of it."""
VALUES_MAX = 500_000
"""JSON values in a body, those inside of others included: so many are decoded in 50 ms at the worst."""
VALUES_LOOKED_FOR_BYTES = 1 * MIB
"""A smaller body is not looked through for them, as it has no room for so many that cost that much."""
VALUES_STEP_BYTES = 256 * KIB
"""Looked through at a time, so that other threads run in between."""
MESSAGES_MAX = 16_384
"""Messages, items or contents of one request that is said again in another dialect, or looked through; agents
send some thousands."""
PARTS_MAX = 65_536
"""Content of such a request, in all its messages: texts, pictures, calls, results."""
TOOLS_MAX = 2048
"""Declared in such a request; vendors take 128 to 512."""
BODY_THREADS = 2
"""Of a worker, for bodies that would hold its event loop for long."""
PASSED_AT_ONCE_BYTES_MAX = 256 * KIB
"""A larger body is read in a thread: the worst one of this size takes some 30 ms."""
CONVERTED_AT_ONCE_BYTES_MAX = 64 * KIB
"""The same of one that is said again in another dialect."""
HEADER_BYTES_MAX = 64 * KIB
"""All request headers together."""
HEADER_OVERHEAD_BYTES = 32
"""Counted for each header on top of its bytes, as many small ones cost more than one large."""
BODY_READ_TIMEOUT_S = 60.0
"""A client that trickles its body is let go."""
CLIENT_STALL_TIMEOUT_S = 60.0
"""A client that takes no bytes of its reply for so long counts as gone."""
MODEL_NAME_CHARS_MAX = 256

# What an upstream may send.
UPSTREAM_HEADER_BYTES_MAX = 64 * KIB
HEADER_OVERHEAD_BYTES = 32
"""Counted for each header on top of its bytes, as many small ones cost more than one large."""
REPLY_BYTES_MAX = 64 * MIB
"""A JSON reply, after content decoding; what a converted stream says in all."""
ERROR_BODY_BYTES_MAX = 64 * KIB
UPSTREAM_ID_CHARS_MAX = 128
"""Of the upstream's own request id, as it is kept."""
REDACT_AT_ONCE_BYTES_MAX = 2 * MIB
"""Of an answer that is searched for secrets on the loop; about 5 ms."""
OUTLINE_BYTES_MAX = 2 * KIB
"""Of a stream's frame whose recurring head and tail are remembered."""
OUTLINE_TRIES = 8
"""How often a stream may learn new ones."""
REDACTORS_KEPT = 256
"""Upstream keys whose forms are remembered."""
SECRET_CHARS_MIN = 8
"""Of a channel's key or header value that is taken out of its upstream's words; shorter ones are in many."""
FRAME_BYTES_MAX = 16 * MIB
"""One server-sent event: a base64 image or a whole tool call may stand in one."""
STREAM_BUFFER_BYTES_MAX = 48 * KIB
"""Read ahead of a slow client; the upstream is paused before it could be more. Twice this (a piece is being
sent while the next is read) and ``CLIENT_BUFFER_BYTES_MAX`` are the 128 KiB that a stream may hold."""
UPSTREAM_READ_BYTES = 32 * KIB
"""Read from an upstream's socket at a time."""
DECODED_STEP_BYTES_MAX = 64 * KIB
"""Decoded at a time from a compressed reply, so that a small one can't become a large one in memory."""

# Connecting to upstreams.
ADDRESSES_PER_HOST_MAX = 8
"""Of one name; more are not tried."""
ROUTES_REMEMBERED_MAX = 1024
"""Start lines, header names and transport choices that a transport keeps; the memory starts anew when
full."""
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
"""Between signs of life to the client of a silent stream; content delivery networks cut at about 100 s."""

# Trying again.
ATTEMPTS_MAX = 3
RETRY_BUDGET_RATIO = 0.2
"""Retries that wait for an answer or failed, as a part of the requests of RETRY_WINDOW_S. Beyond it only
upstreams without a fault on record are tried."""
RETRY_BUDGET_FLOOR = 3
RETRY_WINDOW_S = 10
RETRY_NEWS_WAIT_S = 0.1
"""So long such a try waits to learn how others fare at the same upstream."""

REFUSED_FIELDS_MAX = 4096
"""Channels and models of which a worker knows that they refuse a field that the relay adds to requests."""
REFUSED_FIELDS_KEEP_S = 6 * 3600.0
FORM_BYTES_MAX = 64 * 1024
"""Of blanks before an answer, after which its form is no longer waited for."""

# Health.
EJECT_AFTER_FAULTS = 5
EJECT_BASE_S = 30.0
EJECT_MAX_S = 300.0
COOL_DEFAULT_S = 5
"""Of an upstream that says 429 and not for how long."""
COOL_MAX_S = 600.0
REFUSED_CREDENTIAL_S = 300.0
"""A credential that an upstream refused is tried again after this: accounts get topped up, keys unlocked."""
UNSERVED_S = 60.0
"""A model that an upstream does not serve to a key is tried again after this; at once if nobody else does."""
HEALTH_PUSH_TIMEOUT_S = 2.0
"""For the other workers to take what one has found out about an upstream."""

# One worker.
IN_FLIGHT_MAX = 4096
"""Requests of one worker; over it a 503 at once."""
CONNECTIONS_PER_ORIGIN_MAX = 4096
UPSTREAM_CONNECTIONS_MAX = 16_384
"""To all upstreams, where descriptors allow so many."""
IDLE_CONNECTIONS_PER_ORIGIN_MAX = 128
IDLE_CONNECTION_S_MAX = 30.0
DIRECTORY_KEYS_MAX = 100_000
DIRECTORY_UNKNOWN_MAX = 10_000
UNKNOWN_KEY_TTL_S = 5.0
STALE_MAX_S = 900.0
"""Known keys go on for so long without a controller."""
ADDRESSES_CACHED_MAX = 4096
WORKERS_MAX = 16

RATE_LOCK_TRIES = 300
"""Tries for a row of the shared rate table, each giving way to other processes: 50 ms in all at the worst."""

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
LEASE_LOW_WATER_FRACTION = 4
"""A lease is refilled in the background when less than a fourth of its last grant is free."""
AUDIT_FINDINGS_MAX = 1000
"""Reported by one audit; the rest is only counted."""
RECALL_WAIT_S = 0.25
"""How long a grant waits for what other workers hold free."""
HOLD_WAIT_S = 3.0
"""How long a call waits for running calls of the same wallet to give back what they do not use: long enough
for quick ones on a busy machine, short of the link's own deadline."""
HOLD_WAIT_MS = int(HOLD_WAIT_S * 1000)
HOLD_WAITERS_MAX = 1024
HOLD_SHARE = 8
"""A call that names no cap of its own holds at most this part of what is available."""
RESERVE_OUTPUT_TOKENS = 4096
"""Held at least for the output of such a call: with less its answer is of no use."""
RESERVE_OUTPUT_TOKENS_UNKNOWN = 131_072
"""Held at most for the output of such a call, where nobody knows the model's own maximum."""
HOLD_STEP_TOKENS = 4096
"""Of output, by which the hold of a stream grows when it writes more than was held."""
HOLD_AHEAD_TOKENS = 512
"""Such a step is taken so long before it is needed."""
RESERVE_IMAGE_TOKENS = 5_000
"""Held for a picture behind a URL; the dearest tilings of large models stay under it."""
RESERVE_FILE_TOKENS = 258_000
"""Held for a document, sound or film behind a URL or an id: a thousand pages, or a quarter of an hour of
film."""

# Requests that come to nothing.
REFUSAL_RECORDS_BURST = 256
"""Records of one key in one worker that are written one by one; after them so many a minute, the rest is
counted."""
REFUSAL_RECORDS_PER_MINUTE = 12
REFUSAL_LINES_BURST = 30
"""Log lines about refused strangers, of one address, or one /64 of IPv6; after them so many a minute."""
REFUSAL_LINES_PER_MINUTE = 30
REFUSAL_LINES_IN_ALL_PER_MINUTE = 3_000
REFUSAL_SOURCES_MAX = 4_096

# Logins of operators.
LOGIN_FAILURES_FREE = 5
"""Wrong logins of one account or address before it has to wait."""
LOGIN_WAIT_S_MAX = 60.0
"""The wait doubles from one second up to this."""
LOGIN_FORGET_S = 900.0
"""Without a further failure they are forgotten after so long."""
LOGIN_SOURCES_MAX = 4_096
LOGIN_CHECKS_MAX = 4
"""Passwords that wait to be checked, at 50 ms each; more are told to come again."""
LOGIN_REMEMBER_S = 300.0
"""A login that was right is known again without the work, so that no guessing elsewhere holds it up."""
LOGINS_REMEMBERED_MAX = 64

# What is kept, and for how long.
USAGE_RETENTION_DAYS = 400
"""Records of requests: a year and a month, so that a month can be set beside that of the year before."""
USAGE_RETENTION_DAYS_MIN = 7
"""A record may be repeated by another worker within hours, and must be known again."""
USAGE_RETENTION_DAYS_MAX = 36_500
RETENTION_ROWS = 250
"""Records that are folded into sums in one transaction, with two transfers each; ingest waits for no more."""
RETENTION_LEASES = 16
"""Leases of dead workers, likewise."""
RETENTION_INTERVAL_S = 60.0
CLOCK_JUMP_MS_MAX = 300_000
"""The wall clock may run ahead of the machine's own by this; more is a jump, which deletes nothing at
first."""
CLOCK_TRUST_MS = 86_400_000
"""A jump that holds for so long was right."""
DISK_FREE_BYTES_MIN = 1024 * MIB
"""With less room on the disk nothing is kept but the ledger."""
DISK_LOOK_INTERVAL_S = 15.0

# Store.
STORE_BUSY_TIMEOUT_MS = 5_000
"""How long SQLite waits for another process's write."""
STORE_WRITE_ATTEMPTS_MAX = 3
STORE_WRITE_WAIT_S = 30.0
"""How long a thread waits for the writer before it, or for a connection."""
STORE_CONNECTIONS_MAX = 8
STORE_MIGRATION_WAIT_S = 600.0
"""How long a process waits for another that is opening or migrating the database."""
STORE_ROWS_PER_STATEMENT_MAX = 500
"""Bound values of one IN list."""
AUDIT_CHUNK_ROWS = 2_000
USAGE_PAGE_MAX = 10_000
"""Records of one answer of the usage list."""

# Link.
LINK_FRAME_BYTES_MAX = 64 * MIB
LINK_CALLS_MAX = 4096
LINK_CALL_TIMEOUT_S = 5.0
LINK_BUFFER_BYTES_MAX = 16 * MIB
"""Written but not yet taken by the other end; beyond it the connection is cut."""
LINK_CONNECT_TIMEOUT_S = 5.0
LINK_RECONNECT_S_MIN = 0.02
LINK_RECONNECT_S_MAX = 1.0
LINK_CONNECTIONS_MAX = 256
"""Workers, what they send beside their own connection, and command lines together."""
LINK_BACKLOG = 64

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
TEXT_PIECES_MAX = 256
"""Pieces of it, then they are joined: a piece of one letter takes 58 bytes."""

DRAIN_S = 30.0
"""Streams get so long to finish after SIGTERM."""
PLAUSIBLE_TOKENS_MAX = 20_000_000
"""A reply that reports more is not believed: its usage is estimated instead, and an alarm counts it."""
LOOK_INTERVAL_S = 0.25
"""Running calls are looked at so often: is the client there, did its body come, is the stream silent."""
CLOSE_WAIT_S = 0.5
"""After the end marker, the connection's own end is awaited for so long, so that it can be used again."""
CLIENT_GONE_READ_S = 3.0
"""An answer is read on for so long after its client left: its end, which says what it cost, is often near."""
CLIENT_GONE_FINISH_S = 30.0
"""The same where a channel is set to let answers finish."""
CLIENT_GONE_READ_S_MAX = 600.0
"""The longest that may be set."""
PACES_MAX = 1024
"""Models of channels whose output speed a worker remembers; the one that was silent longest is forgotten."""
PACE_TOKENS_MIN = 32
"""Answers of fewer tokens say little of a speed: most of their time is the way there."""
PACE_TOKENS_KEPT_MAX = 100_000
"""Output that a speed is measured by; older answers count for ever less."""
PACE_TOKENS_PER_S_MAX = 3_000
"""No model is believed to write faster: an upstream may send at once what it has gathered."""
HIDDEN_TOKENS_PER_S = 20
"""Reasoning out of sight, where no answer of the model has been measured yet: slower than any hosted one."""
OUTPUT_TOKENS_UNKNOWN_MAX = 131_072
"""Most that is charged for an answer where neither the request nor the catalogue bounds it: no known model
writes more."""
INPUT_TOKENS_UNKNOWN_MAX = 2_097_152
"""Most input that is charged for where the model's context is unknown."""
LOCAL_START_TIMEOUT_S = 60.0
"""First start of the embedded model."""
HOPS_MAX = 4
"""Relays in a row, before it must be a loop."""
LOG_LINES_MAX = 10_000
"""Other log lines that wait to be written; beyond it the oldest are dropped and counted."""
LOG_FLUSH_S = 1.0
"""For the last lines of a process that ends, where nobody takes them."""
REQUEST_LOG_LINES_MAX = 10_000
"""Log lines that wait to be written; more are dropped and counted."""

# The listener.
LISTEN_BACKLOG = 1024
CONNECTIONS_MAX = 16_384
"""Open client connections of one worker; further ones wait in the backlog."""
LAST_REQUEST_S = 0.5
"""At drain: for a request that was on its way when the draining began."""
SOCKET_UNSENT_BYTES_MAX = 128 * KIB
"""In the kernel, of one connection, beyond what is on its way to the client."""
HEADER_READ_TIMEOUT_S = 30.0
"""From the first byte of a request to the end of its headers."""

# Wire.
MODE_TAIL_BYTES = 128
"""Of an answer, kept from one piece to the next where it is read for the mode in which it was served."""
CHOICES_MAX = 1024
"""Choices of one call, asked for or seen in a stream; the largest known vendor takes 128."""
ERROR_MESSAGE_CHARS_MAX = 8 * KIB
"""Of an upstream's error message that is shown to a client."""
NESTING_SCAN_BYTES_MAX = 1 * MIB
"""Brackets that are still nested after the cheap passes; beyond it a body counts as nested too deeply."""

# The embedded model.
LOCAL_CONTEXT_TOKENS = 4096
"""Of one call; half of what the model was trained for, a quarter of the memory."""
LOCAL_PARALLEL = 2
LOCAL_OUTPUT_TOKENS_MAX = 2048
"""When a call names no cap of its own."""
LOCAL_HTTP_THREADS = 8
LOCAL_CALLS_MAX = 24
"""In flight, a worker, where its channel sets no cap: the model's server keeps a thread for each."""
LOCAL_STACK_BYTES = 2 * MIB
"""Of one such thread, so that those of ``WORKERS_MAX`` workers fit into its address space."""
LOCAL_THREADS_MAX = 4
"""Of computation; at most half of the cores."""
LOCAL_MEMORY_BYTES_MAX = 2048 * MIB
"""Address space of its process, weights and libraries included."""
LOCAL_START_TIMEOUT_S = 60.0
LOCAL_STOP_TIMEOUT_S = 2.0
LOCAL_LOOK_TIMEOUT_S = 1.0
"""For a sign of life, after a call got no answer from it."""
LOCAL_CRASHES_MAX = 3
"""Within ``LOCAL_CRASH_WINDOW_S``; after them a call is told why until the window has passed."""
LOCAL_CRASH_WINDOW_S = 60.0

# Token counts in the controller.
COUNT_TEXT_CHARS_MAX = 256 * KIB
"""Counted in about 5 ms."""
COUNT_WAITING_MAX = 256
COUNT_ANSWER_TIMEOUT_S = 5.0
"""For the process that counts, its start and the loading of a vocabulary included."""
COUNT_PROCESS_IDLE_S = 60.0
"""After so long without a question it ends, and its 90 MiB are free again."""

# The controller.
METRIC_SERIES_MAX = 4096
"""Of one kind, of one worker."""
STORE_TASKS_MAX = 4096
"""Waiting for the controller's writer thread; beyond it a worker is told to come again."""
CONFIG_POLL_INTERVAL_S = 0.5
SNAPSHOT_PUSH_TIMEOUT_S = 2.0
CONTROLLER_LOOK_INTERVAL_S = 10.0
"""Journals, and epochs of the dead, are looked at for no reason so often; else when there is one."""
CONTROLLER_RETRY_S = 0.25
"""After a fault, or while a worker still dies."""
DRIFT_INTERVAL_S = 30.0
DRIFT_REST_FACTOR = 20
"""Beyond the interval, the look at all transfers rests for so many times as long as it took."""
QUARANTINE_FILES_MAX = 16
STORE_READERS = 3
INGEST_READ_BYTES = 1 * MIB
"""Of a journal, at a time; a batch of full records does not fit, ordinary ones do."""
EPOCH_UNKNOWN_MS_MIN = 10_000
"""Age of a journal folder of an epoch that never said Hello before it is taken for dead."""
CONNECTIONS_LOOK_S = 1.0
"""Waiting connections are looked at so often."""
KEEP_ALIVE_S = 75.0
"""An idle client connection is closed after this; longer than what common proxies keep theirs."""
LINGER_S = 2.0
"""After an answer that came before the request was whole, what the client still sends is dropped for so
long."""
CLIENT_BUFFER_BYTES_MAX = 32 * KIB
"""Written but not yet taken by the client, beyond the kernel's own buffers; then the upstream is paused."""
UNREAD_BODY_BYTES_MAX = 128 * KIB
"""Of a body that nobody has asked for yet, as the key is still being checked."""
PIPELINED_REQUESTS_MAX = 16
"""Requests that a client sent ahead on one connection; what it sent beyond them waits unread."""
FEED_STEP_BYTES = 4 * KIB
"""Parsed at a time where more has come, so that requests sent ahead pass their bound by a few at most."""
HALF_CLOSED_LOOK_S = 0.1
"""A client that closed its side of the connection is looked at so soon: is it still there for its answer?"""

# What one client may take from the others.
REQUEST_BODIES_BYTES_MAX = 256 * MIB
"""Bodies of one worker's calls, from their arrival to the end of the call. A key holds as much as it leaves
free: alone half of it."""
REPLY_BODIES_BYTES_MAX = 256 * MIB
"""Whole replies that one worker reads, shared out in the same way."""
REPLY_STEP_BYTES = 1 * MIB
"""Taken of ``REPLY_BODIES_BYTES_MAX`` at a time; a reply that is shorter takes nothing."""
ROOM_WAIT_S = 2.0
"""A body or reply that finds no room waits so long for some; then its call is refused."""
IN_FLIGHT_RESERVED_PARTS = 16
"""One in so many places of ``IN_FLIGHT_MAX`` is kept from a key that has more than half of all calls."""
CONNECTIONS_PER_ADDRESS_PARTS = 4
"""One client address, or one IPv6 network of 64 bits, has at most one in so many connections of a worker;
trusted proxies are not counted."""
DESCRIPTORS_KEPT = 64
"""Of a process, for files and its own sockets; clients get half of the others, upstreams what is left."""
CONNECTIONS_MIN = 16
"""Client connections of a worker, however few descriptors it may have."""

QUERY_FIELDS_MAX = 64
"""Fields of a query string that are looked at."""

COUNT_AT_ONCE_MAX = 32
"""Questions for a number of tokens that a worker answers at the same time; more wait."""

COUNTS_PER_CONCURRENCY = 2
"""Questions at the same time of a key with a ``concurrency`` of its own, for each call of it."""
COUNT_WAIT_S = 5.0
"""For a place among them."""
COUNTS_PER_CALL = 10
"""Questions that a key may ask for each request of its ``rpm``."""
COUNTS_PER_MINUTE = 3000
"""Of a key without ``rpm``, in one worker."""
COUNTING_KEYS_MAX = 10_000
"""Keys whose questions a worker remembers; the memory starts anew when full."""

COUNT_UPSTREAM_TIMEOUT_S = 5.0
"""For an upstream that is asked how many tokens a request has; then we count ourselves."""
# Files that a client names by URL.
FETCH_BYTES_MAX = 20 * MIB
"""One file."""
FETCH_TOTAL_BYTES_MAX = 40 * MIB
"""All files of one call."""
FETCHES_MAX = 20
"""Files of one call."""
FETCHES_AT_ONCE = 4
"""Of one call."""
FETCHES_RUNNING_MAX = 32
"""Of one worker; further ones wait, and the wait counts towards their time."""
FETCHES_PER_KEY_MAX = 8
"""Of one API key in a worker, likewise: no key takes the places of all others."""
FETCH_TIMEOUT_S = 20.0
"""One file, redirects included."""
FETCH_ALL_TIMEOUT_S = 40.0
"""All files of one call."""
FETCH_CONNECT_TIMEOUT_S = 5.0
FETCH_FIRST_BYTE_TIMEOUT_S = 10.0
FETCH_IDLE_CHUNK_TIMEOUT_S = 5.0
FETCH_REDIRECTS_MAX = 3
FETCH_PORTS = (80, 443)
"""TCP ports that links may name unless the configuration says others: a scan of ports is nobody's picture."""
FETCH_URL_CHARS_MAX = 8 * KIB
FETCH_URL_SHOWN_CHARS_MAX = 200
"""Of a URL that an error message names."""
FETCH_RESOLVER_THREADS = 4
"""Their own, so that names which nobody answers for can't hold up the names of upstreams."""

# Conversion between dialects.
ENVELOPE_BYTES_MAX = 1 * MIB
"""An opaque reasoning token of a vendor, packed for a client of another dialect."""
TOOL_ID_CHARS_MAX = 64
SCHEMA_DEPTH_MAX = 24
"""Nesting of a tool's or an answer's schema after its references are written out; what is deeper becomes a
plain object."""
SCHEMA_NODES_MAX = 10_000
"""Nodes of such a schema; references can multiply them."""
SCHEMA_BYTES_MAX = 512 * KIB
"""Of such a schema, as it came and as it goes."""
SCHEMA_NOTE_CHARS_MAX = 200
"""Of one constraint that is told in the description, as the target has no field for it."""
GEMINI_MODELS_PAGE_DEFAULT = 50
"""Models of one page of a list, as Google has it."""
GEMINI_MODELS_PAGE_MAX = 1000
"""A larger page is cut to this, likewise."""

TOOL_CALLS_MAX = 512
"""Tool calls in one answer; an upstream that makes more is broken."""
# The Messages dialect.
MESSAGES_OUTPUT_TOKENS_DEFAULT = 8192
"""``max_tokens`` of a converted request that names none, for a model whose own bound is unknown; the field is
required there, and less cuts code short."""
MESSAGES_BLOCKS_MAX = 100_000
"""Content blocks of one answer."""
CACHE_MARKERS_MAX = 4
"""Of one request; more are refused by the upstream."""
MODELS_PAGE_DEFAULT = 20
MODELS_PAGE_MAX = 1000
"""Entries of one page of the model list, where the dialect has pages."""
SUFFIX_BUDGET_TOKENS_MAX = 1_000_000
"""A budget for reasoning behind a model's name (``-thinking-8192``); with a larger one it is another name."""
SPEECH_NAMED_S = 3600
"""For so long a spoken answer is said to be known by its id, as OpenAI has it."""
MODEL_SPELLINGS_MAX = 4
"""Ways in which one upstream's stream may spell its model, where the client's name is shown in its place."""
STOPS_MAX = 16
"""Stop sequences of one call, where the relay itself looks for them."""
STOP_CHARS_MAX = 256
"""One of them."""

# Stored responses.
RESPONSE_STORED_BYTES_MAX = 8 * MIB
"""One response with its input; a larger one is answered, and not kept."""
RESPONSE_HISTORY_BYTES_MAX = 12 * MIB
"""Input and output of a response and of all before it; with its frame less than ``LINK_BUFFER_BYTES_MAX``."""
RESPONSE_TURNS_MAX = 1000
"""Responses in one chain."""
RESPONSE_REFERENCES_MAX = 32
"""Responses, beside the chain, whose items one call refers to."""
RESPONSE_ID_CHARS_MAX = 256
MADE_IDS_MAX = 64
"""Things of one answer that are noted as its user's."""
ACCOUNT_IDS_MAX = 32
"""Things of the upstream's account that one call names, each looked up."""
RESPONSES_RETENTION_DAYS = 30
RESPONSES_RETENTION_DAYS_MAX = 3650
RESPONSES_OWNER_BYTES_MAX = 4096 * MIB
"""Of one user, in all; beyond it the oldest are deleted before their time, so that nobody fills the disk that
the ledger needs."""
RESPONSES_BYTES_MAX = 32 * 1024 * MIB
"""Of all users together; beyond it the oldest of whoever has most are deleted before their time."""
RESPONSE_ROW_BYTES = 512
"""Counted for each response on top of its content."""
RESPONSE_SWEEP_ROWS = 32
"""Deleted in one transaction, which nobody should wait for: each may be large."""
RESPONSE_KEEP_TIMEOUT_S = 1.0
"""An answer waits so long to be kept; then it goes out unkept."""
RESPONSE_KEEP_BATCH = 64
"""Kept in one transaction, and so at the price of one."""
RESPONSE_CALL_TIMEOUT_S = 5.0
"""For a look at what is kept."""
BULK_CALLS_MAX = 8
"""Of one worker, with the bodies of responses, each over a connection of its own."""
BACKGROUND_CALLS_MAX = 512
"""Of one worker, running without their clients."""
BACKGROUND_POLL_S_MIN = 1.0
BACKGROUND_POLL_S_MAX = 20.0
"""An upstream that works in the background is asked so often whether it is done."""
BACKGROUND_TOTAL_S = 7200.0
"""Then it is charged by estimate."""
BACKGROUND_CLAIM_INTERVAL_S = 5.0
"""Bills of dead workers are looked for so often."""

THOUGHTS_CHARS_MAX = 128 * KIB
"""Reasoning of one answer that is kept for its next turn; a longer one is not."""

THOUGHTS_BYTES_MAX = 32 * MIB
"""Of all that the controller keeps for next turns, in memory; the oldest goes first."""

THOUGHTS_WORKER_BYTES_MAX = 4 * MIB
"""Of what a worker keeps itself, so that it need not ask."""

THOUGHTS_KEEP_S = 4 * 3600.0
"""How long the reasoning of an answer waits for its next turn."""

THOUGHTS_ASK_TIMEOUT_S = 1.0
"""For the controller's answer; without it a call goes on as its client sent it."""

THOUGHTS_IDS_MAX = 256
"""Calls of one history that are asked for; the latest count."""

FANOUT_MAX = 8
"""Answers of one call (``n``) that are asked for one by one, where an upstream gives no more at a time."""

FANOUT_PIECES_MAX = 16
"""Pieces of such answers that wait for the client; then their upstreams wait, too."""

RESERVE_HOSTED_CALLS = 3
"""Held of each kind of tool that the upstream runs and the request offers, where it names no bound itself."""

CODE_CONTAINERS_MAX = 1000
"""Of one answer, that are told apart."""
# What makes streams cheap.
ALIKE_TRIES_MAX = 8
"""Frames of a stream that are remembered for others to be like them; where none is, trying ends."""
ALIKE_TEXT_BYTES_MAX = 64
"""Of text and quotes in a frame that is like another; a longer one is read whole. ``TEXT_PIECES_MAX`` of them
are no more than ``ESTIMATE_TEXT_BYTES_MAX``."""
SIZE_LINES_KEPT = 1024
"""Chunks shorter than this have their size line remembered, in each direction."""
HEADER_NAMES_KEPT = 512
"""Names of headers, as they were spelt, that a process remembers."""
HEADER_NAME_KEPT_BYTES_MAX = 64
"""A longer name is read anew each time."""
ORIGINS_KEPT = 1024
"""Makers of models that are remembered by dialect, vendor, model and channel."""
JOURNAL_ROOM_BYTES = 1 * MIB
"""Free on the disk before a worker whose journal could not be written takes calls again."""
DROPPED_NAMES_MAX = 64
"""Of fields that an upstream did not get, in a record; a name has DROPPED_NAME_CHARS_MAX at most, so that a
record stays under RECORD_BYTES_MAX whatever a client sends."""
DROPPED_NAME_CHARS_MAX = 128

# WebSockets, on either side.
WEBSOCKET_MESSAGE_BYTES_MAX = 16 * MIB
"""One message, decompressed, whatever its fragments."""
WEBSOCKET_BUFFER_BYTES_MAX = 256 * KIB
"""Of one direction of one session, without an allowance; what is beyond it takes room as it comes."""
WEBSOCKET_UNREAD_BYTES_MAX = 128 * KIB
"""Of messages that wait for their reader; then no more is read from the peer."""
WEBSOCKET_FEED_BYTES = 4 * KIB
"""Decoded at a time: compressed bytes can become a thousand times as many."""
WEBSOCKET_FRAGMENT_BYTES = 128 * KIB
"""A longer message is sent in fragments of so many bytes, each when the peer has taken enough."""
WEBSOCKET_UNSENT_BYTES_MAX = 64 * KIB
"""Written but not yet taken by the peer, beyond the kernel's own buffers; then the next fragment waits."""
WEBSOCKET_MESSAGE_OVERHEAD_BYTES = 96
"""Counted for each waiting message on top of its content."""
WEBSOCKET_SEND_S = 30.0
"""A peer that takes nothing for so long is cut."""
WEBSOCKET_PING_S = 20.0
"""Between two pings of ours; a peer that says nothing for twice as long is cut."""
WEBSOCKET_CLOSE_S = 5.0
"""From our close frame to the peer's end of the connection; then it is cut."""
WEBSOCKET_DRAIN_CLOSE_S = 1.0
"""The same at drain."""
WEBSOCKET_EARLY_BYTES_MAX = 16 * KIB
"""Of what a client sends behind its handshake before it is answered."""
WEBSOCKET_REASON_BYTES_MAX = 123
"""Of a close frame, as RFC 6455 has it."""
