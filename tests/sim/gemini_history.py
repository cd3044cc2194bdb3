"""The vendor's rules on the contents of a Gemini request: parts, pairs of calls and responses, signatures."""

import base64
import re
from collections import Counter
from typing import Any

from tests.sim import seal
from tests.sim.facts import Json
from tests.sim.gemini import SKIP_VALIDATOR, is_third
from tests.sim.strict import Invalid

PAYLOADS = {
    "text": None,
    "inlineData": {"mimeType", "data", "displayName"},
    "fileData": {"fileUri", "mimeType", "displayName"},
    "functionCall": {"id", "name", "args"},
    "functionResponse": {"id", "name", "response", "parts", "scheduling", "willContinue"},
    "executableCode": {"id", "language", "code"},
    "codeExecutionResult": {"id", "outcome", "output"},
    "toolCall": None,
    "toolResponse": None,
}
MODIFIERS = {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}
# Both are documented ways to send a history that another model has written.
SKIPS = {SKIP_VALIDATOR, "context_engineering_is_the_way_to_go"}
CALL_PLACE = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response"
    " turn."
)
RESPONSE_COUNT = (
    "Please ensure that the number of function response parts is equal to the number of function call parts"
    " of the function call turn."
)


def unknown(name: str, at: str) -> Invalid:
    place = f" at '{at}'" if at else ""
    return Invalid(f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.', name)


def known(item: Any, names: set[str], at: str) -> None:
    if not isinstance(item, dict):
        raise Invalid(f"Invalid value at '{at}'")
    for name in item:
        if name not in names:
            raise unknown(name, at)


def check_contents(call: Json, model: str) -> None:
    contents = call.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Invalid("* GenerateContentRequest.contents: contents is not specified")
    turns: list[tuple[str, list[Json]]] = []
    for index, content in enumerate(contents):
        at = f"contents[{index}]"
        known(content, {"role", "parts"}, at)
        role = content.get("role", "user")
        if role not in ("user", "model", "function"):
            raise Invalid("Please use a valid role: user, model.")
        check_parts(content.get("parts"), at, set(PAYLOADS))
        role = "model" if role == "model" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(content["parts"])
        else:
            turns.append((role, list(content["parts"])))
    _check_pairs(turns)
    _check_signatures(turns, model)


def check_parts(parts: Any, at: str, allowed: set[str]) -> None:
    if not isinstance(parts, list) or not parts:
        raise Invalid(f"* GenerateContentRequest.{at}.parts: contents.parts must not be empty.")
    for index, part in enumerate(parts):
        place = f"{at}.parts[{index}]"
        known(part, set(PAYLOADS) | MODIFIERS, place)
        payloads = [name for name in part if name in PAYLOADS]
        if len(payloads) != 1 or payloads[0] not in allowed:
            message = "required oneof field 'data' must have one initialized field"
            raise Invalid(f"* GenerateContentRequest.{place}.data: {message}")
        _check_payload(payloads[0], part, place)


def _check_payload(kind: str, part: Json, at: str) -> None:
    payload = part[kind]
    names = PAYLOADS[kind]
    if names is not None:
        known(payload, names, f"{at}.{kind}")
    match kind:
        case "text":
            if not isinstance(payload, str):
                raise Invalid(f"Invalid value at '{at}.text' (TYPE_STRING)")
            if not payload and "thoughtSignature" not in part:
                message = "required oneof field 'data' must have one initialized field"
                raise Invalid(f"* GenerateContentRequest.{at}.data: {message}")
        case "inlineData":
            if not payload.get("mimeType"):
                raise Invalid(f"* GenerateContentRequest.{at}.inline_data.mime_type: must not be empty")
            if not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", str(payload.get("data", ""))):
                raise Invalid(
                    f"Invalid value at '{at}.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
                )
        case "functionCall":
            if not payload.get("name") or not isinstance(payload.get("args", {}), dict):
                raise Invalid(
                    f"Invalid value at '{at}.function_call' (type.googleapis.com/google.protobuf.Struct)"
                )
        case "functionResponse":
            if not payload.get("name"):
                message = "Name cannot be empty."
                raise Invalid(f"* GenerateContentRequest.{at}.function_response.name: {message}")
            if not isinstance(payload.get("response"), dict):
                raise Invalid(f"Invalid value at '{at}.function_response.response' (google.protobuf.Struct)")


def _check_pairs(turns: list[tuple[str, list[Json]]]) -> None:
    awaited: list[Json] = []
    for index, (role, parts) in enumerate(turns):
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if (calls and (role == "user" or index == 0)) or (responses and role == "model"):
            raise Invalid(CALL_PLACE)
        if len(responses) != len(awaited):
            raise Invalid(RESPONSE_COUNT)
        if Counter(item["name"] for item in awaited) != Counter(item["name"] for item in responses):
            raise Invalid(RESPONSE_COUNT)
        ids = {item["id"] for item in awaited if item.get("id")}
        if any(item.get("id") and ids and item["id"] not in ids for item in responses):
            raise Invalid("Function response id does not match the id of any function call.")
        awaited = calls
    if awaited:
        raise Invalid(RESPONSE_COUNT)


def _check_signatures(turns: list[tuple[str, list[Json]]], model: str) -> None:
    """All that are there must be genuine; from version 3 on the first call of each step of the current turn,
    that is after the last question, must have one."""
    for _, parts in turns:
        for part in parts:
            if "thoughtSignature" in part and not _is_genuine(part):
                raise Invalid("Corrupted thought signature.")
    if not is_third(model):
        return
    asked = [at for at, (role, parts) in enumerate(turns) if role == "user" and _asks(parts)]
    for index, (role, parts) in enumerate(turns[asked[-1] if asked else 0 :]):
        calls = [part for part in parts if "functionCall" in part]
        if role == "model" and calls and "thoughtSignature" not in calls[0]:
            name = calls[0]["functionCall"]["name"]
            message = (
                "Function call is missing a thought_signature in functionCall parts. This is required for"
            )
            message += f" tools to work correctly. Additional data, function call `{name}`, position {index}."
            raise Invalid(message)


def _asks(parts: list[Json]) -> bool:
    return not any("functionResponse" in part for part in parts)


def _is_genuine(part: Json) -> bool:
    given = part["thoughtSignature"]
    if given in SKIPS or given in {base64.b64encode(skip.encode()).decode() for skip in SKIPS}:
        return True
    issued = seal.unseal("gemini", given.replace("-", "+").replace("_", "/"))
    name = part["functionCall"]["name"] if "functionCall" in part else ""
    return issued == name
