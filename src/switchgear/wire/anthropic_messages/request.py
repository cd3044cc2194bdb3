"""The request as one upstream of this dialect gets it: what the client sent, with named edits."""

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.anthropic_messages import edits as messages_edits
from switchgear.wire.anthropic_messages.thinking_out import switch_thinking
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits
from switchgear.wire.ir import Request, Thinking
from switchgear.wire.splice import NULL, read_object, write_object

_NOT_COUNTED = ("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata")
"""An endpoint that counts tokens knows none of these."""
_MAKERS_ONLY = ("context_management", "diagnostics")
"""Fields that go with a beta header which is not sent elsewhere, and change no answer."""

_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> bytes:
    """The body for an upstream that knows the model as ``upstream_model``.

    System messages before the first turn stand at the top level, as some models take them only there, and
    reasoning that another maker's upstream gave is taken out, as none but that one reads it.
    """
    fields = {key: value for key, value in call.fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    if call.operation == "anthropic_count_tokens":
        for key in _NOT_COUNTED:
            fields.pop(key, None)
    messages_edits.lift_system(fields)
    messages_edits.drop_sealed(fields)
    if edits.foreign:
        messages_edits.fit_foreign(fields)
        for key in _MAKERS_ONLY:
            fields.pop(key, None)
    for key in edits.drop:
        fields.pop(key, None)
    for key, new in edits.rename.items():
        if key in fields:
            value = fields.pop(key)
            fields.setdefault(new, value)
    return write_object(fields)


def with_thinking(call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
    """The call with another wish about reasoning than its body's."""
    cap = call.output_tokens_cap or None
    switched = switch_thinking(Request((), thinking=thinking, output_tokens_max=cap), facts, may_reason=True)
    fields = {key: value for key, value in call.fields.items() if key != "thinking"}
    fields["max_tokens"] = Raw(_encode(switched.max_tokens))
    if switched.thinking is not None:
        fields["thinking"] = Raw(_encode(switched.thinking))
    if switched.effort:
        found = fields.get("output_config", NULL)
        output = read_object(bytes(found)) if bytes(found).startswith(b"{") else {}
        output["effort"] = Raw(_encode(switched.effort))
        fields["output_config"] = Raw(write_object(output))
    return msgspec.structs.replace(call, fields=fields)
