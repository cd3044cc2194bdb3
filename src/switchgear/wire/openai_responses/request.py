"""The request as one upstream gets it: what the client sent, with named edits at the top level."""

import msgspec
from msgspec import Raw

from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits
from switchgear.wire.splice import NULL, write_object

_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> bytes:
    """The body for an upstream that knows the model as ``upstream_model``.

    ``edits.drop`` and ``edits.rename`` name top-level keys as clients write them; where a client sent the new
    name too, that one stays. Usage always comes in this dialect, so nothing is asked for.
    """
    fields = {key: value for key, value in call.fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    for key in edits.drop:
        fields.pop(key, None)
    for key, new in edits.rename.items():
        if key != new and key in fields:
            value = fields.pop(key)
            fields.setdefault(new, value)
    return write_object(fields)
