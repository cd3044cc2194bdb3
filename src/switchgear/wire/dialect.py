"""The contract of a dialect: everything that the relay asks of one, as bytes and values, without I/O.

``wire.dialects`` holds the table of the four. Requests and replies of one dialect on both sides pass through
with named edits (``pass_request``, ``tap``, ``read_reply``) and are never decoded whole; between two dialects
they go through ``wire.ir`` and ``wire.events``. Methods raise ``ApiError`` for a client's fault and nothing
else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.usage import Usage
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.faults.upstream_error import UpstreamError
from switchgear.wire.neutral.account_ids import AccountId
from switchgear.wire.neutral.events import Event
from switchgear.wire.neutral.loss import Carriage
from switchgear.wire.neutral.model_card import ModelCard
from switchgear.wire.neutral.request import Request, Seals, Thinking, Upstream, Written

Headers = list[tuple[str, str]]


class Edits(msgspec.Struct, frozen=True):
    """Changes to a request that passes through, as its vendor's file and its channel ask for them."""

    asks_usage: bool = True
    """The upstream understands ``stream_options.include_usage``."""
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = {}
    foreign: bool = False
    """The upstream only speaks the dialect and is not its maker's: what the maker alone knows is left out."""
    facts: ModelFacts = ModelFacts()
    """Of the upstream's model, where a client may have a switch wrong that it can't know."""


class Passed(msgspec.Struct, frozen=True):
    """A request that passes through."""

    body: bytes
    dropped: tuple[str, ...] = ()
    """The client's fields that the upstream does not get."""


class Reply(Protocol):
    """A whole reply of status 200. With ``error`` it is no answer and nothing else counts."""

    @property
    def body(self) -> bytes:
        """What the client gets."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def error(self) -> UpstreamError | None: ...

    @property
    def empty(self) -> bool:
        """It answers nothing at all."""

    def calls(self) -> Mapping[str, int]:
        """Of tools that the upstream ran, by unit of ``Usage``; for an estimate."""

    def text(self) -> str:
        """What the model wrote, for an estimate."""


class Tap(Protocol):
    """Push chunks of the upstream; get the bytes that go to the client now. The end marker is held back, as a
    reply may only end once its record is written."""

    @property
    def ended(self) -> bool:
        """The end marker came."""

    @property
    def is_told(self) -> bool:
        """Every answer has its finish and its count: nothing that matters is to come."""

    @property
    def fault(self) -> UpstreamError | None: ...

    @property
    def has_content(self) -> bool:
        """Something was said: from here on there is no other candidate."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def text_bytes(self) -> int:
        """Of the text that waits for ``take_text``."""

    @property
    def feed_alike(self) -> Callable[[bytes], bytes] | None:
        """A short way for a chunk that is one frame like an earlier one: what to forward, or ``b""`` where it
        is not so and ``feed`` has to look. None: there is none."""

    def feed(self, chunk: bytes) -> bytes:
        """What to forward now."""

    def finish(self) -> Literal["complete", "cut"]:
        """To be asked once at the upstream's end of file."""

    def calls(self) -> Mapping[str, int]:
        """Of tools that the upstream ran so far, by unit of ``Usage``; for an estimate."""

    def made_ids(self) -> tuple[str, ...]:
        """What the answer made in the upstream's account, as ``Dialect.made_ids``; known at its end."""

    def take_text(self) -> str:
        """What the model wrote since the last call, for a token estimate."""

    def closing(self) -> bytes:
        """The frames that end the reply; sent after its record is written."""

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        """What ends a reply that broke, in place of ``closing``."""


class Head(msgspec.Struct, frozen=True):
    """What a converted reply is made from, beside its events."""

    id: str
    """Time-ordered and unique; a writer puts its dialect's prefix before it."""
    model: str
    """As the client named it."""
    created_s: int
    request: Request
    """What was asked, for dialects that repeat it and for what the client wants to see."""
    seals: Seals
    input_tokens: int = 0
    """An estimate, for dialects that tell it at the start of a stream."""
    include_usage: bool = False
    fields: Mapping[str, Raw] = {}
    """The client's body as it came."""
    array: bool = False
    """A stream is wanted as one JSON array."""
    completion: bool = False
    """A plain completion was asked for, not a chat."""


class Reader(Protocol):
    """An upstream's stream as events. Never raises; whatever it can't read is a ``Fault``."""

    @property
    def is_told(self) -> bool:
        """See ``Tap.is_told``."""

    def feed(self, chunk: bytes) -> list[Event]: ...

    def finish(self) -> list[Event]:
        """At the end of file: what is still due, ``End`` or a truncated ``Fault`` among it unless one
        came."""


class Writer(Protocol):
    """Events as a client's stream. Everything from the first ``Finish`` of the last answer on is held for
    ``closing``."""

    def feed(self, events: list[Event]) -> bytes: ...

    def closing(self) -> bytes: ...

    def error_frame(self, err: ApiError, request_id: str) -> bytes: ...


class Dialect(Protocol):
    """One dialect."""

    name: DialectName
    carries: Mapping[str, Carriage]
    """Concept (``wire.neutral.loss``) → what becomes of it in a request written in this dialect."""
    fields: Mapping[str, str]
    """Concept → the field by which a client of this dialect knows it; the concept itself where absent."""
    cap_field: str
    """By which a client caps the output."""
    is_flat: bool
    """Its messages hold reasoning, text and calls apart, so that their order is lost."""
    stream_type: str
    """Content type of a streamed reply."""

    # --- requests

    def own_fields(self, *, converted: bool) -> tuple[str, ...]:
        """Top-level fields that a request has for the relay's own sake, and may do without where the upstream
        refuses them. ``converted``: it was written here, not passed through."""

    def read_model(self, fields: dict[str, Raw], in_path: InPath) -> str:
        """The model as the client names it. Raises ApiError."""

    def read_call(self, operation: Operation, fields: dict[str, Raw], model: str, in_path: InPath) -> Call:
        """What else a request says. Raises ApiError for what can't be a request of this dialect."""

    def pass_request(self, call: Call, upstream_model: str, edits: Edits) -> Passed:
        """The request for an upstream of the same dialect. What is known to be fatal to the model is mended;
        everything else stays as it came."""

    def with_thinking(self, call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
        """The call with another wish about reasoning than its body's, for an upstream of the same dialect."""

    def with_cap(self, call: Call, tokens: int, facts: ModelFacts) -> Call:
        """The call with at most so many tokens of output in each choice, for an upstream of the same
        dialect."""

    def output_ceiling(self, cap: int, thinking: Thinking | None, facts: ModelFacts) -> int:
        """The most output, reasoning included, that a request in this dialect lets a model give in a choice,
        when its client names this cap (0 = none); 0 = nobody knows."""

    def read_request(self, call: Call, seals: Seals) -> Request:
        """The neutral form. Raises ApiError."""

    def remote_files(self, request: Request, upstream: Upstream) -> tuple[str, ...]:
        """URLs whose content this dialect needs inline, to be fetched before ``write_request``."""

    def write_request(self, request: Request, upstream: Upstream) -> Written:
        """The request for an upstream of this dialect. Raises ApiError for content that it can't carry."""

    def hinders(self, request: Request, facts: ModelFacts) -> bool:
        """Whether the model is known to do in this dialect less of a request than in another."""

    def calls_offered(self, fields: Mapping[str, Raw], model: str) -> Mapping[str, int]:
        """Calls of tools that the upstream runs, by unit of ``Usage``, that a request in this dialect lets it
        make; ``model`` is the upstream's name."""

    def account_ids(self, call: Call) -> tuple[AccountId, ...]:
        """What a request names of the upstream's account, which all its callers share."""

    def made_ids(self, body: bytes) -> tuple[str, ...]:
        """What a whole reply that passes through made in that account, and a later request may name."""

    def input_text(self, call: Call) -> str:
        """The text of a request that costs tokens."""

    def overhead_tokens(self, call: Call) -> int:
        """Tokens of a request that stand for no text."""

    # --- answers

    def read_reply(self, call: Call, body: bytes) -> Reply:
        """A whole reply that passes through. Never raises."""

    def tap(self, call: Call) -> Tap:
        """For a stream that passes through."""

    def read_events(self, body: bytes) -> list[Event]:
        """A whole reply as events, ``End`` or ``Fault`` last. Never raises."""

    def reader(self) -> Reader:
        """For a stream that is converted."""

    def write_reply(self, events: list[Event], head: Head) -> bytes:
        """A whole reply from all its events, of which the last is ``End``."""

    def writer(self, head: Head) -> Writer:
        """For a stream to a client."""

    def heartbeat(self, call: Call, id: str, created_s: int) -> bytes:
        """Sent during a long silence of a stream, at any place between its frames: it adds nothing to the
        answer. Empty = nothing may be sent. ``id``: as ``Head.id``; ``created_s``: Unix time."""

    # --- lists and counts

    def render_models(self, cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
        """The list of models, in the order given; ``query`` holds the dialect's paging parameters."""

    def render_model(self, card: ModelCard) -> bytes:
        """One model."""

    def render_count(self, tokens: int) -> bytes:
        """The answer to a question for the number of input tokens."""

    # --- errors

    def usage_of_error(self, body: bytes) -> Usage | None:
        """What an upstream's error reply says that it counted all the same. Never raises."""

    def render_error(self, err: ApiError, request_id: str) -> tuple[int, Headers, bytes]:
        """(status, headers, body)."""

    def render_blocked(self, err: ApiError, call: Call, request_id: str) -> tuple[str, bytes] | None:
        """(content type, reply of status 200) for input that an upstream's filter refused, in a dialect where
        that is an answer; None for any other error, and in the others."""

    def render_stream_error(self, err: ApiError, request_id: str) -> bytes:
        """The frame that ends a stream of which nothing but heartbeats has gone out."""
