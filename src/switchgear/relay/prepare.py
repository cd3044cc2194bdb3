"""What goes to one candidate: the client's request as it is, or said again in the upstream's dialect.

A channel may speak several dialects. The client's own is taken where it can be; else the one that loses
least, in the order of ``plan.WAYS``. What none can carry is refused before any money is held.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.errors import INVALID_VALUE, UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import CONVERTED_AT_ONCE_BYTES_MAX, FANOUT_MAX, PASSED_AT_ONCE_BYTES_MAX
from switchgear.relay.beside import beside
from switchgear.relay.plan import Candidate
from switchgear.wire.bounds import check_schemas
from switchgear.wire.bridge import Passage
from switchgear.wire.call import Call, Operation
from switchgear.wire.dialect import Dialect, Edits, Headers, Reader
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.edits import edited
from switchgear.wire.embeddings import write_embeddings
from switchgear.wire.fan import FanReader
from switchgear.wire.ir import RemoteFile, Request, Seals, Upstream, Written
from switchgear.wire.loss import concepts, refusal, weigh
from switchgear.wire.origin import ANTHROPIC, origin_of
from switchgear.wire.splice import write_object
from switchgear.wire.thoughts import Thoughts, lacking, restored

T = TypeVar("T")

Fetch = Callable[[tuple[str, ...]], Awaitable[Mapping[str, RemoteFile]]]
"""Fetches files by URL, through the guard. Raises ApiError."""

Find = Callable[[str, Iterable[str]], Awaitable[Mapping[str, Thoughts]]]
"""(owner, ids of calls) → the reasoning that is kept of their answers."""

_NO_FACTS = ModelFacts()
_NO_EDITS = Edits()
_GENERATING = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate")
_OF_MESSAGES = ("anthropic_messages", "anthropic_count_tokens")


class Prepared(msgspec.Struct, frozen=True):
    """A request as one candidate gets it."""

    operation: Operation
    """The upstream's."""
    body: bytes
    request: Request | None = None
    """The neutral form; None when the client's body passes through."""
    passage: Passage = Passage("")
    """How the answer is to be read, where it is converted."""
    headers: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    """Fields of the client's that the upstream does not get."""
    foreign: bool = False
    """The upstream is not the maker of the dialect that passes through, and knows none of its flags."""
    copies: int = 1
    """Calls to the upstream, each for one of the answers that the client wants."""
    embeds: bool = False
    """Embeddings in the other form than the client's."""
    calls: Mapping[str, int] = {}
    """Of tools that the upstream runs, as far as the request lets it, by unit of ``Usage``."""
    gathered: Request | None = None
    """The neutral form of a call that wants a whole reply from an upstream that only streams: the reply is
    made of its stream."""

    def multiplied(self, call: Call) -> Call:
        """The call as it costs: its input is paid for in every copy."""
        if self.copies == 1:
            return call
        return msgspec.structs.replace(
            call, input_bytes=call.input_bytes * self.copies, images=call.images * self.copies
        )

    def calls_in_all(self) -> Mapping[str, int]:
        """Calls of hosted tools in every copy."""
        if self.copies == 1:
            return self.calls
        return {unit: count * self.copies for unit, count in self.calls.items()}

    def is_streamed(self, call: Call) -> bool:
        """The upstream is asked for a stream."""
        return call.stream or self.gathered is not None

    @property
    def dialect(self) -> Dialect:
        return DIALECT_OF_OPERATION[self.operation]

    def reader(self) -> Reader:
        """For the upstream's stream, or for those of all copies as one."""
        if self.copies == 1:
            return self.dialect.reader()
        return FanReader([self.dialect.reader() for _ in range(self.copies)])


class Preparation:
    """One call on its way to its candidates: read into the neutral form once, if at all."""

    __slots__ = (
        "_call",
        "_client",
        "_concepts",
        "_fetch",
        "_files",
        "_find",
        "_owner",
        "_request",
        "_seals",
        "_size",
    )

    def __init__(
        self, call: Call, client: Dialect, owner: str, seals: Seals, fetch: Fetch, find: Find
    ) -> None:
        self._call = call
        self._client = client
        self._seals = seals
        self._owner = owner
        self._fetch = fetch
        self._find = find
        self._request: Request | None = None
        self._concepts: dict[str, str] = {}
        self._files: dict[str, RemoteFile] = {}
        self._size = sum(len(memoryview(value)) for value in call.fields.values())

    async def first_fit(self, candidates: tuple[Candidate, ...]) -> tuple[int, Prepared]:
        """The first candidate that can carry the request, by its place, and what goes to it. Raises the first
        one's ApiError when none can."""
        reason: ApiError | None = None
        for place, candidate in enumerate(candidates):
            try:
                return place, await self.prepare(candidate)
            except ApiError as error:
                reason = reason or error
        if reason is None:
            raise ValueError("a plan without candidates")
        raise reason

    async def prepare(self, candidate: Candidate) -> Prepared:
        """The request for a candidate. Raises ApiError for what it can't carry."""
        operation = candidate.operations[0]
        call = self._call
        if call.images and candidate.channel.local_model:
            raise _blind(candidate.upstream_model)
        gathered = await self._read() if self._gathers(candidate) else None
        # A response that its upstream keeps is known by the upstream's id, which one made here has not.
        if operation == call.operation and (gathered is None or operation != "openai_responses"):
            if gathered is not None:
                call = _streamed(call)
            if call.wish is not None:
                call = self._client.with_thinking(call, call.wish, _facts(candidate))
            edits = _edits(candidate, operation)
            body, calls = await self._passed(call, candidate.upstream_model, edits)
            if gathered is None:
                return Prepared(operation, body, foreign=edits.foreign, calls=calls)
            passage = Passage(
                _origin(candidate, operation), _source(candidate), box_tags=_facts(candidate).box_tags
            )
            return Prepared(
                operation, body, passage=passage, foreign=edits.foreign, calls=calls, gathered=gathered
            )
        if operation in EMBEDDING_OPERATIONS:
            written = write_embeddings(call, candidate.upstream_model)
            return Prepared(operation, write_object(written.body), dropped=written.dropped, embeds=True)
        request = await self._read()
        operation, dropped = self._choose(candidate.operations)
        dialect = DIALECT_OF_OPERATION[operation]
        channel = candidate.channel
        upstream = Upstream(
            candidate.upstream_model,
            channel.vendor,
            _origin(candidate, operation),
            _facts(candidate),
            channel.asks_usage,
        )
        request = await self._with_thoughts(request, upstream.origin, _source(candidate))
        if urls := dialect.remote_files(request, upstream):
            upstream = msgspec.structs.replace(upstream, files=await self._files_of(urls))
        asked = request if gathered is None else msgspec.structs.replace(request, stream=True)
        written, body = await self._beside(lambda: _written(dialect, asked, upstream, candidate, operation))
        return Prepared(
            operation,
            body,
            request,
            Passage(
                upstream.origin,
                _source(candidate),
                written.names,
                written.unwrap_tool,
                request.stop if dialect.carries.get("stop") == "emulate" else written.stops,
                upstream.facts.box_tags,
            ),
            written.headers,
            self._named((*dropped, *written.dropped)),
            calls=dialect.calls_offered(written.body, candidate.upstream_model),
            copies=self._copies(request, dialect),
            gathered=None if gathered is None else request,
        )

    def _gathers(self, candidate: Candidate) -> bool:
        """The client wants a whole reply, and the upstream only streams."""
        if self._call.stream or candidate.operations[0] not in _GENERATING:
            return False
        return candidate.channel.only_streams or _facts(candidate).stream_only

    def _copies(self, request: Request, dialect: Dialect) -> int:
        """How often the upstream is called for one request. Raises ApiError for more than is reasonable."""
        if request.n == 1 or dialect.carries.get("n") != "emulate":
            return 1
        if request.n > FANOUT_MAX:
            field = self._client.fields.get("n", "n")
            too_many = (
                f"Invalid value for '{field}': this model gives at most {FANOUT_MAX} answers to a call."
            )
            raise ApiError(INVALID_VALUE, too_many, param=field)
        return request.n

    async def _passed(self, call: Call, model: str, edits: Edits) -> tuple[bytes, Mapping[str, int]]:
        """(the body as it passes through, the hosted calls that it offers)."""
        client = self._client
        return await beside(
            self._size,
            PASSED_AT_ONCE_BYTES_MAX,
            lambda: (client.pass_request(call, model, edits), client.calls_offered(call.fields, model)),
        )

    async def _beside(self, work: Callable[[], T]) -> T:
        """What has to do with saying the request again in another dialect."""
        return await beside(self._size, CONVERTED_AT_ONCE_BYTES_MAX, work)

    async def _read(self) -> Request:
        if self._request is not None:
            return self._request
        request, self._concepts = await self._beside(self._read_now)
        self._request = request
        return request

    def _read_now(self) -> tuple[Request, dict[str, str]]:
        request = self._client.read_request(self._call, self._seals)
        check_schemas(request, self._client.fields)
        if self._call.wish is not None:
            request = msgspec.structs.replace(request, thinking=self._call.wish)
        return request, concepts(request)

    async def _with_thoughts(self, request: Request, origin: str, source: str) -> Request:
        """With the reasoning that this maker wants back and the client did not send, or not in its order."""
        ids = lacking(request.turns, origin, self._client.is_flat)
        if not ids:
            return request
        kept = await self._find(self._owner, ids)
        return msgspec.structs.replace(request, turns=restored(request.turns, kept, origin, source))

    def _choose(self, operations: tuple[Operation, ...]) -> tuple[Operation, tuple[str, ...]]:
        """The operation that carries the request with the least loss. Raises ApiError when none does."""
        refused: str | None = None
        best: tuple[int, Operation, tuple[str, ...]] | None = None
        for operation in operations:
            dropped, refusals = weigh(self._concepts, DIALECT_OF_OPERATION[operation].carries)
            if refusals:
                refused = refused or refusals[0]
            elif best is None or len(dropped) < best[0]:
                best = (len(dropped), operation, dropped)
        if best is None:
            concept = refused or ""
            raise refusal(concept, self._client.fields.get(concept, concept), self._concepts.get(concept, ""))
        return best[1], best[2]

    def _named(self, dropped: tuple[str, ...]) -> tuple[str, ...]:
        """Concepts as the client knows them; of its unknown fields, each by its name."""
        names: dict[str, None] = {}
        for concept in dropped:
            if concept == "extras" and self._request is not None:
                names.update(dict.fromkeys(self._request.extras))
            else:
                names[self._client.fields.get(concept, concept)] = None
        return tuple(names)

    async def _files_of(self, urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
        missing = tuple(url for url in urls if url not in self._files)
        if missing:
            self._files.update(await self._fetch(missing))
        return self._files


def dropped_header(dropped: tuple[str, ...]) -> Headers:
    """Tells the client which of its fields the upstream did not get."""
    if not dropped:
        return []
    names = ",".join(name for name in dropped if name.isascii() and name.isprintable())
    return [("x-switchgear-dropped", names[:1024])]


def _written(
    dialect: Dialect, request: Request, upstream: Upstream, candidate: Candidate, operation: Operation
) -> tuple[Written, bytes]:
    """The request in the upstream's dialect, and its body. Raises ApiError."""
    written = dialect.write_request(request, upstream)
    return written, write_object(edited(written.body, _edits(candidate, operation)))


def _streamed(call: Call) -> Call:
    """The same, asked for as a stream; Gemini says so in the path."""
    if call.operation == "gemini_generate":
        return msgspec.structs.replace(call, stream=True)
    return msgspec.structs.replace(call, stream=True, fields={**call.fields, "stream": Raw(b"true")})


def _origin(candidate: Candidate, operation: Operation) -> str:
    """Whose opaque tokens its answers bring."""
    channel, dialect = candidate.channel, DIALECT_OF_OPERATION[operation]
    return origin_of(dialect.name, channel.vendor, candidate.upstream_model, channel.id)


def _source(candidate: Candidate) -> str:
    """The very upstream, for what is its own without a token."""
    return f"{candidate.channel.id}/{candidate.upstream_model}"


def _blind(model: str) -> ApiError:
    """The embedded server calls a picture a failure of its own, and would be taken out for it."""
    return ApiError(UNSUPPORTED_PARAMETER, f"The embedded model '{model}' reads text only.", param="messages")


def _facts(candidate: Candidate) -> ModelFacts:
    return candidate.channel.facts.get(candidate.upstream_model, _NO_FACTS)


def _edits(candidate: Candidate, operation: Operation) -> Edits:
    channel = candidate.channel
    foreign = False
    if (
        operation not in _OF_MESSAGES
        and channel.asks_usage
        and not (channel.drop or channel.rename or channel.facts)
    ):
        return _NO_EDITS
    if operation in _OF_MESSAGES:
        foreign = _origin(candidate, operation) != ANTHROPIC
    return Edits(
        channel.asks_usage,
        channel.drop.get(operation, ()),
        channel.rename.get(operation, {}),
        foreign,
        _facts(candidate),
    )
