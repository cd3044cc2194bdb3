"""The request as one upstream gets it: what the client sent, with named edits at the top level."""

import re

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits, Passed
from switchgear.wire.edits import edited, left_out
from switchgear.wire.ir import Thinking
from switchgear.wire.openai_responses.reasoning_out import write_reasoning
from switchgear.wire.splice import (
    NULL,
    BadJson,
    any_of,
    read_object,
    read_objects,
    write_array,
    write_object,
)
from switchgear.wire.thinking import known_effort, refused_sampling

_SEALED = b'"relay1.'
"""How a sealed token of another maker begins; see ``wire.envelope``."""
_OWN_REASONING = re.compile(rb'"rs_[0-9a-f]{34,36}"')
"""Ids of reasoning that was written here, by ``writer``: those of upstreams are longer or shorter."""
_REASONING = Raw(b'"reasoning"')
_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> Passed:
    """The body for an upstream that knows the model as ``upstream_model``.

    ``edits.drop`` and ``edits.rename`` name top-level keys as clients write them; where a client sent the new
    name too, that one stays. Usage always comes in this dialect, so nothing is asked for. Reasoning that
    another maker's upstream gave is taken out, as none but that one reads it.
    """
    fields = {key: value for key, value in call.fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    if "input" in fields:
        fields["input"] = _without_foreign(fields["input"])
    dropped: list[str] = []
    _fit(fields, edits.facts, dropped)
    return Passed(write_object(edited(fields, edits)), (*dropped, *left_out(fields, edits)))


def _fit(fields: dict[str, Raw], facts: ModelFacts, dropped: list[str]) -> None:
    """Without what the catalogue knows to be fatal to the model."""
    refused = [*refused_sampling(fields, facts)]
    if facts.no_parallel:
        refused.append("parallel_tool_calls")
    if (facts.thinking == "none" or facts.no_effort) and b'"effort"' in bytes(fields.get("reasoning", b"")):
        refused.append("reasoning")
    for key in refused:
        if key in fields:
            del fields[key]
            dropped.append(key)
    if facts.thinking == "effort" and "reasoning" in fields:
        _fit_effort(fields, facts)


def _fit_effort(fields: dict[str, Raw], facts: ModelFacts) -> None:
    try:
        reasoning = read_object(bytes(fields["reasoning"]))
    except BadJson:
        return  # the upstream blames it
    word = any_of(reasoning.get("effort", NULL))
    if isinstance(word, str) and (fit := known_effort(word, facts)) != word:
        reasoning["effort"] = Raw(_encode(fit))
        fields["reasoning"] = Raw(write_object(reasoning))


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


def with_thinking(call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
    """The call with another wish about reasoning than its body's."""
    wanted = write_reasoning(thinking, facts)
    if "effort" not in wanted:
        return call
    found = call.fields.get("reasoning", NULL)
    reasoning = read_object(bytes(found)) if bytes(found).startswith(b"{") else {}
    reasoning["effort"] = Raw(_encode(wanted["effort"]))
    return msgspec.structs.replace(call, fields={**call.fields, "reasoning": Raw(write_object(reasoning))})
