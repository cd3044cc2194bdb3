"""What goes to one candidate: the client's request as it is, or said again in the upstream's dialect.

A channel may speak several dialects. The client's own is taken where it can be; else the one that loses
least, in the order of ``plan.WAYS``. What none can carry is refused before any money is held (``fit``); files
are fetched and bodies written after (``prepare``).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.errors import INVALID_VALUE, UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import (
    CONVERTED_AT_ONCE_BYTES_MAX,
    FANOUT_MAX,
    PASSED_AT_ONCE_BYTES_MAX,
    RESERVE_OUTPUT_TOKENS_UNKNOWN,
)
from switchgear.link.snapshot import Principal
from switchgear.relay.admit import Terms
from switchgear.relay.beside import beside
from switchgear.relay.plan import Candidate
from switchgear.wire.call import Call, Operation
from switchgear.wire.convert.answer_form import EitherReader
from switchgear.wire.convert.bridge import Passage
from switchgear.wire.convert.fan_in import FanReader
from switchgear.wire.dialect import Dialect, Edits, Headers, Reader
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.edits import edited, left_out
from switchgear.wire.embeddings import write_embeddings
from switchgear.wire.framing.splice import NULL, write_object
from switchgear.wire.modes import modes_of
from switchgear.wire.neutral.loss import CONCEPTS, concepts, refusal, weigh
from switchgear.wire.neutral.maker import ANTHROPIC, origin_of
from switchgear.wire.neutral.reasoning_memory import Thoughts, lacking, restored
from switchgear.wire.neutral.request import HostedTool, RemoteFile, Request, Seals, Text, Turn, Upstream
from switchgear.wire.neutral.schema_bounds import check_schemas

T = TypeVar("T")

Fetch = Callable[[str, tuple[str, ...]], Awaitable[Mapping[str, RemoteFile]]]
"""(id of the API key that pays, URLs) → files, through the guard. Raises ApiError."""

Find = Callable[[str, Iterable[str]], Awaitable[Mapping[str, Thoughts]]]
"""(owner, ids of calls) → the reasoning that is kept of their answers."""

_NO_FACTS = ModelFacts()
_NO_EDITS = Edits()
_GENERATING = ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate")
CONVERSATIONS = (*_GENERATING, "openai_completions")
"""Operations whose answers the model writes, and may stream."""
_OF_MESSAGES = ("anthropic_messages", "anthropic_count_tokens")
_NO_TURNS = (Turn("user", (Text("."),)),)


class Fit(msgspec.Struct, frozen=True):
    """A candidate that can carry the request, and what of that decides the price."""

    operation: Operation
    """The upstream's."""
    dropped: tuple[str, ...] = ()
    """Concepts that it lacks."""
    copies: int = 1
    calls: Mapping[str, int] = {}
    output_ceiling: int = 0
    """Tokens that it may write in each choice, when nobody caps it further; 0 = unknown."""
    modes: tuple[str, ...] = ()
    """That it is asked to serve in, all of them priced."""
    left_out: tuple[str, ...] = ()
    """Fields of a body that passes through which the upstream must not get."""

    def multiplied(self, call: Call) -> Call:
        """The call as it costs: its input is paid for in every copy."""
        if self.copies == 1:
            return call
        return msgspec.structs.replace(
            call,
            input_bytes=call.input_bytes * self.copies,
            images=call.images * self.copies,
            files=call.files * self.copies,
        )

    def calls_in_all(self) -> Mapping[str, int]:
        """Calls of hosted tools in every copy."""
        if self.copies == 1:
            return self.calls
        return {unit: count * self.copies for unit, count in self.calls.items()}


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
    shown_model: str = ""
    """Of an answer that passes through: the client's name of the model, where the upstream has another."""
    gathered: Request | None = None
    """The neutral form of a call that wants a whole reply from an upstream that only streams: the reply is
    made of its stream."""
    modes: tuple[str, ...] = ()
    """That the upstream is asked to serve in."""
    output_cap: int = 0
    """Tokens of output that we allow it, where its client names no cap and the money asks for one."""

    def is_streamed(self, call: Call) -> bool:
        """The upstream is asked for a stream."""
        return call.stream or self.gathered is not None

    @property
    def dialect(self) -> Dialect:
        return DIALECT_OF_OPERATION[self.operation]

    def reader(self) -> Reader:
        """For the upstream's stream, or for those of all copies as one."""
        if self.copies == 1:
            return EitherReader(self.dialect)
        return FanReader([EitherReader(self.dialect) for _ in range(self.copies)])


class Preparation:
    """One call on its way to its candidates: read into the neutral form once, if at all."""

    __slots__ = (
        "_allowed",
        "_call",
        "_client",
        "_concepts",
        "_fetch",
        "_files",
        "_find",
        "_fitted",
        "_is_small",
        "_request",
        "_seals",
        "_size",
        "_terms",
        "_who",
    )

    def __init__(
        self,
        call: Call,
        client: Dialect,
        who: Principal,
        seals: Seals,
        fetch: Fetch,
        find: Find,
        terms: Terms,
    ) -> None:
        self._call = call
        self._client = client
        self._seals = seals
        self._who = who
        self._allowed = 0
        self._terms = terms
        self._fitted: tuple[Candidate, Candidate, Fit] | None = None
        """The candidate that was asked for last, what is left of it, and its fit."""
        self._fetch = fetch
        self._find = find
        self._request: Request | None = None
        self._concepts: dict[str, str] = {}
        self._files: dict[str, RemoteFile] = {}
        self._size = sum([len(memoryview(raw)) for raw in call.fields.values()])
        self._is_small = self._size <= CONVERTED_AT_ONCE_BYTES_MAX
        """Nothing of it is worth a thread of its own."""

    async def first_fit(self, candidates: tuple[Candidate, ...]) -> tuple[int, Fit]:
        """The first candidate that can carry the request, by its place. Raises the first one's ApiError when
        none can."""
        return await self._beside(candidates[0], lambda: self._first_fit(candidates))

    def _first_fit(self, candidates: tuple[Candidate, ...]) -> tuple[int, Fit]:
        reason: ApiError | None = None
        for place, candidate in enumerate(candidates):
            try:
                return place, self.fit(candidate)
            except ApiError as error:
                reason = reason or error
        raise reason or ValueError("a plan without candidates")

    async def first_prepared(self, candidates: tuple[Candidate, ...]) -> tuple[int, Prepared]:
        """What goes to the first candidate for which it can be written; else like ``first_fit``."""
        reason: ApiError | None = None
        for place, candidate in enumerate(candidates):
            try:
                return place, await self.prepare(candidate)
            except ApiError as error:
                reason = reason or error
        raise reason or ValueError("a plan without candidates")

    def allow(self, output_tokens: int) -> None:
        """From now on no candidate is asked for more output in a choice."""
        self._allowed = output_tokens

    def fit(self, candidate: Candidate) -> Fit:
        """What the candidate makes of the request, before money is held. Raises ApiError for what it can't
        carry."""
        return self._with_fit(candidate)[1]

    def _with_fit(self, candidate: Candidate) -> tuple[Candidate, Fit]:
        """Also the candidate, with the ways that are left to it."""
        fitted = self._fitted
        if fitted is None or fitted[0] is not candidate:
            left = self._unhindered(candidate)
            fitted = self._fitted = candidate, left, self._fit(left)
        return fitted[1], fitted[2]

    async def fit_beside(self, candidate: Candidate) -> Fit:
        """The same, apart from the event loop where the body is large."""
        return await self._beside(candidate, lambda: self.fit(candidate))

    def _fit(self, candidate: Candidate) -> Fit:
        operation, call, facts = candidate.operations[0], self._call, _facts(candidate)
        if call.images and candidate.channel.local_model:
            raise _blind(candidate.upstream_model)
        if self._passes(candidate):
            if self._gathers(candidate):
                self._read()
            calls = self._client.calls_offered(call.fields, candidate.upstream_model)
            modes, left_out = self._settled(call.fields, operation, candidate)
            ceiling = self._ceiling(self._client, facts)
            return Fit(operation, calls=calls, output_ceiling=ceiling, modes=modes, left_out=left_out)
        if operation in EMBEDDING_OPERATIONS:
            write_embeddings(call, candidate.upstream_model)
            return Fit(operation)
        request = self._read()
        operation, dropped = self._choose(candidate.operations)
        dialect = DIALECT_OF_OPERATION[operation]
        return Fit(
            operation,
            dropped,
            self._copies(request, dialect),
            *self._charged(request, operation, candidate),
        )

    def _passes(self, candidate: Candidate) -> bool:
        """The body goes as it is. A response that its upstream keeps is known by the upstream's id, which one
        made here has not."""
        operation = candidate.operations[0]
        return operation == self._call.operation and (
            operation != "openai_responses" or not self._gathers(candidate)
        )

    def _ceiling(self, dialect: Dialect, facts: ModelFacts) -> int:
        cap, thinking = self._call.output_tokens_cap, self._call.wish
        if thinking is None and self._request is not None:
            thinking = self._request.thinking
        ceiling = dialect.output_ceiling(cap, thinking, facts) or self._terms.model.output_tokens_max
        window = facts.context_tokens
        return min(ceiling, window) if window and ceiling else ceiling or window

    def _charged(
        self, request: Request, operation: Operation, candidate: Candidate
    ) -> tuple[Mapping[str, int], int, tuple[str, ...]]:
        """(calls, output ceiling, modes) as the request will say them: it is written without its turns, where
        there is any tool or mode of the kind."""
        dialect = DIALECT_OF_OPERATION[operation]
        fields: Mapping[str, Raw] = {}
        is_plain = not request.modalities and not request.service_tier
        tools = request.tools
        if not is_plain or (tools and any(isinstance(tool, HostedTool) for tool in tools)):
            without_turns = msgspec.structs.replace(request, turns=_NO_TURNS)
            fields = dialect.write_request(without_turns, self._upstream(candidate, dialect)).body
        calls = dialect.calls_offered(fields, candidate.upstream_model)
        ceiling = self._ceiling(dialect, _facts(candidate))
        return calls, ceiling, self._settled(fields, operation, candidate)[0]

    def _settled(
        self, fields: Mapping[str, Raw], operation: Operation, candidate: Candidate
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(modes that are priced, fields to leave out) of a body that goes to the candidate. Raises ApiError
        for what would change the price and can't be left out."""
        channel = candidate.channel
        if channel.refuse:
            for field in channel.refuse.get(operation, ()):
                if fields.get(field, NULL) != NULL:
                    raise _unpriced(field, self._call.model)
        left_out: tuple[str, ...] = ()
        if omit := channel.omit.get(operation):
            left_out = tuple(field for field in omit if fields.get(field, NULL) != NULL)
        modes: tuple[str, ...] = ()
        for mode in modes_of(operation, fields):
            if mode.name in self._terms.price.modes:
                modes += (mode.name,)
            elif mode.is_binding:
                raise _unpriced(mode.field, self._call.model)
            else:
                left_out += (mode.field,)
        return modes, left_out

    async def prepare(self, candidate: Candidate) -> Prepared:
        """The request for a candidate. Raises ApiError for what it can't carry."""
        asked = candidate
        if self._is_small:
            candidate, fit = self._with_fit(asked)
        else:
            candidate, fit = await self._beside(asked, lambda: self._with_fit(asked))
        if self._passes(candidate):
            if self._is_small:
                return self._passed(candidate, fit)
            return await self._beside(candidate, lambda: self._passed(candidate, fit))
        if fit.operation in EMBEDDING_OPERATIONS:
            written = write_embeddings(self._call, candidate.upstream_model)
            return Prepared(fit.operation, write_object(written.body), dropped=written.dropped, embeds=True)
        return await self._converted(candidate, fit)

    def _passed(self, candidate: Candidate, fit: Fit) -> Prepared:
        call, facts = self._call, _facts(candidate)
        gathered = self._read() if self._gathers(candidate) else None
        if fit.left_out:
            kept = {field: raw for field, raw in call.fields.items() if field not in fit.left_out}
            call = msgspec.structs.replace(call, fields=kept)
        if gathered is not None:
            call = _streamed(call)
        if call.wish is not None:
            call = self._client.with_thinking(call, call.wish, facts)
        cap = self._cap(fit)
        if cap:
            call = self._client.with_cap(call, cap, facts)
        edits = _edits(candidate, fit.operation, converted=False)
        passed = self._client.pass_request(call, candidate.upstream_model, edits)
        shown = call.shown_model
        passage = Passage("") if gathered is None else passage_of(candidate, fit.operation)
        return Prepared(
            fit.operation,
            passed.body,
            passage=passage,
            dropped=(*fit.left_out, *passed.dropped),
            foreign=edits.foreign,
            calls=fit.calls,
            shown_model="" if shown == candidate.upstream_model else shown,
            gathered=gathered,
            modes=fit.modes,
            output_cap=cap,
        )

    async def _converted(self, candidate: Candidate, fit: Fit) -> Prepared:
        dialect = DIALECT_OF_OPERATION[fit.operation]
        upstream = self._upstream(candidate, dialect)
        request = await self._with_thoughts(self._read(), upstream.origin, _source(candidate))
        if urls := dialect.remote_files(request, upstream):
            upstream = msgspec.structs.replace(upstream, files=await self._files_of(urls))
        gathers = self._gathers(candidate)
        asked = msgspec.structs.replace(request, stream=True) if gathers else request
        cap = self._cap(fit)
        if cap:
            asked = msgspec.structs.replace(asked, output_tokens_max=cap)
            # No writer raises it: as far as they know, the model gives no more.
            facts = msgspec.structs.replace(upstream.facts, output_tokens_max=cap)
            upstream = msgspec.structs.replace(upstream, facts=facts)
        to = upstream
        written = await self._beside(candidate, lambda: dialect.write_request(asked, to))
        modes, left_out = self._settled(written.body, fit.operation, candidate)
        body = written.body
        if left_out:
            body = {field: raw for field, raw in body.items() if field not in left_out}
        lost = ("service_tier",) if left_out else ()
        edits = _edits(candidate, fit.operation, converted=True)
        return Prepared(
            fit.operation,
            write_object(edited(body, edits)),
            request,
            Passage(
                upstream.origin,
                _source(candidate),
                written.names,
                written.unwrap_tool,
                written.stops,
                upstream.facts.box_tags,
            ),
            written.headers,
            self._named((*fit.dropped, *written.dropped, *lost, *_edited_out(body, edits, dialect))),
            calls=dialect.calls_offered(written.body, candidate.upstream_model),
            copies=fit.copies,
            gathered=request if gathers else None,
            modes=modes,
            output_cap=cap,
        )

    async def _beside(self, candidate: Candidate, work: Callable[[], T]) -> T:
        """What may take long for a large body."""
        if self._is_small:
            return work()
        passes = self._passes(candidate) and not self._gathers(candidate)
        size_max = PASSED_AT_ONCE_BYTES_MAX if passes else CONVERTED_AT_ONCE_BYTES_MAX
        return await beside(self._size, size_max, work)

    def _upstream(self, candidate: Candidate, dialect: Dialect) -> Upstream:
        channel = candidate.channel
        origin = origin_of(dialect.name, channel.vendor, candidate.upstream_model, channel.id)
        return Upstream(
            candidate.upstream_model,
            channel.vendor,
            origin,
            _facts(candidate),
            channel.asks_usage,
            gives_back_reasoning=channel.gives_back_reasoning,
        )

    def _cap(self, fit: Fit) -> int:
        """The output that the money allows, where the model might write more and its client does not say;
        0 = as it is."""
        call, allowed = self._call, self._allowed
        if not allowed or call.output_tokens_cap or call.operation in EMBEDDING_OPERATIONS:
            return 0
        ceiling = fit.output_ceiling or RESERVE_OUTPUT_TOKENS_UNKNOWN
        return allowed if allowed < ceiling and not call.in_path.verb else 0

    def _unhindered(self, candidate: Candidate) -> Candidate:
        """Without the ways on which the model does less of the request than on another that carries it."""
        facts = _facts(candidate)
        if not facts.tools_unreasoned or len(candidate.operations) == 1:
            return candidate
        try:
            request = self._read()
        except ApiError:
            return candidate  # the upstream may know what to make of it
        free = tuple(
            way
            for way in candidate.operations
            if not DIALECT_OF_OPERATION[way].hinders(request, facts)
            and not weigh(self._concepts, DIALECT_OF_OPERATION[way].carries)[1]
        )
        if not free or free == candidate.operations:
            return candidate
        return msgspec.structs.replace(candidate, operations=free)

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

    def _read(self) -> Request:
        if self._request is None:
            request = self._client.read_request(self._call, self._seals)
            check_schemas(request, self._client.fields)
            if self._call.wish is not None:
                request = msgspec.structs.replace(request, thinking=self._call.wish)
            self._request = request
            self._concepts = concepts(self._request)
        return self._request

    async def _with_thoughts(self, request: Request, origin: str, source: str) -> Request:
        """With the reasoning that this maker wants back and the client did not send, or not in its order."""
        ids = lacking(request.turns, origin, self._client.is_flat)
        if not ids:
            return request
        kept = await self._find(self._who.user_id, ids)
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
            self._files.update(await self._fetch(self._who.key_id, missing))
        return self._files


def dropped_header(dropped: tuple[str, ...]) -> Headers:
    """Tells the client which of its fields the upstream did not get."""
    if not dropped:
        return []
    names = ",".join(name for name in dropped if name.isascii() and name.isprintable())
    return [("x-switchgear-dropped", names[:1024])]


def passage_of(candidate: Candidate, operation: Operation) -> Passage:
    """How the answer to a request that passed through is read as events."""
    origin = _origin(candidate, operation)
    return Passage(origin, _source(candidate), box_tags=_facts(candidate).box_tags)


def cap_header(prepared: Prepared) -> Headers:
    """Tells the client how much output its money allows, where it named no cap of its own."""
    return [("x-switchgear-max-output", str(prepared.output_cap))] if prepared.output_cap else []


def _streamed(call: Call) -> Call:
    """The same, asked for as a stream; Gemini says so in the path."""
    if call.operation == "gemini_generate":
        return msgspec.structs.replace(call, stream=True)
    return msgspec.structs.replace(call, stream=True, fields={**call.fields, "stream": Raw(b"true")})


def _origin(candidate: Candidate, operation: Operation) -> str:
    """Whose opaque tokens its answers bring."""
    channel, dialect = candidate.channel, DIALECT_OF_OPERATION[operation]
    return origin_of(dialect.name, channel.vendor, candidate.upstream_model, channel.id)


def _unpriced(field: str, model: str) -> ApiError:
    return ApiError(
        UNSUPPORTED_PARAMETER,
        f"'{field}' changes what the model '{model}' costs, and there is no price for that. Leave it out, or "
        "ask the operator to set a price.",
        param=field,
    )


def _source(candidate: Candidate) -> str:
    """The very upstream, for what is its own without a token."""
    return f"{candidate.channel.id}/{candidate.upstream_model}"


def _blind(model: str) -> ApiError:
    """The embedded server calls a picture a failure of its own, and would be taken out for it."""
    return ApiError(UNSUPPORTED_PARAMETER, f"The embedded model '{model}' reads text only.", param="messages")


def _edited_out(body: Mapping[str, Raw], edits: Edits, dialect: Dialect) -> tuple[str, ...]:
    """Concepts of a written request that its vendor does not take."""
    if not edits.drop and not edits.rename:
        return ()
    concept_of = {field: concept for concept, field in dialect.fields.items()}
    lost = (concept_of.get(key, key) for key in left_out(body, edits))
    return tuple(concept for concept in lost if concept in CONCEPTS)


def _facts(candidate: Candidate) -> ModelFacts:
    known = candidate.channel.facts
    return known.get(candidate.upstream_model, _NO_FACTS) if known else _NO_FACTS


def _left_out(candidate: Candidate, operation: Operation, *, converted: bool) -> tuple[str, ...]:
    """What the upstream has refused, as far as it is ours to leave out."""
    if not candidate.left_out:
        return ()
    own = DIALECT_OF_OPERATION[operation].own_fields(converted=converted)
    return tuple(field for refused, field in candidate.left_out if refused == operation and field in own)


def _edits(candidate: Candidate, operation: Operation, *, converted: bool) -> Edits:
    channel = candidate.channel
    foreign = False
    if (
        operation not in _OF_MESSAGES
        and channel.asks_usage
        and not (channel.drop or channel.rename or channel.facts or candidate.left_out)
    ):
        return _NO_EDITS
    if operation in _OF_MESSAGES:
        foreign = _origin(candidate, operation) != ANTHROPIC
    return Edits(
        channel.asks_usage,
        channel.drop.get(operation, ()) + _left_out(candidate, operation, converted=converted),
        channel.rename.get(operation, {}),
        foreign,
        _facts(candidate),
    )
