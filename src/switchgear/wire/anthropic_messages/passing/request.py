"""The request as one upstream of this dialect gets it: what the client sent, with named edits."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import MESSAGES_OUTPUT_TOKENS_DEFAULT
from switchgear.wire.anthropic_messages.from_client.request import thinking_of
from switchgear.wire.anthropic_messages.passing import edits as messages_edits
from switchgear.wire.anthropic_messages.to_upstream.thinking import switch_thinking
from switchgear.wire.anthropic_messages.values import decoded
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits, Passed
from switchgear.wire.edits import edited, left_out
from switchgear.wire.framing.splice import NULL, write_object
from switchgear.wire.neutral.effort import refused_sampling
from switchgear.wire.neutral.request import Request, Thinking

_NOT_COUNTED = ("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata")
"""An endpoint that counts tokens knows none of these."""
_MAKERS_ONLY = ("context_management", "diagnostics")
"""Fields that go with a beta header which is not sent elsewhere, and change no answer."""

_WITHOUT_ADAPTIVE = frozenset({"manual", "switch", "type"})

_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> Passed:
    """The body for an upstream that knows the model as ``upstream_model``.

    System messages before the first turn stand at the top level, as some models take them only there, and
    reasoning and searches of another maker's upstream are taken out, as none but that one reads them.
    """
    fitted = _fit_thinking(call, edits.facts)
    fields = {key: value for key, value in fitted.fields.items() if value != NULL}
    fields["model"] = Raw(_encode(upstream_model))
    if bytes(fields.get("max_tokens", b"")).startswith(b"-"):
        most = edits.facts.output_tokens_max or MESSAGES_OUTPUT_TOKENS_DEFAULT
        fields["max_tokens"] = Raw(_encode(most))
    if call.operation == "anthropic_count_tokens":
        for key in _NOT_COUNTED:
            fields.pop(key, None)
    messages_edits.lift_system(fields)
    messages_edits.drop_sealed(fields)
    messages_edits.drop_searches(fields)
    dropped: list[str] = []
    if edits.foreign:
        messages_edits.fit_foreign(fields, dropped)
    refused = refused_sampling(fields, edits.facts)
    for key in (*_MAKERS_ONLY, *refused) if edits.foreign else refused:
        if fields.pop(key, None) is not None:
            dropped.append(key)
    if fitted.fields.get("max_tokens") != call.fields.get("max_tokens"):
        dropped.append("max_tokens")
    if "thinking" in call.fields and "thinking" not in fields and call.fields["thinking"] != NULL:
        dropped.append("thinking")
    dropped += left_out(fields, edits)
    if call.operation == "anthropic_count_tokens":
        dropped.clear()  # a count loses nothing by what it does not count
    return Passed(write_object(edited(fields, edits)), tuple(dropped))


def with_thinking(call: Call, thinking: Thinking | None, facts: ModelFacts) -> Call:
    """The call with another wish about reasoning than its body's, and without the sampling that would then be
    refused."""
    fields = dict(call.fields)
    choice = decoded(fields, "tool_choice")
    forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    wanted = Request((), thinking=thinking, output_tokens_max=call.output_tokens_cap or None)
    switched = switch_thinking(wanted, facts, not forced)
    given: Any = decoded(fields, "output_config")
    config: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    config.pop("effort", None)
    if switched.effort:
        config["effort"] = switched.effort
    changes: dict[str, Any] = {"thinking": switched.thinking, "output_config": config or None}
    if call.operation == "anthropic_messages":
        changes["max_tokens"] = switched.max_tokens
    if switched.is_on:
        changes |= dict.fromkeys(("temperature", "top_p", "top_k"))
    for key, value in changes.items():
        if value is None:
            fields.pop(key, None)
        else:
            fields[key] = Raw(_encode(value))
    return msgspec.structs.replace(call, fields=fields)


def with_cap(call: Call, tokens: int) -> Call:
    """The call with at most so many tokens of output, for an upstream of the same dialect."""
    return msgspec.structs.replace(call, fields={**call.fields, "max_tokens": Raw(_encode(tokens))})


def output_ceiling(cap: int, thinking: Thinking | None, facts: ModelFacts) -> int:
    """The ``max_tokens`` of a request with this cap (0 = none): reasoning by a budget may raise it."""
    wanted = Request((), thinking=thinking, output_tokens_max=cap or None)
    return switch_thinking(wanted, facts, may_reason=True).max_tokens


def _fit_thinking(call: Call, facts: ModelFacts) -> Call:
    """The call with reasoning switched the way the model knows. Agents send the newest form to every model
    whose name they do not know, and older clients the old one to the newest."""
    asked = decoded(call.fields, "thinking") if "thinking" in call.fields else None
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "adaptive" and facts.thinking == "none":
        fields = {key: value for key, value in call.fields.items() if key != "thinking"}
        return msgspec.structs.replace(call, fields=fields)
    is_wrong = (kind == "adaptive" and facts.thinking in _WITHOUT_ADAPTIVE) or (
        kind == "enabled" and facts.thinking == "adaptive"
    )
    return with_thinking(call, thinking_of(call.fields), _within_cap(call, facts)) if is_wrong else call


def _within_cap(call: Call, facts: ModelFacts) -> ModelFacts:
    """The same for a model that writes no more than the body's own cap, which reasoning counts against, and
    for which money is held: no budget raises it."""
    cap = decoded(call.fields, "max_tokens") if "max_tokens" in call.fields else None
    if not isinstance(cap, int) or cap <= 0 or 0 < facts.output_tokens_max <= cap:
        return facts
    return msgspec.structs.replace(facts, output_tokens_max=cap)
