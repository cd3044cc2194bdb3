"""A request of this dialect in the neutral form."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.request import Request, Seals, Text, Turn
from switchgear.wire.openai_chat.from_client.tools import read_choice, read_format, read_tools
from switchgear.wire.openai_chat.from_client.turns import read_turns
from switchgear.wire.openai_chat.switches import SWITCHES, google_of, read_thinking
from switchgear.wire.openai_chat.values import (
    flag_of,
    integer_of,
    number_of,
    raw_of,
    text_of,
    value_of,
    wrong_type,
)

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
_KNOWN_PLAIN = _KNOWN - {"extra_body", "google"}
"""Nothing inside them is looked at by its name."""
_GOOGLE = frozenset({"thinking_config", "thinkingConfig", "safety_settings", "safetySettings"})
_ONLY_COMPLETIONS = ("suffix", "echo", "best_of")
STOPS_MAX = 16

_NOTHING = (NULL, Raw(b'""'))
_encode = msgspec.json.Encoder().encode


def read_request(call: Call, seals: Seals) -> Request:
    """Raises ApiError."""
    fields = call.fields
    if call.operation == "openai_completions":
        turns = _prompt(fields)
    else:
        turns = read_turns(value_of(fields, "messages"), seals)
    values = {_VALUES[key][0]: _VALUES[key][1](fields, key) for key in fields if key in _VALUES}
    if call.operation == "openai_completions":
        values.pop("top_logprobs", None)
    return Request(
        turns=turns,
        tools=read_tools(fields),
        tool_choice=read_choice(fields),
        thinking=read_thinking(fields),
        output_tokens_max=_most(fields),
        format=read_format(fields),
        user=text_of(fields, "safety_identifier") or text_of(fields, "user"),
        safety=_safety(fields),
        stream=call.stream,
        extras=_extras(fields),
        **values,
    )


def _extras(fields: dict[str, Raw]) -> dict[str, Raw]:
    """What has no place in the neutral form, by its full name."""
    if fields.keys() <= _KNOWN_PLAIN:
        return {}
    extras = {key: value for key, value in fields.items() if key not in _KNOWN and value not in _NOTHING}
    for key, value in google_of(fields).items():
        if key not in _GOOGLE and value is not None:
            extras[f"google.{key}"] = Raw(_encode(value))
    return extras


def _prompt(fields: dict[str, Raw]) -> tuple[Turn, ...]:
    """One text as the user's turn; what completes texts in other ways has no equal in a conversation."""
    for key in _ONLY_COMPLETIONS:
        if value_of(fields, key) and not (key == "best_of" and _is_no_choice(fields)):
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
    """Tokens of the answer; None = as many as the model gives. Raises ApiError for zero, which no upstream
    can be asked for."""
    for key in ("max_completion_tokens", "max_tokens"):
        found = integer_of(fields, key)
        if found is not None and found < 1:
            raise ApiError(INVALID_VALUE, f"Invalid value for '{key}': at least 1.", param=key)
        if found is not None:
            return found
    return None


def _is_no_choice(fields: dict[str, Raw]) -> bool:
    """As many texts are written as are given back."""
    return (integer_of(fields, "best_of") or 1) <= (integer_of(fields, "n") or 1)


def _top_k(fields: dict[str, Raw], key: str) -> int | None:
    """Less than one switches it off."""
    found = integer_of(fields, key)
    return None if found is None or found < 1 else found


def _said(fields: dict[str, Raw], key: str) -> Raw | None:
    """An object as it was spelt; an empty one says nothing."""
    found = raw_of(fields, key)
    return None if found is None or not bytes(found)[1:-1].strip() else found


def _copies(fields: dict[str, Raw], key: str) -> int:
    return integer_of(fields, key) or 1


def _wanted(fields: dict[str, Raw], key: str) -> bool:
    """A flag, or a number as plain completions have it."""
    return value_of(fields, key) not in (None, False)


def _stop(fields: dict[str, Raw], key: str) -> tuple[str, ...]:
    stop = value_of(fields, key)
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise wrong_type(key, "a string or an array of strings")
    if len(stops) > STOPS_MAX:
        raise ApiError(INVALID_VALUE, f"Invalid value for '{key}': at most {STOPS_MAX}.", param=key)
    return tuple(item for item in stops if item)


def _modalities(fields: dict[str, Raw], key: str) -> tuple[str, ...]:
    found = value_of(fields, key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise wrong_type(key, "an array of strings")
    return tuple(found)


def _safety(fields: dict[str, Raw]) -> Raw | None:
    if (own := raw_of(fields, "safety_settings")) is not None:
        return own
    google = google_of(fields)
    settings = google.get("safety_settings", google.get("safetySettings"))
    return None if settings is None else Raw(_encode(settings))


_VALUES: Mapping[str, tuple[str, Callable[[dict[str, Raw], str], Any]]] = {
    "parallel_tool_calls": ("parallel", flag_of),
    "temperature": ("temperature", number_of),
    "top_p": ("top_p", number_of),
    "top_k": ("top_k", _top_k),
    "stop": ("stop", _stop),
    "n": ("n", _copies),
    "seed": ("seed", integer_of),
    "presence_penalty": ("presence_penalty", number_of),
    "frequency_penalty": ("frequency_penalty", number_of),
    "logit_bias": ("logit_bias", _said),
    "logprobs": ("logprobs", _wanted),
    "top_logprobs": ("top_logprobs", integer_of),
    "verbosity": ("verbosity", text_of),
    "prompt_cache_key": ("prompt_cache_key", text_of),
    "service_tier": ("service_tier", text_of),
    "store": ("store", flag_of),
    "metadata": ("metadata", _said),
    "modalities": ("modalities", _modalities),
    "audio": ("audio", raw_of),
    "prediction": ("prediction", raw_of),
}
"""Key → the field of ``Request`` that it becomes, and how it is read. A request has few of them."""
