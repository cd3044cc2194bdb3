"""A request of this dialect in the neutral form."""

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.wire.call import Call
from switchgear.wire.ir import Request, Seals, Text, Turn
from switchgear.wire.openai_chat.messages_in import read_turns
from switchgear.wire.openai_chat.switches import SWITCHES, google_of, read_thinking
from switchgear.wire.openai_chat.tools_in import read_choice, read_format, read_tools
from switchgear.wire.openai_chat.values import (
    flag_of,
    integer_of,
    number_of,
    raw_of,
    text_of,
    value_of,
    wrong_type,
)
from switchgear.wire.splice import NULL

_KNOWN = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "n",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "seed",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "verbosity",
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
        "metadata",
        "store",
        "service_tier",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "safety_settings",
        *SWITCHES,
    }
)
_GOOGLE = frozenset({"thinking_config", "thinkingConfig", "safety_settings", "safetySettings"})
_ONLY_COMPLETIONS = ("suffix", "echo", "best_of")
STOPS_MAX = 16

_encode = msgspec.json.Encoder().encode


def read_request(call: Call, seals: Seals) -> Request:
    """Raises ApiError."""
    fields = call.fields
    if call.operation == "openai_completions":
        turns = _prompt(fields)
    else:
        turns = read_turns(value_of(fields, "messages"), seals)
    top = integer_of(fields, "top_logprobs") if call.operation != "openai_completions" else None
    return Request(
        turns=turns,
        tools=read_tools(fields),
        tool_choice=read_choice(fields),
        parallel=flag_of(fields, "parallel_tool_calls"),
        thinking=read_thinking(fields),
        output_tokens_max=_most(fields),
        temperature=number_of(fields, "temperature"),
        top_p=number_of(fields, "top_p"),
        top_k=integer_of(fields, "top_k"),
        stop=_stop(fields),
        n=integer_of(fields, "n") or 1,
        seed=integer_of(fields, "seed"),
        presence_penalty=number_of(fields, "presence_penalty"),
        frequency_penalty=number_of(fields, "frequency_penalty"),
        logit_bias=_said(fields, "logit_bias"),
        logprobs=value_of(fields, "logprobs") not in (None, False),
        top_logprobs=top,
        format=read_format(fields),
        verbosity=text_of(fields, "verbosity"),
        user=text_of(fields, "safety_identifier") or text_of(fields, "user"),
        prompt_cache_key=text_of(fields, "prompt_cache_key"),
        service_tier=text_of(fields, "service_tier"),
        store=flag_of(fields, "store"),
        metadata=_said(fields, "metadata"),
        modalities=_modalities(fields),
        audio=raw_of(fields, "audio"),
        prediction=raw_of(fields, "prediction"),
        safety=_safety(fields),
        stream=call.stream,
        extras=_extras(fields),
    )


def _extras(fields: dict[str, Raw]) -> dict[str, Raw]:
    """What has no place in the neutral form, by its full name."""
    extras = {key: value for key, value in fields.items() if key not in _KNOWN and value != NULL}
    for key, value in google_of(fields).items() if "extra_body" in fields or "google" in fields else ():
        if key not in _GOOGLE and value is not None:
            extras[f"google.{key}"] = Raw(_encode(value))
    return extras


def _prompt(fields: dict[str, Raw]) -> tuple[Turn, ...]:
    """One text as the user's turn; what completes texts in other ways has no equal in a conversation."""
    for key in _ONLY_COMPLETIONS:
        if value_of(fields, key):
            raise ApiError(
                INVALID_VALUE, f"'{key}' is not supported for this model: it only chats.", param=key
            )
    prompt = value_of(fields, "prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise ApiError(
            INVALID_VALUE, "This model takes one prompt, as text, and no token numbers.", param="prompt"
        )
    return (Turn("user", (Text(prompt),)),)


def _most(fields: dict[str, Raw]) -> int | None:
    """Tokens of the answer. Raises ApiError for none, which no upstream can be asked for."""
    for key in ("max_completion_tokens", "max_tokens"):
        found = integer_of(fields, key)
        if found is not None and found < 1:
            raise ApiError(INVALID_VALUE, f"Invalid value for '{key}': at least 1.", param=key)
        if found is not None:
            return found
    return None


def _said(fields: dict[str, Raw], key: str) -> Raw | None:
    """An object as it was spelt; an empty one says nothing."""
    found = raw_of(fields, key)
    return None if found is None or not bytes(found)[1:-1].strip() else found


def _stop(fields: dict[str, Raw]) -> tuple[str, ...]:
    stop = value_of(fields, "stop")
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise wrong_type("stop", "a string or an array of strings")
    if len(stops) > STOPS_MAX:
        raise ApiError(INVALID_VALUE, f"Invalid value for 'stop': at most {STOPS_MAX}.", param="stop")
    return tuple(item for item in stops if item)


def _modalities(fields: dict[str, Raw]) -> tuple[str, ...]:
    found = value_of(fields, "modalities")
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise wrong_type("modalities", "an array of strings")
    return tuple(found)


def _safety(fields: dict[str, Raw]) -> Raw | None:
    if (own := raw_of(fields, "safety_settings")) is not None:
        return own
    google = google_of(fields)
    settings = google.get("safety_settings", google.get("safetySettings"))
    return None if settings is None else Raw(_encode(settings))
