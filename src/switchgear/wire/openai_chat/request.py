"""The request as one upstream gets it: what the client sent, with named edits at the top level."""

import msgspec
from msgspec import Raw

from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits
from switchgear.wire.edits import edited
from switchgear.wire.splice import NULL, BadJson, read_object, write_object

_TRUE = Raw(b"true")
_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> bytes:
    """The body for an upstream that knows the model as ``upstream_model``.

    ``edits.drop`` and ``edits.rename`` name top-level keys as clients write them; where a client sent the new
    name too, that one stays.
    """
    fields = call.fields.copy()
    if NULL in fields.values():
        fields = {key: value for key, value in fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    if call.stream and call.operation != "openai_embeddings":
        _set_include_usage(fields, edits.asks_usage)
    else:
        fields.pop("stream_options", None)
    if "parallel_tool_calls" in fields and not _has_tools(fields):
        del fields["parallel_tool_calls"]
    if edits.drop or edits.rename:
        fields = edited(fields, edits)
    return write_object(fields)


def _set_include_usage(fields: dict[str, Raw], asks_usage: bool) -> None:
    options: dict[str, Raw] = {}
    if "stream_options" in fields:
        try:
            options = read_object(bytes(fields["stream_options"]))
        except BadJson:  # The peek took it for an object; never send what it did not read.
            options = {}
    if asks_usage:
        options["include_usage"] = _TRUE
    else:
        options.pop("include_usage", None)
    if options:
        fields["stream_options"] = Raw(write_object(options))
    else:
        fields.pop("stream_options", None)


def _has_tools(fields: dict[str, Raw]) -> bool:
    tools = fields.get("tools")
    return tools is not None and bool(bytes(tools)[1:-1].strip())
