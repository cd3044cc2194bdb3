"""A request of this dialect in the neutral form."""

import re

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import NULL
from switchgear.wire.gemini_generate.from_client.config import read_knobs, unknown_knobs
from switchgear.wire.gemini_generate.from_client.tools import read_choice, read_tools, unread_of_tools
from switchgear.wire.gemini_generate.from_client.turns import read_contents, read_system
from switchgear.wire.gemini_generate.values import field, flag_in, object_of, snake, text, value_of
from switchgear.wire.neutral.request import Request, Seals

_KNOWN = (
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "serviceTier",
    "store",
)
_KNOWN_NAMES = frozenset((*_KNOWN, *map(snake, _KNOWN)))
_OF_PARTS = re.compile(rb'"(mediaResolution|media_resolution|videoMetadata|video_metadata)"\s*:')
_TIERS = {"standard": "default"}


def read_request(call: Call, seals: Seals) -> Request:
    """Raises ApiError."""
    fields = call.fields
    if call.operation == "gemini_count_tokens" and field(fields, "contents") is None:
        inner = object_of(fields, "generateContentRequest")
        fields = {key: Raw(msgspec.json.encode(value)) for key, value in inner.items()}
    if field(fields, "cachedContent") is not None:
        raise ApiError(
            UNSUPPORTED_PARAMETER,
            "'cachedContent' belongs to one Google account and can't be carried to this model.",
            param="cachedContent",
        )
    config = object_of(fields, "generationConfig")
    tier = text(value_of(fields, "serviceTier")).lower()
    extras = {key: value for key, value in fields.items() if key not in _KNOWN_NAMES and value != NULL}
    return Request(
        turns=(
            *read_system(value_of(fields, "systemInstruction")),
            *read_contents(value_of(fields, "contents"), seals),
        ),
        tools=read_tools(value_of(fields, "tools")),
        tool_choice=read_choice(object_of(fields, "toolConfig")),
        safety=field(fields, "safetySettings"),
        service_tier=_TIERS.get(tier, tier),
        store=flag_in({"store": value_of(fields, "store")}, "store"),
        stream=call.stream,
        extras={
            **extras,
            **unknown_knobs(config),
            **unread_of_tools(value_of(fields, "tools"), object_of(fields, "toolConfig")),
            **dict.fromkeys(_unread_of_parts(fields), NULL),
        },
        **read_knobs(config),
    )


def _unread_of_parts(fields: dict[str, Raw]) -> list[str]:
    """How the maker's models are to look at pictures and videos. A quote within a string is escaped, so no
    text looks like such a key."""
    contents = bytes(field(fields, "contents") or b"")
    found = {snake(key.decode()): key.decode() for key in _OF_PARTS.findall(contents)}
    return [f"contents.parts.{key}" for key in found.values()]
