"""The request as one upstream gets it: what the client sent, with named edits at the top level."""

import re

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits, Passed
from switchgear.wire.edits import edited, left_out
from switchgear.wire.framing.splice import NULL, BadJson, read_object, read_objects, write_array, write_object
from switchgear.wire.neutral.request import Thinking
from switchgear.wire.openai_responses.passing.fit import fit_known
from switchgear.wire.openai_responses.to_upstream.reasoning import write_reasoning

_SEALED = b'"relay1.'
"""How a sealed token of another maker begins; see ``wire.neutral.envelope``."""
_OWN_REASONING = re.compile(rb'"rs_[0-9a-f]{34,36}"')
"""Ids of reasoning that was written here, by ``writer``: those of upstreams are longer or shorter."""
_REASONING = Raw(b'"reasoning"')
_RESULT = b'_call_output"'
_RESULTS = frozenset({b'"function_call_output"', b'"custom_tool_call_output"'})
_NOTHING = (NULL, Raw(b'""'))
_USER = Raw(b'"user"')
_EMPTY = Raw(b'""')
_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct, gc=False):
    """What tells a result that names no call; the rest is not decoded."""

    type: Raw = NULL
    call_id: Raw = NULL
    name: Raw = NULL


_decode_items = msgspec.json.Decoder(list[_Item]).decode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> Passed:
    """The body for an upstream that knows the model as ``upstream_model``.

    ``edits.drop`` and ``edits.rename`` name top-level keys as clients write them; where a client sent the new
    name too, that one stays. Usage always comes in this dialect, so nothing is asked for. Reasoning that
    another maker's upstream gave is taken out, as none but that one reads it, and a result that names no call
    is what the user says.
    """
    fields = {key: value for key, value in call.fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    if "input" in fields:
        fields["input"] = _said_by_user(_without_foreign(fields["input"]))
    dropped: list[str] = []
    fit_known(fields, edits.facts, dropped)
    return Passed(write_object(edited(fields, edits)), (*dropped, *left_out(fields, edits)))


def with_cap(call: Call, tokens: int) -> Call:
    """The call with at most so many tokens of output, for an upstream of the same dialect."""
    fields = {**call.fields, "max_output_tokens": Raw(_encode(tokens))}
    return msgspec.structs.replace(call, fields=fields)


def _without_foreign(raw: Raw) -> Raw:
    """The input without reasoning items that were written here for upstreams of other dialects: a later turn
    may well go to another one, which refuses what it can't read or doesn't know."""
    data = bytes(raw)
    if _SEALED not in data and (b'"rs_' not in data or not _OWN_REASONING.search(data)):
        return raw
    try:
        items = read_objects(raw)
    except BadJson:
        return raw  # the upstream blames it
    kept = [item for item in items if not _is_foreign(item)]
    return raw if len(kept) == len(items) else Raw(write_array(kept))


def _is_foreign(item: dict[str, Raw]) -> bool:
    if item.get("type") != _REASONING:
        return False
    token = item.get("encrypted_content", NULL)
    if token != NULL:
        return bytes(token).startswith(_SEALED)
    return _OWN_REASONING.fullmatch(bytes(item.get("id", NULL))) is not None


def _said_by_user(raw: Raw) -> Raw:
    """The input with results that name no call as messages of the user. Codex has its own application speak
    by them, and nearly all servers refuse the whole request for one."""
    if _RESULT not in bytes(raw):
        return raw
    try:
        lone = [at for at, item in enumerate(_decode_items(raw)) if _is_lone(item)]
        items = read_objects(raw) if lone else []
    except (ValueError, RecursionError, BadJson):
        return raw  # the upstream blames it
    if not lone:
        return raw
    for at in lone:
        items[at] = {"role": _USER, "content": _content_of(items[at].get("output", NULL))}
    return Raw(write_array(items))


def _content_of(output: Raw) -> Raw:
    """A string or parts as they are, anything else as its JSON text."""
    data = bytes(output)
    if output == NULL:
        return _EMPTY
    return output if data[:1] in (b'"', b"[") else Raw(_encode(data.decode("utf-8", "replace")))


def _is_lone(item: _Item) -> bool:
    return item.call_id in _NOTHING and item.name not in _NOTHING and bytes(item.type) in _RESULTS


def with_thinking(call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
    """The call with another wish about reasoning than its body's."""
    wanted = write_reasoning(thinking, facts)
    if "effort" not in wanted:
        return call
    found = call.fields.get("reasoning", NULL)
    reasoning = read_object(bytes(found)) if bytes(found).startswith(b"{") else {}
    reasoning["effort"] = Raw(_encode(wanted["effort"]))
    return msgspec.structs.replace(call, fields={**call.fields, "reasoning": Raw(write_object(reasoning))})
