"""Without this what a client of this dialect asks could be lost or misread on its way to other dialects, or
be refused for a spelling that Google takes."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_generate.vectors import CLAUDE_TOKEN, GOOGLE_TOKEN, PlainSeals, call_of, sealed

from switchgear.kernel.errors import ApiError
from switchgear.wire.call import InPath
from switchgear.wire.gemini_generate.from_client.request import read_request
from switchgear.wire.gemini_generate.peek import read_model
from switchgear.wire.neutral.request import (
    Audio,
    File,
    Format,
    FunctionTool,
    HostedItem,
    HostedTool,
    Image,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Video,
)

ASK: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def read(body: dict[str, Any]) -> Request:
    return read_request(call_of(body), PlainSeals())


def parts_of(*parts: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    return read({"contents": [{"role": role, "parts": list(parts)}]}).turns[0].parts


def refusal(body: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(ApiError) as caught:
        read(body)
    return caught.value.row.name, caught.value.param


@pytest.mark.parametrize(
    "contents",
    [
        [{"role": "user", "parts": [{"text": "Hi"}]}],
        [{"parts": [{"text": "Hi"}]}],
        [{"role": "", "parts": {"text": "Hi"}}],
        {"parts": [{"text": "Hi"}]},
        {"parts": ["Hi"]},
        ["Hi"],
    ],
)
def test_contents_in_every_form_that_clients_send(contents: Any) -> None:
    assert read({"contents": contents}).turns == (Turn("user", (Text("Hi"),)),)


@pytest.mark.parametrize(
    "instruction",
    [{"parts": [{"text": "Be brief."}]}, {"role": "user", "parts": {"text": "Be brief."}}, "Be brief."],
)
def test_the_system_instruction(instruction: Any) -> None:
    for key in ("systemInstruction", "system_instruction"):
        assert read({**ASK, key: instruction}).turns[0] == Turn("system", (Text("Be brief."),))


def test_snake_case_means_the_same() -> None:
    camel = read(
        {
            "contents": [
                {
                    "parts": [
                        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                        {"fileData": {"fileUri": "https://a.example/x.pdf", "mimeType": "application/pdf"}},
                    ]
                }
            ],
            "generationConfig": {
                "maxOutputTokens": 5,
                "topP": 0.5,
                "stopSequences": ["x"],
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT", "properties": {"a": {"anyOf": [{"type": "STRING"}]}}},
                "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 7},
            },
            "tools": [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "safetySettings": [],
        }
    )
    snake = read(
        {
            "contents": [
                {
                    "parts": [
                        {"inline_data": {"mime_type": "image/png", "data": "iVBO"}},
                        {
                            "file_data": {
                                "file_uri": "https://a.example/x.pdf",
                                "mime_type": "application/pdf",
                            }
                        },
                    ]
                }
            ],
            "generation_config": {
                "max_output_tokens": 5,
                "top_p": 0.5,
                "stop_sequences": ["x"],
                "response_mime_type": "application/json",
                "response_schema": {"type": "OBJECT", "properties": {"a": {"any_of": [{"type": "STRING"}]}}},
                "thinking_config": {"include_thoughts": True, "thinking_budget": 7},
            },
            "tools": [{"function_declarations": [{"name": "f"}]}, {"googleSearch": {}}],
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
            "safety_settings": [],
        }
    )
    assert snake == camel
    assert camel.tool_choice == ToolChoice("named", "f")


def test_media_by_what_they_are() -> None:
    def inline(kind: str) -> dict[str, Any]:
        return {"inlineData": {"mimeType": kind, "data": "AAAA"}}

    def remote(kind: str, uri: str = "https://a.example/f") -> dict[str, Any]:
        return {"fileData": {"mimeType": kind, "fileUri": uri}}

    assert parts_of(
        inline("image/png"),
        inline("audio/mp3"),
        inline("video/mp4"),
        inline("application/pdf"),
        remote("image/png"),
        remote("video/mp4"),
        remote("", "https://www.youtube.com/watch?v=1"),
        remote("application/pdf", "https://generativelanguage.googleapis.com/v1beta/files/x"),
    ) == (
        Image("AAAA", "image/png"),
        Audio("AAAA", "audio/mpeg"),
        Video("AAAA", "video/mp4"),
        File("AAAA", "application/pdf"),
        Image(media_type="image/png", url="https://a.example/f"),
        Video(media_type="video/mp4", url="https://a.example/f"),
        Video(url="https://www.youtube.com/watch?v=1"),
        File(file_id="https://generativelanguage.googleapis.com/v1beta/files/x"),
    )


def test_bytes_in_the_letters_of_urls_are_taken() -> None:
    assert parts_of({"inlineData": {"mimeType": "image/png", "data": "-_-_AA"}}) == (
        Image("+/+/AA==", "image/png"),
    )


def test_a_call_and_its_result() -> None:
    body = {
        "contents": [
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}]},
            {
                "role": "function",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "c1",
                            "name": "f",
                            "response": {"output": "18 C"},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}],
                        }
                    }
                ],
            },
        ]
    }
    assert read(body).turns == (
        Turn("assistant", (ToolCall("c1", "f", '{"a":1}'),)),
        Turn("user", (ToolResult("c1", (Text("18 C"), Image("iVBO", "image/png")), "f"),)),
    )


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "x"}, "x", False),
        ({"output": {"a": 1}}, '{"a":1}', False),
        ({"error": "gone"}, "gone", True),
        ({"result": [1]}, '{"result":[1]}', False),
        ({"output": "x", "more": 1}, '{"output":"x","more":1}', False),
        ({}, "{}", False),
    ],
)
def test_results_lose_their_usual_wrapping(response: Any, text: str, is_error: bool) -> None:
    result = parts_of({"functionResponse": {"name": "f", "response": response}})[0]
    assert result == ToolResult("", (Text(text),), "f", is_error)


def test_the_thought_signature_of_google_stays_where_it_was() -> None:
    signature = GOOGLE_TOKEN.payload
    assert parts_of(
        {"text": "Hm.", "thought": True},
        {"text": "So.", "thoughtSignature": signature},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": signature},
        role="model",
    ) == (
        Reasoning("Hm."),
        Text("So.", opaque=GOOGLE_TOKEN),
        ToolCall("", "f", "{}", opaque=GOOGLE_TOKEN),
    )


def test_a_signature_in_an_empty_part_belongs_to_the_text_before_it() -> None:
    found = parts_of({"text": "So."}, {"text": "", "thoughtSignature": GOOGLE_TOKEN.payload}, role="model")
    assert found == (Text("So.", opaque=GOOGLE_TOKEN),)


def test_a_sealed_token_vouches_for_the_thoughts_before_the_call() -> None:
    """The golden example of all dialects, with the thoughts and, as its history has it, without."""
    call = {"functionCall": {"id": "t", "name": "f", "args": {}}, "thoughtSignature": sealed(CLAUDE_TOKEN)}
    rest = (Text("Looking."), ToolCall("t", "f", "{}"))
    thoughts = [{"text": "Need ", "thought": True}, {"text": "weather.", "thought": True}]
    assert parts_of(*thoughts, {"text": "Looking."}, call, role="model") == (
        Reasoning("Need weather.", CLAUDE_TOKEN),
        *rest,
    )
    assert parts_of({"text": "Looking."}, call, role="model") == (Reasoning("", CLAUDE_TOKEN), *rest)


def test_each_step_has_its_own_reasoning() -> None:
    def call(id: str) -> dict[str, Any]:
        return {"functionCall": {"id": id, "name": "f", "args": {}}, "thoughtSignature": sealed(CLAUDE_TOKEN)}

    assert parts_of(call("a"), {"text": "b"}, call("b"), role="model") == (
        Reasoning("", CLAUDE_TOKEN),
        ToolCall("a", "f", "{}"),
        Reasoning("", CLAUDE_TOKEN),
        Text("b"),
        ToolCall("b", "f", "{}"),
    )


@pytest.mark.parametrize(
    "signature",
    ["skip_thought_signature_validator", "cmVsYXkxLkZPUkdFRA==", sealed(CLAUDE_TOKEN)[:-4]],
)
def test_what_is_no_signature_never_becomes_one(signature: str) -> None:
    found = parts_of({"functionCall": {"name": "f"}, "thoughtSignature": signature}, role="model")
    tokens = [part.opaque for part in found if isinstance(part, ToolCall | Reasoning)]
    assert all(token is None or token.origin == "anthropic" for token in tokens)
    assert not any(token == CLAUDE_TOKEN for token in tokens)


def test_traces_of_googles_own_tools_are_kept_as_such() -> None:
    found = parts_of({"executableCode": {"language": "PYTHON", "code": "1"}}, role="model")[0]
    assert isinstance(found, HostedItem)


def test_tools() -> None:
    tools = read(
        {
            **ASK,
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}},
                        {
                            "name": "g",
                            "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                        },
                        {"name": "h"},
                    ],
                    "googleSearch": {"excludeDomains": ["a.example"]},
                },
                {"codeExecution": {}},
                {"urlContext": {}},
                {"fileSearch": {"fileSearchStoreNames": ["x"]}},
                {"brandNew": {}},
            ],
        }
    ).tools
    functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
    assert [
        (tool.name, None if tool.schema is None else json.loads(bytes(tool.schema))) for tool in functions
    ] == [
        ("f", {"type": "object"}),
        ("g", {"type": "object", "properties": {"a": {"type": "string"}}}),
        ("h", None),
    ]
    hosted = [(tool.kind, tool.is_plain, tool.type) for tool in tools if isinstance(tool, HostedTool)]
    assert hosted == [
        ("web_search", True, "googleSearch"),
        ("code_execution", True, "codeExecution"),
        ("web_fetch", True, "urlContext"),
        ("file_search", False, "fileSearch"),
        ("other", False, "brandNew"),
    ]
    assert tools[3].blocked_domains == ("a.example",)  # type: ignore[union-attr]


def test_a_schema_in_googles_words_is_said_in_those_of_json_schema() -> None:
    schema = {
        "type": "OBJECT",
        "propertyOrdering": ["a"],
        "required": ["a"],
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["A", "B"]},
            "a": {"type": "ARRAY", "minItems": "2", "items": {"type": "INTEGER"}, "example": [1]},
            "b": {"anyOf": [{"type": "NUMBER"}, {"type": "STRING", "format": "date-time"}], "nullable": True},
        },
    }
    form = read(
        {**ASK, "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}}
    ).format
    assert form is not None
    assert form.schema is not None
    assert json.loads(bytes(form.schema)) == {
        "type": "object",
        "required": ["a"],
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", "B", None]},
            "a": {"type": "array", "minItems": 2, "items": {"type": "integer"}, "examples": [[1]]},
            "b": {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}, {"type": "null"}]},
        },
    }


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "any"}, ToolChoice("required")),
        ({"mode": "ANY", "allowedFunctionNames": ["a"]}, ToolChoice("named", "a")),
        ({"mode": "ANY", "allowedFunctionNames": ["a", "b"]}, ToolChoice("required", allowed=("a", "b"))),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["a"]}, ToolChoice("auto", allowed=("a",))),
    ],
)
def test_tool_choice(config: dict[str, Any], choice: ToolChoice) -> None:
    assert read({**ASK, "toolConfig": {"functionCallingConfig": config}}).tool_choice == choice


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({}, Thinking(show=False)),
        ({"includeThoughts": True}, Thinking(show=True)),
        ({"thinkingBudget": -1, "includeThoughts": True}, Thinking(budget_tokens=-1, show=True)),
        ({"thinkingBudget": 0}, Thinking(budget_tokens=0, show=False)),
        ({"thinkingLevel": "HIGH"}, Thinking(effort="high", show=False)),
        ({"thinkingLevel": "minimal"}, Thinking(effort="minimal", show=False)),
    ],
)
def test_thinking(config: dict[str, Any], thinking: Thinking) -> None:
    assert read({**ASK, "generationConfig": {"thinkingConfig": config}}).thinking == thinking


def test_knobs() -> None:
    request = read(
        {
            **ASK,
            "generationConfig": {
                "temperature": 1,
                "topK": 40.0,
                "candidateCount": 2,
                "seed": 7,
                "presencePenalty": 0.5,
                "frequencyPenalty": None,
                "responseLogprobs": True,
                "logprobs": 3,
                "responseModalities": ["TEXT", "IMAGE"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
                "mediaResolution": "MEDIA_RESOLUTION_LOW",
            },
            "serviceTier": "standard",
            "labels": {"a": "b"},
        }
    )
    assert (request.temperature, request.top_k, request.n, request.seed) == (1, 40, 2, 7)
    assert (request.presence_penalty, request.frequency_penalty) == (0.5, None)
    assert (request.logprobs, request.top_logprobs) == (True, 3)
    assert request.modalities == ("text", "image")
    assert request.audio is not None
    assert json.loads(bytes(request.audio)) == {"voice": "Kore", "format": "pcm16"}
    assert request.service_tier == "default"
    assert sorted(request.extras) == ["generationConfig.mediaResolution", "labels"]


def test_the_form_of_the_answer() -> None:
    def form(**config: Any) -> Format | None:
        return read({**ASK, "generationConfig": config}).format

    assert form(responseMimeType="text/plain") is None
    assert form(responseMimeType="application/json") == Format("json_object")
    found = form(responseMimeType="application/json", responseJsonSchema={"type": "object", "$id": "x"})
    assert found is not None
    assert found.schema is not None
    assert json.loads(bytes(found.schema)) == {"type": "object", "$id": "x"}


@pytest.mark.parametrize(
    ("body", "name", "param"),
    [
        ({"contents": [{"role": "robot", "parts": []}]}, "invalid_value", "contents[0].role"),
        ({"contents": [{"parts": [7]}]}, "invalid_type", "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 7}]}]}, "invalid_type", "contents[0].parts[0].text"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "?"}}]}]},
            "invalid_value",
            "contents[0].parts[0].inlineData.data",
        ),
        ({**ASK, "cachedContent": "cachedContents/x"}, "unsupported_parameter", "cachedContent"),
        ({**ASK, "generationConfig": {"topP": "x"}}, "invalid_type", "generationConfig.topP"),
        (
            {**ASK, "generationConfig": {"responseMimeType": "text/x.enum"}},
            "unsupported_parameter",
            "generationConfig.responseMimeType",
        ),
        (
            {**ASK, "tools": [{"functionDeclarations": [{}]}]},
            "invalid_type",
            "tools[0].functionDeclarations[0].name",
        ),
    ],
)
def test_what_can_not_be_read_is_named(body: dict[str, Any], name: str, param: str) -> None:
    assert refusal(body) == (name, param)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "missing_parameter"),
        ({"contents": None}, "missing_parameter"),
        ({"contents": []}, "invalid_value"),
        ({"contents": "Hi"}, "invalid_type"),
        ({**ASK, "generationConfig": []}, "invalid_type"),
        ({**ASK, "generationConfig": {"candidateCount": 5000}}, "invalid_value"),
        ({**ASK, "generationConfig": {"maxOutputTokens": "many"}}, "invalid_type"),
    ],
)
def test_what_is_no_request_is_refused_at_once(body: dict[str, Any], name: str) -> None:
    with pytest.raises(ApiError) as caught:
        call_of(body)
    assert caught.value.row.name == name


def test_what_the_relay_has_to_know() -> None:
    path = InPath("gemini-3-pro", stream=True, array=True)
    body = {
        "contents": [{"parts": [{"text": "x"}, {"inline_data": {"mime_type": "image/png", "data": "iVBO"}}]}],
        "generation_config": {"candidate_count": 3, "max_output_tokens": 100.0},
    }
    call = call_of(body, in_path=path)
    assert (call.model, call.stream, call.choices, call.output_tokens_cap, call.images) == (
        "gemini-3-pro",
        True,
        3,
        100,
        1,
    )


@pytest.mark.parametrize(
    ("path", "model"),
    [("gemini-3-pro", "gemini-3-pro"), ("models/a", "a"), ("tunedModels/x", "tunedModels/x")],
)
def test_the_model_stands_in_the_path(path: str, model: str) -> None:
    assert read_model({}, InPath(path)) == model


def test_a_missing_model_is_named() -> None:
    with pytest.raises(ApiError, match="model"):
        read_model({}, InPath())


def test_a_count_may_hold_the_request_within() -> None:
    inner = {"model": "models/x", **ASK, "systemInstruction": {"parts": [{"text": "Be brief."}]}}
    call = call_of({"generateContentRequest": inner}, "gemini_count_tokens")
    assert [turn.role for turn in read_request(call, PlainSeals()).turns] == ["system", "user"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just("user") | st.just("x"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["text", "parts", "name"]), inner)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize(
    "key",
    ["systemInstruction", "tools", "toolConfig", "generationConfig", "contents", "serviceTier", "store"],
)
@given(value=_JSON)
def test_odd_values_are_refused_or_read_and_never_break(key: str, value: Any) -> None:
    with contextlib.suppress(ApiError):
        assert read({**ASK, key: value}).stream is False
