"""What becomes of a request's concepts in another dialect: decided here, by tables, before anything is
written.

A *concept* is something a request says that not every dialect can carry. Each dialect publishes one table,
``CARRIES``: concept → ``map`` (it has the same), ``emulate`` (another mechanism with the same effect),
``drop`` (a tuning knob it lacks: left out, and the client is told) or ``refuse`` (leaving it out would change
meaning, cost or safety: 400 before money is held). A concept without a row is refused, so none is lost by
oversight. The published table of docs/reference is written from these.
"""

from collections.abc import Mapping
from itertools import compress, repeat
from operator import attrgetter, is_not
from typing import Literal

from switchgear.kernel.errors import UNSUPPORTED_PARAMETER, ApiError
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    File,
    FunctionTool,
    HostedTool,
    Image,
    Request,
    Text,
    ToolResult,
    Video,
)

Carriage = Literal["map", "emulate", "drop", "refuse"]

CONCEPTS: tuple[str, ...] = (
    # Content.
    "image",
    "image_url",
    "image_file_id",
    "image_detail",
    "audio",
    "audio_url",
    "answer_audio_id",
    "file",
    "file_url",
    "file_id",
    "file_text",
    "video",
    "tool_result_image",
    "tool_result_file",
    "citations",
    "author",
    "cache_marker",
    "earlier_reasoning",
    # Tools.
    "tools",
    "custom_tool",
    "strict_tool",
    "web_search",
    "web_search_domains",
    "offline_search",
    "web_fetch",
    "code_execution",
    "file_search",
    "image_generation",
    "computer",
    "mcp",
    "hosted_tool",
    "tool_choice",
    "allowed_tools",
    "parallel",
    # Knobs.
    "thinking",
    "output_cap",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "json_object",
    "json_schema",
    "verbosity",
    "user",
    "prompt_cache_key",
    "service_tier",
    "store",
    "metadata",
    "answer_audio",
    "answer_image",
    "prediction",
    "safety",
    "extras",
)

_place_of = {concept: place for place, concept in enumerate(CONCEPTS)}.__getitem__
_HOSTED = frozenset(
    {"web_search", "web_fetch", "code_execution", "file_search", "image_generation", "computer", "mcp"}
)

_KNOBS = (
    "thinking",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "store",
    "metadata",
    "prediction",
    "safety",
)
"""Said unless None."""
_WORDS = ("stop", "verbosity", "user", "prompt_cache_key", "service_tier")
"""Said unless empty."""
_knobs_of, _words_of = attrgetter(*_KNOBS), attrgetter(*_WORDS)


def concepts(request: Request) -> dict[str, str]:
    """Every concept of a request, in the order of ``CONCEPTS`` → the detail that names it in an error."""
    found: dict[str, str] = {}
    for turn in request.turns:
        if turn.name:
            found.setdefault("author", turn.name)
        for part in turn.parts:
            if type(part) is not Text or part.cache:
                _content(part, found)
    _tools(request, found)
    _knobs(request, found)
    return {concept: found[concept] for concept in sorted(found, key=_place_of)}


def weigh(
    found: Mapping[str, str], carries: Mapping[str, Carriage]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(dropped, refused) concepts of a request in a dialect with this table."""
    dropped: list[str] = []
    refused: list[str] = []
    for concept in found:
        carriage = carries.get(concept, "refuse")
        if carriage == "drop":
            dropped.append(concept)
        elif carriage == "refuse":
            refused.append(concept)
    return tuple(dropped), tuple(refused)


def refusal(concept: str, field: str, detail: str) -> ApiError:
    """The 400 for a concept that no upstream of the model can carry; ``field`` is the client's name of it."""
    shown = detail or ("" if field.endswith(concept) else concept)
    shown = f" ({shown})" if shown else ""
    return ApiError(
        UNSUPPORTED_PARAMETER,
        f"'{field}'{shown} can't be carried to this model: no upstream of it has an equivalent, and leaving "
        "it out would change the answer.",
        param=field,
    )


def _content(part: object, found: dict[str, str]) -> None:
    match part:
        case Image():
            concept = "image_file_id" if part.file_id else "image_url" if part.url else "image"
            found.setdefault(concept, "")
            if part.detail:
                found.setdefault("image_detail", "")
        case Audio():
            concept = "answer_audio_id" if part.answer_id else "audio_url" if part.url else "audio"
            found.setdefault(concept, part.media_type)
        case File():
            concept = (
                "file_id"
                if part.file_id
                else "file_url"
                if part.url
                else "file_text"
                if part.text
                else "file"
            )
            found.setdefault(concept, part.media_type)
            if part.citable:
                found.setdefault("citations", "")
        case Video():
            found.setdefault("video", part.media_type)
        case ToolResult():
            for inner in part.parts:
                if isinstance(inner, Image):
                    found.setdefault("tool_result_image", "")
                elif isinstance(inner, File | Audio):
                    found.setdefault("tool_result_file", inner.media_type)
    if getattr(part, "cache", ""):
        found.setdefault("cache_marker", "")


def _tools(request: Request, found: dict[str, str]) -> None:
    for tool in request.tools:
        match tool:
            case FunctionTool():
                found.setdefault("tools", "")
                if tool.strict:
                    found.setdefault("strict_tool", tool.name)
                if tool.cache:
                    found.setdefault("cache_marker", "")
            case CustomTool():
                found.setdefault("custom_tool", tool.name)
            case HostedTool() if tool.offline:
                forced = request.tool_choice is not None and request.tool_choice.name == tool.kind
                found.setdefault("hosted_tool" if forced else "offline_search", tool.type)
            case HostedTool():
                plain = tool.kind in _HOSTED and tool.is_plain
                found.setdefault(tool.kind if plain else "hosted_tool", tool.type)
                if tool.allowed_domains or tool.blocked_domains or tool.uses_max:
                    found.setdefault("web_search_domains", "")
    choice = request.tool_choice
    if choice is not None:
        if choice.mode != "auto":
            found.setdefault("tool_choice", choice.mode)
        if choice.allowed:
            found.setdefault("allowed_tools", "")
    if request.parallel is not None and request.tools:
        found.setdefault("parallel", "")


def _knobs(request: Request, found: dict[str, str]) -> None:
    # Most are not said, so they are sifted without a step of ours for each.
    found.update(dict.fromkeys(compress(_KNOBS, map(is_not, _knobs_of(request), repeat(None))), ""))
    found.update(dict.fromkeys(compress(_WORDS, _words_of(request)), ""))
    if request.output_tokens_max is not None:
        found["output_cap"] = ""
    if request.n > 1:
        found["n"] = str(request.n)
    if request.logprobs or request.top_logprobs:
        found["logprobs"] = ""
    if request.format is not None:
        found[request.format.kind] = ""
    if "audio" in request.modalities:
        found["answer_audio"] = ""
    if "image" in request.modalities:
        found["answer_image"] = ""
    if request.extras:
        found["extras"] = ", ".join(sorted(request.extras))
