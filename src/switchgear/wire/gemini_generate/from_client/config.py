"""``generationConfig`` as the knobs of the neutral form."""

from typing import Any, get_args

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.kernel.limits import STOPS_MAX
from switchgear.wire.gemini_generate.from_client.schema import json_schema_of
from switchgear.wire.gemini_generate.values import (
    Json,
    check_count,
    flag_in,
    integer_in,
    number_in,
    pick,
    snake,
    text,
    text_in,
    texts_in,
    wrong_type,
    wrong_value,
)
from switchgear.wire.neutral.request import Effort, Format, Thinking

PLACE = "generationConfig"
_KNOWN = (
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "speechConfig",
    "thinkingConfig",
)
_KNOWN_NAMES = frozenset((*_KNOWN, *map(snake, _KNOWN)))
_EFFORTS: tuple[str, ...] = get_args(Effort)
_encode = msgspec.json.Encoder().encode


def read_knobs(config: Json) -> dict[str, Any]:
    """Fields of ``ir.Request``. Raises ApiError."""
    logprobs = integer_in(config, "logprobs", PLACE)
    top_k = number_in(config, "topK", PLACE)
    most = integer_in(config, "maxOutputTokens", PLACE)
    return {
        "temperature": number_in(config, "temperature", PLACE),
        "top_p": number_in(config, "topP", PLACE),
        "top_k": None if top_k is None or top_k < 1 else int(top_k),
        "n": integer_in(config, "candidateCount", PLACE) or 1,
        "output_tokens_max": None if most is None or most < 1 else most,
        "stop": _stops(config),
        "presence_penalty": number_in(config, "presencePenalty", PLACE),
        "frequency_penalty": number_in(config, "frequencyPenalty", PLACE),
        "seed": integer_in(config, "seed", PLACE),
        "logprobs": flag_in(config, "responseLogprobs") is True,
        "top_logprobs": logprobs,
        "format": _format(config),
        "modalities": _modalities(config),
        "audio": _audio(config),
        "thinking": read_thinking(config),
    }


def _stops(config: Json) -> tuple[str, ...]:
    stops = texts_in(config, "stopSequences", PLACE)
    check_count(len(stops), STOPS_MAX, "sequences", f"{PLACE}.stopSequences")
    return tuple(stop for stop in stops if stop)


def unknown_knobs(config: Json) -> dict[str, Raw]:
    """What has no place in the neutral form, by its full name."""
    return {
        f"{PLACE}.{key}": Raw(_encode(value))
        for key, value in config.items()
        if key not in _KNOWN_NAMES and value is not None and not _is_text_form(key, value)
    }


def _is_text_form(key: str, value: Any) -> bool:
    """``responseFormat`` that speaks of text alone, which is read by ``_format``."""
    if key not in ("responseFormat", "response_format"):
        return False
    return all(isinstance(item, dict) and item.keys() <= {"text"} for item in _listed(value))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text_form(config: Json) -> Json:
    """What ``responseFormat`` says of texts."""
    found = (item.get("text") for item in _listed(pick(config, "responseFormat")) if isinstance(item, dict))
    return next((form for form in found if isinstance(form, dict)), {})


def _format(config: Json) -> Format | None:
    form = _text_form(config)
    kind = text_in(config, "responseMimeType", PLACE) or text(pick(form, "mimeType")).lower()
    schema = pick(config, "responseJsonSchema") or pick(form, "jsonSchema")
    if schema is None:
        schema = json_schema_of(pick(config, "responseSchema"))
    if kind == "text/plain" or (not kind and schema is None):
        return None
    if kind in ("", "application/json"):
        if schema is None:
            return Format("json_object")
        if not isinstance(schema, dict):
            raise wrong_type(f"{PLACE}.responseSchema", "an object")
        return Format("json_schema", Raw(_encode(schema)), name="answer")
    param = f"{PLACE}.responseMimeType"
    raise ApiError(
        UNSUPPORTED_PARAMETER, f"'{param}' {kind[:64]!r} can't be carried to this model.", param=param
    )


def _modalities(config: Json) -> tuple[str, ...]:
    names = tuple(name.lower() for name in texts_in(config, "responseModalities", PLACE))
    return () if names == ("text",) else tuple(name for name in names if name != "modality_unspecified")


def _audio(config: Json) -> Raw | None:
    """A single prebuilt voice, as chat spells it."""
    speech = pick(config, "speechConfig")
    if speech is None:
        return None
    voice = pick(speech, "voiceConfig") if isinstance(speech, dict) else None
    prebuilt = pick(voice, "prebuiltVoiceConfig") if isinstance(voice, dict) else None
    name = pick(prebuilt, "voiceName") if isinstance(prebuilt, dict) else None
    if not isinstance(name, str):
        param = f"{PLACE}.speechConfig"
        raise ApiError(
            UNSUPPORTED_PARAMETER, f"'{param}' can be carried to this model as one voice only.", param=param
        )
    return Raw(_encode({"voice": name, "format": "pcm16"}))


def read_thinking(config: Json) -> Thinking | None:
    """What ``thinkingConfig`` says; None when there is none. Raises ApiError."""
    thinking = pick(config, "thinkingConfig")
    if thinking is None:
        return None
    place = f"{PLACE}.thinkingConfig"
    if not isinstance(thinking, dict):
        raise wrong_type(place, "an object")
    show = flag_in(thinking, "includeThoughts") is True
    budget = integer_in(thinking, "thinkingBudget", place)
    level = text(pick(thinking, "thinkingLevel")).lower()
    if budget is not None:
        if budget < -1:
            raise wrong_value(f"{place}.thinkingBudget", "at least -1")
        return Thinking(budget_tokens=budget, show=show)
    if level in ("", "thinking_level_unspecified"):
        return Thinking(show=show)
    if level not in _EFFORTS:
        raise wrong_value(f"{place}.thinkingLevel", f"expected one of {', '.join(_EFFORTS)}")
    return Thinking(effort=level, show=show)  # type: ignore[arg-type]
