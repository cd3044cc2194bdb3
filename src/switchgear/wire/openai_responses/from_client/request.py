"""A client's request in the neutral form."""

from typing import Any, get_args

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.request import Effort, Format, Request, Seals, Text, Thinking, Turn
from switchgear.wire.openai_responses.from_client.tools import ToolReader, read_choice
from switchgear.wire.openai_responses.from_client.turns import read_input
from switchgear.wire.openai_responses.values import (
    Fields,
    count_of,
    flag_of,
    invalid_type,
    invalid_value,
    number_of,
    object_of,
    text_of,
    value_of,
    whole_of,
)

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
SOURCES = "web_search_call.action.sources"
_EFFORTS: dict[str, Effort] = {effort: effort for effort in get_args(Effort)}
_REASONING = frozenset({"effort", "summary", "generate_summary"})
_SUMMARIES = ("auto", "concise", "detailed")
# Bound to an account, so that they mean nothing to another upstream; the relay's own store has taken out
# those of its making before.
_OF_ACCOUNT = ("previous_response_id", "conversation", "prompt")
_READ = frozenset(
    {
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_logprobs",
        "include",
        "reasoning",
        "text",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "service_tier",
        "metadata",
        "stream",
        # What only decides how the relay keeps and shows the answer.
        "stream_options",
        "store",
        "background",
        "background_options",
    }
)
# What is the default everywhere is not lost by leaving it out.
_NOTHING = (NULL, Raw(b'""'))
_DEFAULTS = {"truncation": Raw(b'"disabled"')}


def read_request(call: Call, seals: Seals) -> Request:
    """Raises ApiError: INVALID_TYPE, INVALID_VALUE, MISSING_PARAMETER, UNSUPPORTED_PARAMETER."""
    fields = call.fields
    for key in _OF_ACCOUNT:
        if fields.get(key, NULL) != NULL:
            raise ApiError(
                UNSUPPORTED_PARAMETER,
                f"'{key}' can't be carried to this model: what it names is stored elsewhere.",
                param=key,
            )
    reader = ToolReader()
    reader.read(fields.get("tools", NULL), "tools")
    turns = read_input(fields, seals, reader)
    instructions = text_of(fields, "instructions") if "instructions" in fields else ""
    if instructions:
        turns = (Turn("system", (Text(instructions),)), *turns)
    form, verbosity = _read_text(fields)
    top_logprobs = count_of(fields, "top_logprobs")
    return Request(
        turns,
        reader.tools,
        read_choice(fields),
        flag_of(fields, "parallel_tool_calls"),
        _read_thinking(fields),
        _read_cap(fields),
        number_of(fields, "temperature"),
        number_of(fields, "top_p"),
        logprobs=bool(top_logprobs) or _wants_logprobs(fields),
        top_logprobs=top_logprobs or None,
        format=form,
        verbosity=verbosity,
        user=text_of(fields, "safety_identifier") or text_of(fields, "user"),
        prompt_cache_key=text_of(fields, "prompt_cache_key"),
        service_tier=_read_tier(fields),
        metadata=_read_metadata(fields),
        stream=call.stream,
        extras=_extras(fields, reader),
    )


def _read_cap(fields: Fields) -> int | None:
    cap = whole_of(fields, "max_output_tokens")
    if cap is not None and cap < 1:
        raise invalid_value("max_output_tokens", "at least 1")
    return cap


def _read_thinking(fields: Fields) -> Thinking | None:
    found = object_of(fields, "reasoning") if "reasoning" in fields else {}
    if not found:
        return None
    effort = found.get("effort") or None
    if effort is not None and not (isinstance(effort, str) and effort in _EFFORTS):
        raise invalid_value("reasoning.effort", f"one of {', '.join(_EFFORTS)} is expected")
    summary = found.get("summary") or found.get("generate_summary")
    if summary is not None and summary not in _SUMMARIES:
        if summary != "none":
            raise invalid_value("reasoning.summary", f"one of {', '.join(_SUMMARIES)} is expected")
        summary = None
    says_no = not summary and any(found.get(key, "") != "" for key in ("summary", "generate_summary"))
    if effort is None and not summary and not says_no:
        return None
    return Thinking(
        None if effort is None else _EFFORTS[effort],
        show=True if summary else False if says_no else None,
        summary=summary or "",
    )


def _read_text(fields: Fields) -> tuple[Format | None, str]:
    """The answer's form, None for plain text, and verbosity."""
    raw = fields.get("text")
    if raw is None or raw == NULL:
        return None, ""
    try:
        found = _decode_text(raw)
    except (ValueError, RecursionError):
        raise invalid_type("text", "an object with 'format' and 'verbosity'") from None
    form = found.format
    if form is None or form.type in (None, "", "text"):
        return None, found.verbosity or ""
    if form.type == "json_object":
        return Format("json_object"), found.verbosity or ""
    if form.type != "json_schema":
        raise invalid_value("text.format.type", "'text', 'json_object' or 'json_schema' is expected")
    inner = form.json_schema or form
    if inner.schema == NULL:
        raise invalid_type("text.format.schema", "a JSON schema")
    read = Format("json_schema", inner.schema, inner.name or "", inner.strict, inner.description or "")
    return read, found.verbosity or ""


class _Format(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None
    schema: Raw = NULL
    strict: bool | None = None
    description: str | None = None
    json_schema: "_Format | None" = None
    """The form of Chat Completions, which people send by mistake."""


class _Text(msgspec.Struct, gc=False):
    format: _Format | None = None
    verbosity: str | None = None


_decode_text = msgspec.json.Decoder(_Text).decode


def _wants_logprobs(fields: Fields) -> bool:
    return "include" in fields and LOGPROBS in included(fields)


def included(fields: Fields) -> tuple[str, ...]:
    """What ``include`` names. Raises ApiError INVALID_TYPE."""
    found: Any = value_of(fields, "include")
    if found is None:
        return ()
    if not isinstance(found, list):
        raise invalid_type("include", "an array of strings")
    return tuple(name for name in found if isinstance(name, str))


def _read_tier(fields: Fields) -> str:
    tier = text_of(fields, "service_tier")
    return "" if tier == "auto" else tier


def _read_metadata(fields: Fields) -> Raw | None:
    return fields["metadata"] if object_of(fields, "metadata") else None


def _extras(fields: Fields, reader: ToolReader) -> dict[str, Raw]:
    extras = {
        key: value
        for key, value in fields.items()
        if key not in _READ and value not in (*_NOTHING, _DEFAULTS.get(key)) and key not in _OF_ACCOUNT
    }
    for key, value in (object_of(fields, "reasoning") if "reasoning" in fields else {}).items():
        if key not in _REASONING and value not in (None, "auto"):
            extras[f"reasoning.{key}"] = Raw(msgspec.json.encode(value))
    for name in reader.left_out:
        extras[f"tools.{name}"] = NULL
    return extras
