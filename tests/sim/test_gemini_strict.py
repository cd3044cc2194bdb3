"""What the simulated Gemini API refuses. Without this file a relay could send it what the real one answers
with 400, and be told that all is well."""

from typing import Any

import pytest

from tests.sim import gemini, gemini_strict, strict

FLASH25, PRO25, LITE25 = "gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"
PRO3, FLASH3 = "gemini-3-pro-preview", "gemini-3-flash-preview"


def said(*parts: Any, role: str = "user") -> dict:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def calling(*names: str, signature: str | None = None) -> dict:
    parts: list[dict] = [{"functionCall": {"name": name, "args": {}}} for name in names]
    if signature is not None:
        parts[0]["thoughtSignature"] = signature
    return {"role": "model", "parts": parts}


def results(*names: str) -> dict:
    parts = [{"functionResponse": {"name": name, "response": {"output": "x"}}} for name in names]
    return {"role": "user", "parts": parts}


def declared(schema: Any = None, name: str = "weather", key: str = "parameters") -> list[dict]:
    made = {"name": name} | ({key: schema} if schema is not None else {})
    return [{"functionDeclarations": [made]}]


def thinking(**config: Any) -> dict:
    return {"generationConfig": {"thinkingConfig": config}}


def choice(**config: Any) -> dict:
    return {"toolConfig": {"functionCallingConfig": config}}


OBJECT = {"type": "OBJECT", "properties": {"city": {"type": "string"}}}
SIGNED = gemini.signature_of("weather")
ACCEPTED = {
    "plain": (FLASH25, {}),
    "schema": (FLASH25, {"tools": declared(OBJECT | {"required": ["city"], "nullable": True})}),
    "real schema": (
        FLASH25,
        {"tools": declared({"type": "object", "$defs": {}}, key="parametersJsonSchema")},
    ),
    "budget": (FLASH25, thinking(thinkingBudget=0)),
    "dynamic": (PRO25, thinking(thinkingBudget=-1, includeThoughts=True)),
    "level": (PRO3, thinking(thinkingLevel="LOW")),
    "minimal": (FLASH3, thinking(thinkingLevel="minimal")),
    "loop of 2.5": (FLASH25, {"contents": [said("a"), calling("weather"), results("weather")]}),
    "loop of 3": (PRO3, {"contents": [said("a"), calling("weather", signature=SIGNED), results("weather")]}),
    "parallel of 3": (
        PRO3,
        {"contents": [said("a"), calling("weather", "x", signature=SIGNED), results("x", "weather")]},
    ),
    "foreign history": (
        PRO3,
        {"contents": [said("a"), calling("x", signature=gemini.SKIP_VALIDATOR), results("x")]},
    ),
    "earlier turns unsigned": (
        PRO3,
        {"contents": [said("a"), calling("x"), results("x"), said("done", role="model"), said("b")]},
    ),
    "choice": (FLASH25, {"tools": declared()} | choice(mode="ANY", allowedFunctionNames=["weather"])),
    "json": (PRO3, {"generationConfig": {"responseMimeType": "application/json", "responseSchema": OBJECT}}),
}
REFUSED = {
    "unknown field": (FLASH25, {"messages": []}, 'Unknown name "messages"'),
    "unknown setting": (FLASH25, {"generationConfig": {"n": 1}}, "Unknown name \"n\" at 'generation_config'"),
    "no contents": (FLASH25, {"contents": []}, "contents is not specified"),
    "role": (FLASH25, {"contents": [said("a", role="assistant")]}, "valid role: user, model"),
    "no parts": (FLASH25, {"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
    "empty text": (FLASH25, {"contents": [said("")]}, "required oneof field"),
    "two payloads": (FLASH25, {"contents": [said({"text": "a", "inlineData": {}})]}, "required oneof field"),
    "system as text": (FLASH25, {"systemInstruction": "Be brief"}, "system_instruction"),
    "response not an object": (
        FLASH25,
        {"contents": [said("a"), calling("x"), said({"functionResponse": {"name": "x", "response": "y"}})]},
        "function_response.response",
    ),
    "call first": (
        FLASH25,
        {"contents": [calling("x"), results("x")]},
        "function call turn comes immediately",
    ),
    "call unanswered": (
        FLASH25,
        {"contents": [said("a"), calling("x"), said("b")]},
        "number of function response",
    ),
    "call at the end": (FLASH25, {"contents": [said("a"), calling("x")]}, "number of function response"),
    "response alone": (FLASH25, {"contents": [said("a"), results("x")]}, "number of function response"),
    "other name": (
        FLASH25,
        {"contents": [said("a"), calling("x"), results("y")]},
        "number of function response",
    ),
    "unsigned step": (
        PRO3,
        {"contents": [said("a"), calling("weather"), results("weather")]},
        "missing a thought_signature",
    ),
    "second step unsigned": (
        PRO3,
        {
            "contents": [
                said("a"),
                calling("weather", signature=SIGNED),
                results("weather"),
                calling("x"),
                results("x"),
            ]
        },
        "missing a thought_signature",
    ),
    "foreign signature": (
        PRO3,
        {"contents": [said("a"), calling("x", signature="AAAA"), results("x")]},
        "Corrupted",
    ),
    "moved signature": (
        PRO3,
        {"contents": [said("a"), calling("x", signature=SIGNED), results("x")]},
        "Corrupted",
    ),
    "budget and level": (FLASH3, thinking(thinkingBudget=1, thinkingLevel="low"), "only one of"),
    "level of 2.5": (FLASH25, thinking(thinkingLevel="low"), "not supported"),
    "off for pro": (PRO25, thinking(thinkingBudget=0), "between 128 and 32768"),
    "budget of lite": (LITE25, thinking(thinkingBudget=100), "between 512 and 24576"),
    "budget high": (FLASH25, thinking(thinkingBudget=30000), "between 0 and 24576"),
    "minimal for pro": (PRO3, thinking(thinkingLevel="minimal"), "not supported"),
    "thinking of 2.0": ("gemini-2.0-flash", thinking(includeThoughts=True), "not supported"),
    "schema word": (
        FLASH25,
        {"tools": declared(OBJECT | {"additionalProperties": False})},
        'Unknown name "additionalProperties" at',
    ),
    "schema word inside": (
        FLASH25,
        {"tools": declared({"type": "object", "properties": {"a": {"type": "string", "const": "x"}}})},
        'Unknown name "const"',
    ),
    "list of types": (FLASH25, {"tools": declared({"type": ["string", "null"]})}, "cannot start list"),
    "empty object": (
        FLASH25,
        {"tools": declared({"type": "object", "properties": {}})},
        "should be non-empty",
    ),
    "array of nothing": (FLASH25, {"tools": declared({"type": "array"})}, "items: missing field"),
    "number in enum": (FLASH25, {"tools": declared({"type": "integer", "enum": [1]})}, "TYPE_STRING"),
    "format": (
        FLASH25,
        {"tools": declared({"type": "string", "format": "uri"})},
        "only 'date-time' and 'enum'",
    ),
    "required unknown": (FLASH25, {"tools": declared(OBJECT | {"required": ["x"]})}, "not defined"),
    "declared twice": (FLASH25, {"tools": declared() + declared()}, "Duplicate function declaration"),
    "function name": (FLASH25, {"tools": declared(name="1st")}, "Invalid function name"),
    "search and functions": (FLASH25, {"tools": [*declared(), {"googleSearch": {}}]}, "cannot be combined"),
    "json and functions": (
        FLASH25,
        {"tools": declared(), "generationConfig": {"responseMimeType": "application/json"}},
        "unsupported",
    ),
    "choice without tools": (FLASH25, choice(mode="ANY"), "without function_declarations"),
    "names when auto": (
        FLASH25,
        {"tools": declared()} | choice(mode="AUTO", allowedFunctionNames=["weather"]),
        "ANY",
    ),
    "name not declared": (
        FLASH25,
        {"tools": declared()} | choice(mode="ANY", allowedFunctionNames=["x"]),
        "declared",
    ),
    "schema without type": (FLASH25, {"generationConfig": {"responseSchema": OBJECT}}, "response_mime_type"),
    "six stops": (FLASH25, {"generationConfig": {"stopSequences": list("abcdef")}}, "at most 5"),
}


@pytest.mark.parametrize(("model", "change"), ACCEPTED.values(), ids=ACCEPTED)
def test_legal_requests_pass(model: str, change: dict) -> None:
    gemini_strict.check({"contents": [said("Hi")]} | change, model)


@pytest.mark.parametrize(("model", "change", "message"), REFUSED.values(), ids=REFUSED)
def test_breaches_are_refused(model: str, change: dict, message: str) -> None:
    with pytest.raises(strict.Invalid) as refused:
        gemini_strict.check({"contents": [said("Hi")]} | change, model)
    assert message in refused.value.message


def test_snake_case_is_read_and_free_objects_stay() -> None:
    given = {
        "system_instruction": {"parts": [{"inline_data": {"mime_type": "image/png"}}]},
        "contents": [{"parts": [{"function_call": {"name": "x", "args": {"snake_key": 1}}}]}],
    }
    assert gemini_strict.camel(given) == {
        "systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png"}}]},
        "contents": [{"parts": [{"functionCall": {"name": "x", "args": {"snake_key": 1}}}]}],
    }


def test_count_takes_one_of_two_forms() -> None:
    contents = [said("Hi")]
    gemini_strict.check_count({"contents": contents}, FLASH25)
    gemini_strict.check_count({"generateContentRequest": {"contents": contents}}, FLASH25)
    for wrong in ({}, {"contents": contents, "tools": []}):
        with pytest.raises(strict.Invalid):
            gemini_strict.check_count(wrong, FLASH25)
