"""OpenAI Chat Completions, with completions and embeddings beside it, as a ``Dialect``."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.usage import Usage
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialect import Edits, Head, Headers, Passed, Reader, Writer
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.account_ids import AccountId
from switchgear.wire.neutral.caps import capped
from switchgear.wire.neutral.events import Event
from switchgear.wire.neutral.model_card import ModelCard
from switchgear.wire.neutral.request import Request, Seals, Thinking, Upstream, Written
from switchgear.wire.openai_chat import account_ids, errors, estimate_input, peek
from switchgear.wire.openai_chat.carries import CARRIES, FIELDS
from switchgear.wire.openai_chat.from_client import request as request_in
from switchgear.wire.openai_chat.from_upstream.reader import ChatReader, read_events
from switchgear.wire.openai_chat.hosted_calls import calls_offered
from switchgear.wire.openai_chat.passing import request
from switchgear.wire.openai_chat.passing.reply import WholeReply, fit_embeddings, read_reply
from switchgear.wire.openai_chat.passing.tap import StreamTap
from switchgear.wire.openai_chat.switches import without_thinking, write_thinking
from switchgear.wire.openai_chat.to_client.completion import CompletionWriter, write_completion
from switchgear.wire.openai_chat.to_client.heartbeat import heartbeat
from switchgear.wire.openai_chat.to_client.whole import write_reply
from switchgear.wire.openai_chat.to_client.writer import ChatWriter
from switchgear.wire.openai_chat.to_upstream.request import hinders, write_request
from switchgear.wire.openai_chat.usage import usage_beside
from switchgear.wire.openai_shared import models as openai_models


class OpenAIChat:
    """See ``wire.dialect.Dialect``."""

    name: DialectName = "openai_chat"
    carries = CARRIES
    fields = FIELDS
    cap_field = "max_tokens"
    is_flat = True
    stream_type = "text/event-stream; charset=utf-8"

    def own_fields(self, *, converted: bool) -> tuple[str, ...]:
        return ("stream_options",)

    def read_model(self, fields: dict[str, Raw], in_path: InPath) -> str:
        return in_path.model or peek.read_model(fields)

    def read_call(self, operation: Operation, fields: dict[str, Raw], model: str, in_path: InPath) -> Call:
        return peek.read_call(operation, fields, model)

    def pass_request(self, call: Call, upstream_model: str, edits: Edits) -> Passed:
        return request.pass_request(call, upstream_model, edits)

    def with_thinking(self, call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
        kept = without_thinking(call.fields)
        return msgspec.structs.replace(call, fields=kept | write_thinking(thinking, facts))

    def with_cap(self, call: Call, tokens: int, facts: ModelFacts) -> Call:
        return request.with_cap(call, tokens, facts)

    def output_ceiling(self, cap: int, thinking: Thinking | None, facts: ModelFacts) -> int:
        return capped(cap, facts)

    def read_request(self, call: Call, seals: Seals) -> Request:
        return request_in.read_request(call, seals)

    def remote_files(self, request: Request, upstream: Upstream) -> tuple[str, ...]:
        return ()

    def write_request(self, request: Request, upstream: Upstream) -> Written:
        return write_request(request, upstream)

    def hinders(self, request: Request, facts: ModelFacts) -> bool:
        return hinders(request, facts)

    def calls_offered(self, fields: Mapping[str, Raw], model: str) -> Mapping[str, int]:
        return calls_offered(fields, model)

    def account_ids(self, call: Call) -> tuple[AccountId, ...]:
        return account_ids.account_ids(call)

    def made_ids(self, body: bytes) -> tuple[str, ...]:
        return account_ids.made_ids(body)

    def input_text(self, call: Call) -> str:
        return estimate_input.input_text(call)

    def overhead_tokens(self, call: Call) -> int:
        return estimate_input.overhead_tokens(call)

    def read_reply(self, call: Call, body: bytes) -> WholeReply:
        reply = read_reply(call.operation, body)
        if call.operation != "openai_embeddings" or reply.error is not None:
            return reply
        return msgspec.structs.replace(reply, body=fit_embeddings(body, call.wants_base64))

    def tap(self, call: Call) -> StreamTap:
        return StreamTap(call.operation, call.include_usage)

    def read_events(self, body: bytes) -> list[Event]:
        return read_events(body)

    def reader(self) -> Reader:
        return ChatReader()

    def write_reply(self, events: list[Event], head: Head) -> bytes:
        return write_completion(events, head) if head.completion else write_reply(events, head)

    def writer(self, head: Head) -> Writer:
        return CompletionWriter(head) if head.completion else ChatWriter(head)

    def heartbeat(self, call: Call, id: str, created_s: int) -> bytes:
        return heartbeat(call, id, created_s)

    def render_models(self, cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
        return openai_models.render_models(cards)

    def render_model(self, card: ModelCard) -> bytes:
        return openai_models.render_model(card)

    def render_count(self, tokens: int) -> bytes:
        return openai_models.render_count(tokens)

    def usage_of_error(self, body: bytes) -> Usage | None:
        return usage_beside(any_of(body))

    def render_error(self, err: ApiError, request_id: str) -> tuple[int, Headers, bytes]:
        return errors.render_error(err, request_id)

    def render_blocked(self, err: ApiError, call: Call, request_id: str) -> None:
        return None

    def render_stream_error(self, err: ApiError, request_id: str) -> bytes:
        return errors.render_stream_error(err, request_id)
