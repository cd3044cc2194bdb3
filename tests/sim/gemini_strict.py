"""Checks a Gemini request as strictly as the vendor does; the messages are worded as its own."""

import re
from collections.abc import Iterable
from typing import Any

from tests.sim.facts import Json
from tests.sim.gemini import declarations, is_third
from tests.sim.gemini_history import check_contents, check_parts, known, unknown
from tests.sim.strict import Invalid

FIELDS = {
    "model", "contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig",
    "cachedContent", "labels", "serviceTier", "store", "continuationToken",
}  # fmt: skip
CONFIG_FIELDS = {
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "presencePenalty",
    "frequencyPenalty", "seed", "responseLogprobs", "logprobs", "responseMimeType", "responseSchema",
    "responseJsonSchema", "responseModalities", "speechConfig", "imageConfig", "mediaResolution",
    "thinkingConfig", "audioTimestamp", "enableEnhancedCivicAnswers", "responseFormat",
    "enableAffectiveDialog", "translationConfig", "audioTranscriptionConfig",
}  # fmt: skip
TOOL_FIELDS = {
    "functionDeclarations", "googleSearch", "urlContext", "codeExecution", "googleMaps", "fileSearch",
    "computerUse", "googleSearchRetrieval", "mcpServers",
}  # fmt: skip
DECLARATION_FIELDS = {
    "name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior",
}  # fmt: skip
SCHEMA_FIELDS = {
    "type", "format", "title", "description", "nullable", "default", "items", "minItems", "maxItems", "enum",
    "properties", "required", "minProperties", "maxProperties", "minimum", "maximum", "minLength",
    "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
}  # fmt: skip
TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
FORMATS = {
    "string": {"enum", "date-time"},
    "number": {"float", "double"},
    "integer": {"int32", "int64"},
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
MODES = {"AUTO", "ANY", "NONE", "VALIDATED"}
LEVELS = ("minimal", "low", "medium", "high", "xhigh")
OPAQUE = {"args", "response", "parametersJsonSchema", "responseJsonSchema"}
SCHEMAS = {"parameters", "responseSchema"}
VALUES = {"default", "example", "enum", "required", "propertyOrdering"}
"""What a schema says about values, and names of properties: none of it is a field's name."""


def camel(item: Any) -> Any:
    """The request with camelCase names: the vendor takes snake_case as well. Free-form objects stay."""
    if isinstance(item, list):
        return [camel(value) for value in item]
    if not isinstance(item, dict):
        return item
    found = {}
    for key, value in item.items():
        name = _camel_name(key)
        found[name] = value if name in OPAQUE else camel_schema(value) if name in SCHEMAS else camel(value)
    return found


def camel_schema(item: Any) -> Any:
    """The same of a schema; the names of properties are the caller's own and stay."""
    if isinstance(item, list):
        return [camel_schema(value) for value in item]
    if not isinstance(item, dict):
        return item
    found: Json = {}
    for key, value in item.items():
        name = _camel_name(key)
        if name == "properties" and isinstance(value, dict):
            found[name] = {own: camel_schema(inner) for own, inner in value.items()}
        else:
            found[name] = value if name in VALUES else camel_schema(value)
    return found


def _camel_name(key: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), key)


def check(call: Json, model: str) -> None:
    """Raises Invalid for what the vendor answers with 400. ``call`` has camelCase names."""
    known(call, FIELDS, "")
    check_contents(call, model)
    if (system := call.get("systemInstruction")) is not None:
        if not isinstance(system, dict):
            raise Invalid("Invalid value at 'system_instruction' (type.googleapis.com/google.ai.Content)")
        known(system, {"role", "parts"}, "system_instruction")
        check_parts(system.get("parts"), "system_instruction", {"text"})
    _check_config(call.get("generationConfig") or {}, model)
    _check_tools(call, model)


def check_count(call: Json, model: str) -> None:
    known(call, {"contents", "generateContentRequest"}, "")
    inner = call.get("generateContentRequest")
    if (inner is None) == ("contents" not in call):
        raise Invalid("Exactly one of contents and generate_content_request must be set.")
    if inner is None:
        check_contents(call, model)
    else:
        check(inner, model)


def check_embed(request: Json, model: str, needs_model: bool = False) -> None:
    known(request, {"model", "content", "taskType", "title", "outputDimensionality"}, "")
    if needs_model and request.get("model") != f"models/{model}":
        raise Invalid("BatchEmbedContentsRequest.requests[0].model: must match the model of the path")
    content = request.get("content")
    if not isinstance(content, dict):
        raise Invalid("EmbedContentRequest.content: contents is not specified")
    known(content, {"role", "parts"}, "content")
    check_parts(content.get("parts"), "content", {"text", "inlineData"})


def _check_config(config: Json, model: str) -> None:
    known(config, CONFIG_FIELDS, "generation_config")
    for name, low, high in (("temperature", 0, 2), ("topP", 0, 1), ("candidateCount", 1, 8)):
        value = config.get(name)
        if value is not None and not low <= value <= high:
            raise Invalid(f"* GenerateContentRequest.generation_config.{name}: {name} must be in the range.")
    for name in ("maxOutputTokens", "topK", "candidateCount", "seed"):
        value = config.get(name)
        if value is not None and (type(value) is not int or (name != "seed" and value < 1)):
            raise Invalid(f"Invalid value at 'generation_config.{name}' (TYPE_INT32), {value}")
    if len(config.get("stopSequences") or ()) > 5:
        raise Invalid("* GenerateContentRequest.generation_config.stop_sequences: at most 5 are supported.")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name) is not None]
    if len(schemas) == 2:
        raise Invalid("Only one of response_schema and response_json_schema may be set.")
    if schemas and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise Invalid("Response schema needs response_mime_type application/json or text/x.enum.")
    if "responseSchema" in schemas:
        check_schema(config["responseSchema"], "generation_config.response_schema")
    if config.get("thinkingConfig") is not None:
        _check_thinking(config["thinkingConfig"], model)


def _check_thinking(thinking: Json, model: str) -> None:
    known(
        thinking, {"includeThoughts", "thinkingBudget", "thinkingLevel"}, "generation_config.thinking_config"
    )
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if budget is not None and level is not None:
        raise Invalid("You can only set only one of thinking budget and thinking level.")
    if "2.0" in model or "-image" in model:
        raise Invalid("Unable to submit request because thinking is not supported by this model.")
    if "2.5" in model and level is not None:
        raise Invalid("Thinking level is not supported for this model.")
    if budget is not None:
        _check_budget(budget, model)
    if level is not None:
        allowed = _levels(model)
        if str(level).lower() not in allowed:
            raise Invalid(f"Thinking level {str(level).upper()} is not supported for this model.")


def _check_budget(budget: Any, model: str) -> None:
    low, high, off = 0, 32768, True
    if "2.5-pro" in model or (is_third(model) and "pro" in model):
        low, off = 128, False
    elif "2.5-flash-lite" in model:
        low, high = 512, 24576
    elif "2.5-flash" in model:
        high = 24576
    fits = type(budget) is int and (budget == -1 or (budget == 0 and off) or low <= budget <= high)
    if not fits:
        raise Invalid(
            f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}."
        )


def _levels(model: str) -> tuple[str, ...]:
    if is_third(model) and "pro" in model:
        return ("low", "medium", "high") if "3.1" in model else ("low", "high")
    return LEVELS[:4] if is_third(model) else LEVELS


def _check_tools(call: Json, model: str) -> None:
    tools = call.get("tools") or []
    for index, tool in enumerate(tools):
        known(tool, TOOL_FIELDS, f"tools[{index}]")
        for number, made in enumerate(tool.get("functionDeclarations") or ()):
            _check_declaration(made, f"tools[{index}].function_declarations[{number}]")
    names = [made["name"] for made in declarations(call)]
    if len(set(names)) < len(names):
        raise Invalid(f"Duplicate function declaration found: {max(names, key=names.count)}")
    own = [name for tool in tools for name in tool if name != "functionDeclarations"]
    mixed = (call.get("toolConfig") or {}).get("includeServerSideToolInvocations")
    if names and own and not (is_third(model) and mixed):
        raise Invalid(
            f"Built-in tools ({own[0]}) and Function Calling cannot be combined in the same request."
        )
    json_mode = (call.get("generationConfig") or {}).get("responseMimeType") == "application/json"
    if names and json_mode and not is_third(model):
        message = "Function calling with a response mime type: 'application/json' is unsupported"
        raise Invalid(message)
    _check_choice(call.get("toolConfig"), names)


def _check_choice(config: Any, names: list[str]) -> None:
    if config is None:
        return
    known(
        config,
        {"functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"},
        "tool_config",
    )
    choice = config.get("functionCallingConfig") or {}
    known(choice, {"mode", "allowedFunctionNames"}, "tool_config.function_calling_config")
    mode = choice.get("mode", "AUTO")
    if mode not in MODES:
        raise Invalid(f"Invalid value at 'tool_config.function_calling_config.mode', \"{mode}\"")
    if mode == "ANY" and not names:
        raise Invalid("Function calling config is set without function_declarations.")
    allowed = choice.get("allowedFunctionNames")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Invalid("allowed_function_names should only be set when the mode is ANY or VALIDATED.")
    for name in allowed or ():
        if name not in names:
            raise Invalid(f"Allowed function name {name} is not declared.")


def _check_declaration(made: Json, at: str) -> None:
    known(made, DECLARATION_FIELDS, at)
    if not NAME.fullmatch(str(made.get("name", ""))):
        message = "Invalid function name. Must start with a letter or an underscore."
        raise Invalid(f"* GenerateContentRequest.{at}.name: {message}")
    if "parameters" in made and "parametersJsonSchema" in made:
        raise Invalid(f"* GenerateContentRequest.{at}: only one of parameters and parameters_json_schema")
    if "parameters" in made:
        check_schema(made["parameters"], f"{at}.parameters")
    if not isinstance(made.get("parametersJsonSchema", {}), dict):
        raise Invalid(f"Invalid value at '{at}.parameters_json_schema'")


def check_schema(schema: Any, at: str) -> None:
    """The subset of OpenAPI that ``parameters`` and ``responseSchema`` are; one unknown name fails all."""
    if not isinstance(schema, dict):
        raise Invalid(f"Invalid value at '{at}' (type.googleapis.com/google.ai.Schema)")
    for name in schema:
        if name not in SCHEMA_FIELDS:
            raise unknown(name, at)
    kind = schema.get("type")
    if isinstance(kind, list):
        raise Invalid(f"Invalid value at '{at}.type': Proto field is not repeating, cannot start list.")
    kind = "" if kind is None else str(kind).lower()
    if kind and kind not in TYPES:
        raise Invalid(f"Invalid value at '{at}.type' (type.googleapis.com/google.ai.Type), \"{kind}\"")
    form = schema.get("format")
    if form is not None and kind in FORMATS and form not in FORMATS[kind]:
        wanted = " and ".join(f"'{name}'" for name in sorted(FORMATS[kind]))
        raise Invalid(
            f"* GenerateContentRequest.{at}.format: only {wanted} are supported for {kind.upper()} type"
        )
    if not all(isinstance(value, str) for value in schema.get("enum") or ()):
        raise Invalid(f"Invalid value at '{at}.enum' (TYPE_STRING)")
    _check_inner(schema, kind, at)


def _check_inner(schema: Json, kind: str, at: str) -> None:
    properties: Json = schema.get("properties") or {}
    if kind == "object" and not properties:
        raise Invalid(f"* GenerateContentRequest.{at}.properties: should be non-empty for OBJECT type")
    if kind == "array" and not isinstance(schema.get("items"), dict):
        raise Invalid(f"* GenerateContentRequest.{at}.items: missing field.")
    for name in schema.get("required") or ():
        if name not in properties:
            raise Invalid(f"* GenerateContentRequest.{at}.required: property is not defined: {name}")
    inner: Iterable[tuple[Any, str]] = [
        (value, f"{at}.properties[{name}]") for name, value in properties.items()
    ]
    if "items" in schema:
        inner = [*inner, (schema["items"], f"{at}.items")]
    for value, place in [*inner, *((option, f"{at}.any_of") for option in schema.get("anyOf") or ())]:
        check_schema(value, place)
