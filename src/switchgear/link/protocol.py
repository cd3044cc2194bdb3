"""Frames between a relay worker and the controller: four-byte length, then msgpack.

A worker opens with ``Hello`` and gets ``Welcome``. Then either side sends ``Call`` (wants an ``Answer`` with
the same ``seq``) or ``Notice`` (wants nothing). Money figures are cumulative per lease, so a frame that is
lost with its connection or sent twice changes nothing: both sides say their totals again in the next
``Hello`` and ``Welcome``.
"""

from typing import Literal

import msgspec

from switchgear.kernel.limits import HOLD_WAIT_MS
from switchgear.kernel.stored import StoredResponse
from switchgear.link.snapshot import Principal, Snapshot


class LeaseTotals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Cumulative nanos moved into and out of one lease of one worker epoch."""

    account: str
    granted: int
    returned: int


# --- worker → controller
# -------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """First frame of a worker connection, again after each reconnect."""

    epoch: str
    """Identifier of this worker process's life; names its journal and its leases."""
    worker_index: int
    pid: int
    snapshot_version: int
    leases: tuple[LeaseTotals, ...] = ()
    """``returned`` is the worker's truth; ``granted`` what it has seen."""


class LookupKey(msgspec.Struct, frozen=True, tag="lookup_key"):
    """Call: who is the key with this digest? Answer: ``KeyFound`` or ``KeyUnknown``."""

    digest: bytes


class Acquire(msgspec.Struct, frozen=True, tag="acquire"):
    """Call: extend leases so that ``need`` nanos more are free in each, or in none. Answer: ``Acquired``.

    ``need`` is what is missing for the waiting call (the lease must come to cover it); the controller may
    grant more, up to its lease size. ``wait`` is true when a call waits; false for a refill at the low-water
    mark, which never recalls from other workers and gets what there is, account by account.
    """

    needs: tuple[tuple[str, int], ...]
    """(account, nanos missing). With 0 missing a refill grants nothing, and only looks."""
    wait: bool
    wait_ms: int = HOLD_WAIT_MS
    """How long a waiting call still has; 0: one look, with a recall before it if that may help."""


class Returned(msgspec.Struct, frozen=True, tag="returned"):
    """Notice: given back after a recall or at drain. The worker has already taken it out of its book."""

    totals: tuple[LeaseTotals, ...]


class CountTokens(msgspec.Struct, frozen=True, tag="count_tokens"):
    """Call: how many tokens are in this text? Answer: ``TokenCount``."""

    text: str
    model: str


class LocalEndpoint(msgspec.Struct, frozen=True, tag="local_endpoint"):
    """Call: start the embedded model if need be, and say where it listens. Answer: ``LocalAddress`` or
    ``Failed``."""

    model: str
    failed_url: str = ""
    """A base URL given before that did not answer: it is not given again unless somebody is there."""


class KeepThoughts(msgspec.Struct, frozen=True, tag="keep_thoughts"):
    """Call: reasoning of an answer, for whichever worker gets its next turn. Answer: ``Ok``, before which the
    answer is not shown to end, as the next turn may come at once."""

    thoughts: dict[bytes, bytes]
    """Digest of owner and call id → ``wire.neutral.reasoning_memory``."""


class FindThoughts(msgspec.Struct, frozen=True, tag="find_thoughts"):
    """Call: what is kept under these? Answer: ``FoundThoughts``."""

    keys: tuple[bytes, ...]


class Stats(msgspec.Struct, frozen=True, tag="stats"):
    """Notice, once a second: cumulative counters, gauges and histogram buckets of this epoch, by metric
    series."""

    counters: dict[str, int]
    gauges: dict[str, int]
    histograms: dict[str, tuple[int, ...]]
    """Bucket counts (not cumulative; one per bound and one above), then the sum in microseconds."""


HISTOGRAM_BOUNDS_US = (
    50,
    100,
    200,
    300,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
)
"""Upper ends of the buckets of ``Stats.histograms``, in microseconds."""


class MetricsPage(msgspec.Struct, frozen=True, tag="metrics_page"):
    """Call: the Prometheus text of the node. Answer: ``Text``."""


class CheckAdmin(msgspec.Struct, frozen=True, tag="check_admin"):
    """Call: is this the admin login, or, with ``token``, the token that opens the metrics? Answer: ``Ok``,
    ``Failed`` or ``Throttled``."""

    name: str
    password: str
    address: str
    """The client's, or its network."""
    token: str = ""


class ChannelFault(msgspec.Struct, frozen=True, tag="channel_fault"):
    """Notice: the upstream refuses a channel's credential; for the operator's log and metrics."""

    channel_id: str
    kind: str
    detail: str


class ChannelHealth(msgspec.Struct, frozen=True, tag="channel_health"):
    """Notice: an upstream was taken out, or is back. As a call of the controller it passes that on to the
    other workers; Answer: ``Ok``."""

    state: Literal["out", "back", "cooling", "dead", "unserved"]
    """``out`` and ``back``: of a channel for a model; ``cooling`` and ``unserved``: of one upstream key for a
    model; ``dead``: of one upstream key."""
    channel: str
    """Its id."""
    model: str = ""
    """As the upstream names it."""
    secret: int = -1
    """Index of the upstream key."""
    rest_ms: int = 0
    """How long it is not to be tried."""
    times: int = 0
    """How often in a row it was taken out."""
    snapshot_version: int = 0
    """The configuration in which ``secret`` is an index."""


class JournalGrew(msgspec.Struct, frozen=True, tag="journal_grew"):
    """Notice: there is something to ingest."""

    bytes_total: int


class KeepResponse(msgspec.Struct, frozen=True, tag="keep_response"):
    """Call: keep this response, or, with ``if_open``, put one that is not over into this state. Answer:
    ``Ok``; ``ResponseUnknown`` where there is no open one; ``Failed`` where nothing is kept."""

    response: StoredResponse
    if_open: bool = False


class FindResponse(msgspec.Struct, frozen=True, tag="find_response"):
    """Call: the response of this id and owner. Answer: ``ResponseFound`` or ``ResponseUnknown``."""

    id: str
    owner: str
    with_turns: bool = False
    """What was said in it and before it is wanted, and not its object."""


class DropResponse(msgspec.Struct, frozen=True, tag="drop_response"):
    """Call: forget a response. Answer: ``Ok`` or ``ResponseUnknown``."""

    id: str
    owner: str


class ClaimBill(msgspec.Struct, frozen=True, tag="claim_bill"):
    """Call: a response whose bill nobody sees to, for this worker to do so. Answer: ``ResponseFound`` or
    ``ResponseUnknown``."""

    epoch: str


class Refresh(msgspec.Struct, frozen=True, tag="refresh"):
    """Call, from the command line on its own connection: configuration changed in the database; push it now.
    Answer: ``Refreshed`` once every connected worker has it."""


class StopCalls(msgspec.Struct, frozen=True, tag="stop_calls"):
    """Call: end what runs for this key, or for every key of this user, with an error that says why. From the
    command line on its own connection, and from the controller to each worker. Answer: ``Stopped``."""

    key_id: str = ""
    user_id: str = ""


# --- controller → worker
# -------------------------------------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """Answer to ``Hello``: what the worker must know before it serves."""

    pepper: bytes
    snapshot: Snapshot
    leases: tuple[LeaseTotals, ...]
    """What the database says; ``granted`` is the controller's truth."""


class NewSnapshot(msgspec.Struct, frozen=True, tag="new_snapshot"):
    """Call: swap to this; cached keys are forgotten. Answer: ``Ok``."""

    snapshot: Snapshot


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """Call: give back up to ``nanos`` of what is free now (Answer: ``Returned``), and what becomes free
    within
    ``hold_ms`` until ``nanos`` is reached (``Returned`` notices)."""

    account: str
    nanos: int
    hold_ms: int


class StopResponse(msgspec.Struct, frozen=True, tag="stop_response"):
    """Call: if this response is being made here without its client, stop that. Answer: ``Ok``."""

    id: str
    owner: str


# --- answers
# -------------------------------------------------------------------------------------------------------


class KeyFound(msgspec.Struct, frozen=True, tag="key_found"):
    principal: Principal


class KeyUnknown(msgspec.Struct, frozen=True, tag="key_unknown"):
    pass


class Acquired(msgspec.Struct, frozen=True, tag="acquired"):
    """New totals of the asked accounts. ``covered`` false: even after recall the accounts do not cover the
    need."""

    totals: tuple[LeaseTotals, ...]
    covered: bool
    short: str = ""
    """The account that does not cover it."""
    available: int = 0
    """Nanos that ``short`` could still give, for the refusal's text: unleased plus free in all leases."""
    unleased: int = 0
    """The least that any of the asked accounts has left beside its leases; 0 where one does not cover its
    part, or a call waits for it."""


class TokenCount(msgspec.Struct, frozen=True, tag="token_count"):
    tokens: int


class LocalAddress(msgspec.Struct, frozen=True, tag="local_address"):
    base_url: str
    """``http://127.0.0.1:PORT/v1``"""
    secret: str


class FoundThoughts(msgspec.Struct, frozen=True, tag="found_thoughts"):
    thoughts: dict[bytes, bytes]


class Text(msgspec.Struct, frozen=True, tag="text"):
    text: str


class Ok(msgspec.Struct, frozen=True, tag="ok"):
    pass


class Refreshed(msgspec.Struct, frozen=True, tag="refreshed"):
    version: int
    workers: int


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    calls: int


class ResponseFound(msgspec.Struct, frozen=True, tag="response_found"):
    response: StoredResponse
    turns: tuple[tuple[bytes, bytes], ...] = ()
    """(input items, output items), JSON arrays, oldest first."""


class ResponseUnknown(msgspec.Struct, frozen=True, tag="response_unknown"):
    id: str
    """The one that is missing, which may be one before the one that was asked for."""
    too_long: bool = False
    """It is there, but what came before it is too much."""


class Throttled(msgspec.Struct, frozen=True, tag="throttled"):
    """Too many were wrong; nothing was checked."""

    retry_after_s: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The call could not be done; ``reason`` is for a person."""

    reason: str


WorkerCall = (
    LookupKey
    | Acquire
    | CountTokens
    | LocalEndpoint
    | MetricsPage
    | CheckAdmin
    | Refresh
    | KeepThoughts
    | FindThoughts
    | KeepResponse
    | FindResponse
    | DropResponse
    | ClaimBill
    | StopCalls
)
WorkerNotice = Returned | Stats | ChannelFault | ChannelHealth | JournalGrew
ControllerCall = NewSnapshot | Recall | StopResponse | StopCalls | ChannelHealth
Result = (
    KeyFound
    | KeyUnknown
    | Acquired
    | TokenCount
    | LocalAddress
    | FoundThoughts
    | ResponseFound
    | ResponseUnknown
    | Text
    | Ok
    | Refreshed
    | Stopped
    | Throttled
    | Failed
    | Returned
)


class Call(msgspec.Struct, frozen=True, tag="call"):
    seq: int
    body: WorkerCall | ControllerCall


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    seq: int
    body: Result


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    body: WorkerNotice


Frame = Hello | Welcome | Call | Answer | Notice

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """Length prefix and body, ready to write."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(4, "big") + body


def decode_frame(body: bytes) -> Frame:
    """One frame's body, without its prefix. Raises ``msgspec.DecodeError`` or ``ValidationError``."""
    frame: Frame = _decoder.decode(body)
    return frame
