"""Gemini's generateContent, with token counts and embeddings beside it, as a ``Dialect``."""

from collections.abc import Mapping, Sequence

from msgspec import Raw

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.usage import Usage
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialect import Edits, Head, Headers, Passed
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate import account_ids, errors, estimate_input, models, peek
from switchgear.wire.gemini_generate.carries import CARRIES, FIELDS
from switchgear.wire.gemini_generate.from_client import request as request_in
from switchgear.wire.gemini_generate.from_upstream import reader
from switchgear.wire.gemini_generate.hosted_calls import calls_offered
from switchgear.wire.gemini_generate.passing import reply, request
from switchgear.wire.gemini_generate.passing.tap import StreamTap
from switchgear.wire.gemini_generate.to_client import blocked, writer
from switchgear.wire.gemini_generate.to_upstream import parts as media_out
from switchgear.wire.gemini_generate.to_upstream import request as request_out
from switchgear.wire.gemini_generate.usage import usage_beside
from switchgear.wire.neutral.account_ids import AccountId
from switchgear.wire.neutral.caps import capped
from switchgear.wire.neutral.events import Event
from switchgear.wire.neutral.loss import Carriage
from switchgear.wire.neutral.model_card import ModelCard
from switchgear.wire.neutral.request import Request, Seals, Thinking, Upstream, Written


class GeminiGenerate:
    """See ``wire.dialect.Dialect``."""

    name: DialectName = "gemini_generate"
    carries: Mapping[str, Carriage] = CARRIES
    fields: Mapping[str, str] = FIELDS
    cap_field = "generationConfig.maxOutputTokens"
    is_flat = False
    stream_type = "text/event-stream; charset=utf-8"

    def own_fields(self, *, converted: bool) -> tuple[str, ...]:
        return ()

    def read_model(self, fields: dict[str, Raw], in_path: InPath) -> str:
        return peek.read_model(fields, in_path)

    def read_call(self, operation: Operation, fields: dict[str, Raw], model: str, in_path: InPath) -> Call:
        return peek.read_call(operation, fields, model, in_path)

    def pass_request(self, call: Call, upstream_model: str, edits: Edits) -> Passed:
        return request.pass_request(call, upstream_model, edits)

    def with_thinking(self, call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
        return request.with_thinking(call, thinking, facts)

    def with_cap(self, call: Call, tokens: int, facts: ModelFacts) -> Call:
        return request.with_cap(call, tokens)

    def output_ceiling(self, cap: int, thinking: Thinking | None, facts: ModelFacts) -> int:
        return capped(cap, facts)

    def read_request(self, call: Call, seals: Seals) -> Request:
        return request_in.read_request(call, seals)

    def remote_files(self, request: Request, upstream: Upstream) -> tuple[str, ...]:
        return media_out.remote_files(request)

    def write_request(self, request: Request, upstream: Upstream) -> Written:
        return request_out.write_request(request, upstream)

    def hinders(self, request: Request, facts: ModelFacts) -> bool:
        return False

    def calls_offered(self, fields: Mapping[str, Raw], model: str) -> Mapping[str, int]:
        return calls_offered(fields, model)

    def account_ids(self, call: Call) -> tuple[AccountId, ...]:
        return account_ids.account_ids(call)

    def made_ids(self, body: bytes) -> tuple[str, ...]:
        return ()

    def input_text(self, call: Call) -> str:
        return estimate_input.input_text(call)

    def overhead_tokens(self, call: Call) -> int:
        return estimate_input.overhead_tokens(call)

    def read_reply(self, call: Call, body: bytes) -> reply.WholeReply:
        return reply.read_reply(call.operation, body)

    def tap(self, call: Call) -> StreamTap:
        return StreamTap(call.in_path.array)

    def read_events(self, body: bytes) -> list[Event]:
        return reader.read_events(body)

    def reader(self) -> reader.Reader:
        return reader.Reader()

    def write_reply(self, events: list[Event], head: Head) -> bytes:
        return writer.write_reply(events, head)

    def writer(self, head: Head) -> writer.Writer:
        return writer.Writer(head)

    def heartbeat(self, call: Call, id: str, created_s: int) -> bytes:
        """An empty piece of text, as Google itself sends at the end of a stream: comments and events with a
        name are more than clients bear. None in an array, whose elements are counted elsewhere."""
        return b"" if call.in_path.array else writer.empty_chunk(call.shown_model, id)

    def render_models(self, cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
        return models.render_models(cards, query)

    def render_model(self, card: ModelCard) -> bytes:
        return models.render_model(card)

    def render_count(self, tokens: int) -> bytes:
        return models.render_count(tokens)

    def usage_of_error(self, body: bytes) -> Usage | None:
        return usage_beside(any_of(body))

    def render_error(self, err: ApiError, request_id: str) -> tuple[int, Headers, bytes]:
        return errors.render_error(err, request_id)

    def render_blocked(self, err: ApiError, call: Call, request_id: str) -> tuple[str, bytes] | None:
        return blocked.render_blocked(err, call, request_id)

    def render_stream_error(self, err: ApiError, request_id: str) -> bytes:
        return errors.render_stream_error(err, request_id)
