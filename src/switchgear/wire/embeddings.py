"""Embeddings between OpenAI's form and Google's: the one kind of call that has no turns and no stream."""

import msgspec

from switchgear.wire.call import Call, Operation
from switchgear.wire.convert.bridge import BridgedReply
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.faults.upstream_error import broken
from switchgear.wire.gemini_generate.embed import (
    embed_reply_to_openai,
    embed_to_openai,
    openai_reply_to_embed,
    openai_to_embed,
)
from switchgear.wire.neutral.request import Written

BYTES_PER_TOKEN = 4
"""Of ordinary text."""


def write_embeddings(call: Call, upstream_model: str) -> Written:
    """The call in the other form. Raises ApiError for what is no text."""
    if call.operation == "gemini_embed":
        return embed_to_openai(call.fields, call.in_path, upstream_model)
    return openai_to_embed(call.fields, upstream_model)


def convert_embeddings(call: Call, operation: Operation, body: bytes) -> BridgedReply:
    """The upstream's reply in the client's form. Never raises."""
    upstream = DIALECT_OF_OPERATION[operation]
    # By its operation the upstream's dialect knows what kind of reply it reads.
    asked = msgspec.structs.replace(call, dialect=upstream.name, operation=operation)
    reply = upstream.read_reply(asked, body)
    if reply.error is not None or reply.empty:
        return BridgedReply(body, reply.usage, reply.error, reply.empty)
    if call.operation == "gemini_embed":
        converted = openai_reply_to_embed(body, call.in_path)
    else:
        # Google counts none here; the client's dialect has to name a number.
        tokens = reply.usage.input_total if reply.usage else -(-call.input_bytes // BYTES_PER_TOKEN)
        converted = embed_reply_to_openai(body, call.model, call.wants_base64, tokens)
    if converted is None:
        return BridgedReply(body, error=broken("the answer holds no embeddings"))
    return BridgedReply(converted, reply.usage)
