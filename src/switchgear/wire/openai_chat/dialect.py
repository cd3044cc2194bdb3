"""OpenAI Chat Completions, with completions and embeddings beside it, as a ``Dialect``."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from switchgear.kernel.dialects import DialectName
from switchgear.kernel.errors import ApiError
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialect import Edits, Headers
from switchgear.wire.model_card import ModelCard
from switchgear.wire.openai_chat import errors, estimate_input, models, peek, request
from switchgear.wire.openai_chat.response import WholeReply, fit_embeddings, read_reply
from switchgear.wire.openai_chat.stream import StreamTap


class OpenAIChat:
    """See ``wire.dialect.Dialect``."""

    name: DialectName = "openai_chat"
    heartbeat = b": keep-alive\n\n"
    stream_type = "text/event-stream; charset=utf-8"

    def read_model(self, fields: dict[str, Raw], in_path: InPath) -> str:
        return peek.read_model(fields)

    def read_call(self, operation: Operation, fields: dict[str, Raw], model: str, in_path: InPath) -> Call:
        return peek.read_call(operation, fields, model)

    def pass_request(self, call: Call, upstream_model: str, edits: Edits) -> bytes:
        return request.pass_request(call, upstream_model, edits)

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

    def render_models(self, cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
        return models.render_models(cards)

    def render_model(self, card: ModelCard) -> bytes:
        return models.render_model(card)

    def render_error(self, err: ApiError, request_id: str) -> tuple[int, Headers, bytes]:
        return errors.render_error(err, request_id)

    def render_stream_error(self, err: ApiError, request_id: str) -> bytes:
        return errors.render_stream_error(err, request_id)
