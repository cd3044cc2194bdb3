"""The request as one upstream gets it: what the client sent, with named edits at the top level."""

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits
from switchgear.wire.edits import edited
from switchgear.wire.ir import Thinking
from switchgear.wire.openai_responses.reasoning_out import write_reasoning
from switchgear.wire.splice import NULL, read_object, write_object

_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> bytes:
    """The body for an upstream that knows the model as ``upstream_model``.

    ``edits.drop`` and ``edits.rename`` name top-level keys as clients write them; where a client sent the new
    name too, that one stays. Usage always comes in this dialect, so nothing is asked for.
    """
    fields = {key: value for key, value in call.fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    return write_object(edited(fields, edits))


def with_thinking(call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
    """The call with another wish about reasoning than its body's."""
    wanted = write_reasoning(thinking, facts)
    if "effort" not in wanted:
        return call
    found = call.fields.get("reasoning", NULL)
    reasoning = read_object(bytes(found)) if bytes(found).startswith(b"{") else {}
    reasoning["effort"] = Raw(_encode(wanted["effort"]))
    return msgspec.structs.replace(call, fields={**call.fields, "reasoning": Raw(write_object(reasoning))})
