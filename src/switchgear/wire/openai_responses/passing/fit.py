"""What the catalogue knows to be fatal in a request that passes through, mended."""

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.framing.splice import NULL, BadJson, any_of, read_object, write_object
from switchgear.wire.neutral.effort import known_effort, refused_sampling

_encode = msgspec.json.Encoder().encode


def fit_known(fields: dict[str, Raw], facts: ModelFacts, dropped: list[str]) -> None:
    """Takes out what the model refuses, and adds its names to ``dropped``."""
    refused = [*refused_sampling(fields, facts)]
    if facts.no_parallel:
        refused.append("parallel_tool_calls")
    if (facts.thinking == "none" or facts.no_effort) and b'"effort"' in bytes(fields.get("reasoning", NULL)):
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
