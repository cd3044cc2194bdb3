"""Tools and the choice among them, for an upstream."""

from typing import Any

import msgspec

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.to_upstream.json_schema import SchemaTooLarge, gemini_schema
from switchgear.wire.gemini_generate.values import Json
from switchgear.wire.neutral.free_text_tools import described
from switchgear.wire.neutral.request import CustomTool, FunctionTool, HostedTool, Request, Upstream
from switchgear.wire.neutral.tool_choice import hosted_offered, names_hosted
from switchgear.wire.neutral.tool_ids import GEMINI_NAME, ToolNames

_HOSTED = {"web_search": "googleSearch", "web_fetch": "urlContext", "code_execution": "codeExecution"}
_FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_SAYS = ("properties", "additionalProperties", "patternProperties", "anyOf", "oneOf", "allOf", "$ref")
_SMALL_BYTES = 160
"""A schema that declares something is rarely smaller; only smaller ones are looked at for being empty."""


def names_of(request: Request) -> ToolNames:
    """Names of the functions as Google takes them."""
    listed = [tool.name for tool in request.tools if isinstance(tool, FunctionTool | CustomTool)]
    return ToolNames(listed, GEMINI_NAME)


def renamed(request: Request, names: ToolNames) -> dict[str, str]:
    """Names that Google would not take: as they are sent → as the client knows them."""
    listed = [tool.name for tool in request.tools if isinstance(tool, FunctionTool | CustomTool)]
    return {short: name for name in listed if (short := names.shorten(name)) != name}


def write_tools(request: Request, upstream: Upstream, names: ToolNames) -> tuple[list[Json], list[str]]:
    """(tools, concepts that were left out). Functions stand in one tool together, and Google takes its own
    tools either alone or not at all. Raises ApiError."""
    functions: dict[str, Json] = {}
    hosted = [(tool.kind, _hosted(tool)) for tool in hosted_offered(request)]
    chosen = _chosen(request)
    for tool in request.tools:
        if not isinstance(tool, HostedTool) and (chosen is None or tool.name in chosen):
            # A name that is declared twice is refused.
            functions.setdefault(tool.name, _function(tool, upstream, names))
    if functions:
        return [{"functionDeclarations": list(functions.values())}], [kind for kind, _ in hosted]
    tools = [written for _, written in hosted if written is not None]
    dropped: list[str] = [kind for kind, written in hosted if written is None]
    if any(tool.location is not None or tool.context_size for tool in hosted_offered(request)):
        dropped.append("web_search_domains")
    return tools, dropped


def write_choice(request: Request, upstream: Upstream, names: ToolNames, functions: bool) -> Json | None:
    """``toolConfig``. ``functions``: some are declared."""
    choice = request.tool_choice
    if choice is None or not functions:
        return None
    if choice.mode == "none":
        return _config("NONE")
    if choice.mode == "auto":
        return _config("AUTO")
    wanted = (choice.name,) if choice.mode == "named" else choice.allowed
    allowed = upstream.facts.tool_choices
    if allowed and "required" not in allowed:
        return _config("AUTO")
    config = _config("ANY")
    if wanted:
        config["functionCallingConfig"]["allowedFunctionNames"] = [names.shorten(name) for name in wanted]
    return config


def _chosen(request: Request) -> frozenset[str] | None:
    """The functions that are declared, where the client lets the model choose among some only, or wants one
    of Google's own tools instead; None = all of them."""
    choice = request.tool_choice
    if choice is None:
        return None
    if choice.mode == "auto" and choice.allowed:
        return frozenset(choice.allowed)
    return frozenset() if names_hosted(request) else None


def _config(mode: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode}}


def _function(tool: FunctionTool | CustomTool, upstream: Upstream, names: ToolNames) -> Json:
    written: Json = {"name": names.shorten(tool.name)}
    if description := described(tool) if isinstance(tool, CustomTool) else tool.description:
        written["description"] = description
    if isinstance(tool, CustomTool):
        written["parametersJsonSchema"] = _FREE_TEXT
        if upstream.facts.schema_subset:
            written["parameters"] = written.pop("parametersJsonSchema")
        return written
    if tool.schema is None or _is_empty(tool):
        return written
    if not upstream.facts.schema_subset:
        written["parametersJsonSchema"] = tool.schema
    elif (subset := subset_of(tool.schema, f"tools.{tool.name}")) is not None:
        written["parameters"] = subset
    return written


def subset_of(schema: msgspec.Raw, place: str) -> Json | None:
    """A schema in Google's own words; None where it asks for nothing. Raises ApiError."""
    found = any_of(schema)
    try:
        return gemini_schema(found) if isinstance(found, dict) else None
    except SchemaTooLarge as error:
        raise ApiError(INVALID_VALUE, f"Invalid value for '{place}': {error}.", param=place) from None


def _is_empty(tool: FunctionTool) -> bool:
    """An object without properties is said by no schema at all."""
    if tool.schema is None or len(memoryview(tool.schema)) > _SMALL_BYTES:
        return False
    found = any_of(tool.schema)
    return not isinstance(found, dict) or not any(found.get(key) for key in _SAYS)


def _hosted(tool: HostedTool) -> Json | None:
    """None for those that have no equivalent here."""
    if tool.dialect == "gemini_generate":
        found = any_of(tool.raw)
        return found if isinstance(found, dict) else None
    name = _HOSTED.get(tool.kind)
    if name is None:
        return None
    options: Json = {}
    return {name: options}
