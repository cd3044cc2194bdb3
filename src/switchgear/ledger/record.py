"""The one durable record of a request: the bill and the log line in one.

It is appended to the worker's journal before the reply's end goes out, and becomes a usage row and its
transfers when the controller ingests it. It holds ids and numbers, never bodies, keys or secrets.
"""

from typing import Literal

import msgspec

from switchgear.kernel.charge import Charge
from switchgear.kernel.usage import Usage

EndState = Literal["complete", "client_gone", "upstream_cut", "stalled", "upstream_error", "refused"]
END_STATES: tuple[EndState, ...] = (
    "complete",
    "client_gone",
    "upstream_cut",
    "stalled",
    "upstream_error",
    "refused",
)
UsageSource = Literal["reported", "estimated", "none"]


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One try at one channel. ``fault`` is empty when it answered."""

    channel: str
    fault: str
    status: int
    ms: int


class Timings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Microseconds from the arrival of the request; 0 = did not come to that."""

    upstream_sent_us: int = 0
    first_byte_us: int = 0
    """First content byte to the client."""
    total_us: int = 0
    own_us: int = 0
    """Spent in the relay itself: arrival to upstream send, plus reply received to reply sent, without waiting
    for others: a client's body, room, funds, links, earlier attempts, the embedded model's start."""


class UsageRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is kept of a request. ``request_id`` is also the id of its ledger transfer."""

    request_id: str
    at_ms: int
    user_id: str
    key_id: str
    group: str
    dialect: str
    operation: str
    model: str
    end_state: EndState
    usage_source: UsageSource
    usage: Usage
    charge: Charge
    wallet: str
    """Account that pays: ``wallet:<user id>``."""
    budget: str = ""
    """Account of the key's quota, ``budget:key:<key id>``; empty when the key has none."""
    channel: str = ""
    upstream_model: str = ""
    stream: bool = False
    status: int = 0
    """HTTP status the client got."""
    error: str = ""
    """Name of the row of the error table; empty when the call was answered."""
    delivered_bytes: int = 0
    attempts: tuple[Attempt, ...] = ()
    timings: Timings = Timings()
    client_ip: str = ""
    upstream_request_id: str = ""
    dropped: tuple[str, ...] = ()
    left_out: int = 0
    """Calls of the same key before this one that came to nothing either, and have no record of their own."""
    usage_doubt: bool = False
    """The upstream's report is implausible beside its answer."""
    hidden_tokens: int = 0
    """Of the reasoning in ``usage``: estimated by the time that it took, as nothing told of it."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UsageRecord)


def encode_record(record: UsageRecord) -> bytes:
    """The record as msgpack; about 500 bytes."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> UsageRecord:
    """Raises ``msgspec.DecodeError`` or ``msgspec.ValidationError`` on anything else than a record."""
    return _decoder.decode(data)
