"""The request as one upstream of this dialect gets it: what the client sent, with named edits."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.call import Call
from switchgear.wire.dialect import Edits, Passed
from switchgear.wire.edits import edited, left_out
from switchgear.wire.framing.splice import (
    BadJson,
    any_of,
    read_object,
    read_objects,
    write_array,
    write_object,
)
from switchgear.wire.gemini_generate.passing.fit import fitted
from switchgear.wire.gemini_generate.passing.signed import signed
from switchgear.wire.gemini_generate.signatures import SEALED, SKIP
from switchgear.wire.gemini_generate.to_upstream.config import write_thinking
from switchgear.wire.gemini_generate.values import Json, flag_in, object_of, pick
from switchgear.wire.neutral.request import Thinking

_SEALED = b'"' + SEALED.encode()
_encode = msgspec.json.Encoder().encode


def pass_request(call: Call, upstream_model: str, edits: Edits) -> Passed:
    """The body for an upstream that knows the model as ``upstream_model``; it stands in the path, and where
    the body repeats it, it is changed there, too."""
    name = upstream_model if "/" in upstream_model else f"models/{upstream_model}"
    model = Raw(_encode(name))
    dropped: list[str] = []
    fields = fitted(call.fields, edits.facts, dropped)
    if "model" in fields:
        fields["model"] = model
    for key in ("generateContentRequest", "generate_content_request"):
        if key in fields:
            fields[key] = _with_model(fields[key], model)
    if "requests" in fields:
        fields["requests"] = _with_models(fields["requests"], model)
    if "contents" in fields and _SEALED in bytes(fields["contents"]):
        fields["contents"] = _without_sealed(fields["contents"])
    if "contents" in fields and edits.facts.thinking == "level":
        fields["contents"] = signed(fields["contents"])
    return Passed(write_object(edited(fields, edits)), (*dropped, *left_out(fields, edits)))


def with_thinking(call: Call, thinking: Thinking, facts: ModelFacts) -> Call:
    """The call with another wish about reasoning than its body's; whether thoughts are shown stays as the
    client has it, if it says so."""
    config = object_of(call.fields, "generationConfig")
    before = pick(config, "thinkingConfig")
    kept = {key: value for key, value in config.items() if key not in ("thinkingConfig", "thinking_config")}
    written = write_thinking(thinking, facts)
    shows = flag_in(before, "includeThoughts") if isinstance(before, dict) else None
    if shows is not None and "includeThoughts" in written:
        written["includeThoughts"] = shows
    if written:
        kept["thinkingConfig"] = written
    fields = {key: raw for key, raw in call.fields.items() if key != "generation_config"}
    fields["generationConfig"] = Raw(_encode(kept))
    return msgspec.structs.replace(call, fields=fields)


def with_cap(call: Call, tokens: int) -> Call:
    """The call with at most so many tokens of output, for an upstream of the same dialect."""
    config = object_of(call.fields, "generationConfig")
    config = {key: value for key, value in config.items() if key != "max_output_tokens"}
    config["maxOutputTokens"] = tokens
    fields = {key: raw for key, raw in call.fields.items() if key != "generation_config"}
    fields["generationConfig"] = Raw(_encode(config))
    return msgspec.structs.replace(call, fields=fields)


def _with_model(raw: Raw, model: Raw) -> Raw:
    try:
        inner = read_object(bytes(raw))
    except BadJson:
        return raw
    inner["model"] = model
    return Raw(write_object(inner))


def _with_models(raw: Raw, model: Raw) -> Raw:
    try:
        requests = read_objects(raw)
    except BadJson:
        return raw  # the upstream blames it
    for request in requests:
        request["model"] = model
    return Raw(write_array(requests))


def _without_sealed(raw: Raw) -> Raw:
    """Tokens of other makers, sealed for their way through the client, mean nothing to Google. A call that
    had one gets the word that stands for a call of foreign history."""
    contents = any_of(raw)
    kept: list[Any] = []
    for content in contents if isinstance(contents, list) else [contents]:
        parts = content.get("parts") if isinstance(content, dict) else None
        if isinstance(parts, list):
            content["parts"] = [left for part in parts if (left := _unsealed(part)) is not None]
        if not isinstance(parts, list) or content["parts"]:
            kept.append(content)
    return Raw(_encode(kept))


def _unsealed(part: Any) -> Json | None:
    """The part without a sealed token; None when it held nothing else."""
    if not isinstance(part, dict):
        return part  # type: ignore[no-any-return]
    signature = pick(part, "thoughtSignature")
    if not isinstance(signature, str) or not signature.startswith(SEALED):
        return part
    kept = {key: value for key, value in part.items() if key not in ("thoughtSignature", "thought_signature")}
    if pick(kept, "functionCall") is not None:
        kept["thoughtSignature"] = SKIP
    elif flag_in(kept, "thought") or kept.get("text") == "":
        return None
    return kept
