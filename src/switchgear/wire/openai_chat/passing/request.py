"""The request as one upstream gets it: what the client sent, with named edits at the top level."""

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits, Passed
from switchgear.wire.edits import edited, left_out
from switchgear.wire.framing.splice import NULL, BadJson, read_object, read_objects, write_array, write_object
from switchgear.wire.openai_chat.passing.fit import fitted

_ASSISTANT = Raw(b'"assistant"')
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
_NO_REASONING = (NULL, Raw(b'""'), Raw(b"[]"))
_PLACEHOLDER = Raw(b'" "')
_TRUE = Raw(b"true")
_ABOUT_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_FREE_CHOICES = (Raw(b'"auto"'), Raw(b'"none"'))
CAPS = ("max_completion_tokens", "max_tokens")
_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> Passed:
    """The body for an upstream that knows the model as ``upstream_model``.

    ``edits.drop`` and ``edits.rename`` name top-level keys as clients write them; where a client sent the new
    name too, that one stays.
    """
    fields = call.fields.copy()
    if NULL in fields.values():
        fields = {key: value for key, value in fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    dropped: list[str] = []
    if call.operation == "openai_chat":
        fields = fitted(fields, edits.facts, dropped)
    if call.stream and call.operation != "openai_embeddings":
        _set_include_usage(fields, edits.asks_usage)
    else:
        fields.pop("stream_options", None)
    _drop_empty_tools(fields)
    if edits.facts.needs_reasoning_back and "messages" in fields and _has_tools(fields):
        fields["messages"] = _with_reasoning(fields)
    if edits.drop or edits.rename:
        dropped += left_out(fields, edits)
        fields = edited(fields, edits)
    return Passed(write_object(fields), tuple(dropped))


def with_cap(call: Call, tokens: int, facts: ModelFacts) -> Call:
    """The call with at most so many tokens of output, for an upstream of the same dialect."""
    fields = {key: value for key, value in call.fields.items() if key not in CAPS}
    is_newer = facts.no_max_tokens and call.operation == "openai_chat"
    fields["max_completion_tokens" if is_newer else "max_tokens"] = Raw(_encode(tokens))
    return msgspec.structs.replace(call, fields=fields)


def _with_reasoning(fields: dict[str, Raw]) -> Raw:
    """The messages with something for reasoning in each earlier answer. Some models refuse a call without,
    and most clients do not keep what the dialect itself does not know."""
    if b'"disabled"' in bytes(fields.get("thinking", NULL)):
        return fields["messages"]
    try:
        messages = read_objects(fields["messages"])
    except BadJson:
        return fields["messages"]  # the upstream blames it
    lacking = [
        message
        for message in messages
        if message.get("role") == _ASSISTANT
        and all(message.get(key, NULL) in _NO_REASONING for key in _REASONING)
    ]
    for message in lacking:
        message["reasoning_content"] = _PLACEHOLDER
    return Raw(write_array(messages)) if lacking else fields["messages"]


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


def _drop_empty_tools(fields: dict[str, Raw]) -> None:
    """Many servers refuse an empty list of tools, and a wish about tools where there are none."""
    if _ABOUT_TOOLS.isdisjoint(fields) or _has_tools(fields):
        return
    if bytes(fields.get("tools", b"["))[:1] == b"[":
        fields.pop("tools", None)
    fields.pop("parallel_tool_calls", None)
    if fields.get("tool_choice") in _FREE_CHOICES:
        del fields["tool_choice"]


def _has_tools(fields: dict[str, Raw]) -> bool:
    tools = fields.get("tools")
    return tools is not None and bool(bytes(tools)[1:-1].strip())
