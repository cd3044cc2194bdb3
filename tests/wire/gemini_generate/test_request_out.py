"""Without this a request of another dialect could reach Google in a form that it refuses as a whole, with
reasoning of another maker, or without the signatures that it wants back."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.wire.gemini_generate.vectors import (
    CLAUDE_TOKEN,
    GEMINI_3,
    GEMINI_25,
    GOOGLE_TOKEN,
    PLAIN,
    PlainSeals,
    body_of,
    call_of,
)

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import STOPS_MAX
from switchgear.wire.gemini_generate.from_client.request import read_request
from switchgear.wire.gemini_generate.signatures import SKIP
from switchgear.wire.gemini_generate.to_upstream.parts import remote_files
from switchgear.wire.gemini_generate.to_upstream.request import write_request
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    Effort,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Part,
    Reasoning,
    RemoteFile,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
    Video,
)

HI = Turn("user", (Text("Hi"),))


def write(request: Request, upstream: Upstream = GEMINI_25) -> dict[str, Any]:
    return body_of(write_request(request, upstream))


def contents(*turns: Turn, upstream: Upstream = GEMINI_25) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = write(Request(turns), upstream)["contents"]
    return found


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def model(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def schema(**properties: Any) -> Raw:
    return Raw(msgspec.json.encode({"type": "object", "properties": properties}))


def with_facts(upstream: Upstream, **facts: Any) -> Upstream:
    return msgspec.structs.replace(upstream, facts=msgspec.structs.replace(upstream.facts, **facts))


def test_the_history_of_the_example() -> None:
    found = contents(
        user(Text("Weather in Rome?")),
        model(
            Reasoning("Need weather.", GOOGLE_TOKEN),
            Text("Looking."),
            ToolCall("toolu_9", "get_weather", '{"city":"Rome"}'),
        ),
        user(ToolResult("toolu_9", (Text("18 C"),))),
        upstream=GEMINI_3,
    )
    assert found == [
        {"role": "user", "parts": [{"text": "Weather in Rome?"}]},
        {
            "role": "model",
            "parts": [
                {"text": "Looking."},
                {
                    "functionCall": {"id": "toolu_9", "name": "get_weather", "args": {"city": "Rome"}},
                    "thoughtSignature": GOOGLE_TOKEN.payload,
                },
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "toolu_9", "name": "get_weather", "response": {"output": "18 C"}}}
            ],
        },
    ]


def test_the_first_call_of_each_step_is_signed_or_excused() -> None:
    """Foreign history: Gemini 3 refuses a step whose first call has no signature."""
    turns = (
        HI,
        model(
            Reasoning("x", CLAUDE_TOKEN),
            ToolCall("a", "f", "{}", opaque=CLAUDE_TOKEN),
            ToolCall("b", "f", "{}"),
        ),
        user(ToolResult("a", (Text("1"),)), ToolResult("b", (Text("2"),))),
        model(ToolCall("c", "f", "{}", opaque=GOOGLE_TOKEN)),
        user(ToolResult("c", (Text("3"),))),
    )

    def signatures(upstream: Upstream) -> list[str | None]:
        parts = [part for content in contents(*turns, upstream=upstream) for part in content["parts"]]
        return [part.get("thoughtSignature") for part in parts if "functionCall" in part]

    assert signatures(GEMINI_3) == [SKIP, None, GOOGLE_TOKEN.payload]
    assert signatures(GEMINI_25) == [None, None, GOOGLE_TOKEN.payload]
    assert "SIG" not in json.dumps(contents(*turns, upstream=GEMINI_3))


def test_a_signed_text_keeps_its_signature() -> None:
    found = contents(HI, model(Text("Yes.", opaque=GOOGLE_TOKEN)), user(Text("And?")))
    assert found[1]["parts"] == [{"text": "Yes.", "thoughtSignature": GOOGLE_TOKEN.payload}]
    found = contents(HI, model(Reasoning("Hm.", GOOGLE_TOKEN), Text("Yes.")), user(Text("And?")))
    assert found[1]["parts"] == [{"text": "Yes.", "thoughtSignature": GOOGLE_TOKEN.payload}]


def test_instructions_stand_where_google_looks_for_them() -> None:
    request = Request(
        (Turn("system", (Text("A"),)), Turn("developer", (Text("B"),)), HI, Turn("system", (Text("C"),)))
    )
    found = write(request)
    assert found["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert found["contents"] == [
        {
            "role": "user",
            "parts": [{"text": "Hi"}, {"text": "<system-reminder>\nC\n</system-reminder>"}],
        }
    ]


def test_a_model_without_instructions_is_told_by_the_user() -> None:
    found = write(Request((Turn("system", (Text("A"),)), HI)), with_facts(PLAIN, system_role="none"))
    assert found == {"contents": [{"role": "user", "parts": [{"text": "A"}, {"text": "Hi"}]}]}


def test_instructions_alone_are_a_question() -> None:
    found = write(Request((Turn("system", (Text("A"),)),)), PLAIN)
    assert found == {"contents": [{"role": "user", "parts": [{"text": "A"}]}]}


def test_a_conversation_neither_starts_with_a_call_nor_ends_with_the_model() -> None:
    found = contents(model(ToolCall("a", "f", "{}")), user(ToolResult("a", (Text("1"),))), model(Text("So")))
    assert [content["role"] for content in found] == ["user", "model", "user", "model", "user"]
    assert found[0]["parts"] == [{"text": "."}]
    assert found[-1]["parts"] == [{"text": "Continue from exactly where the text ends."}]


def test_empty_texts_are_left_out() -> None:
    found = contents(HI, model(Text("")), user(Text(""), Text("Hm")))
    assert [part for content in found for part in content["parts"]] == [{"text": "Hi"}, {"text": "Hm"}]


def test_missing_results_are_filled_in_and_orphans_become_text() -> None:
    found = contents(
        HI, model(ToolCall("a", "f", "{}")), user(ToolResult("z", (Text("orphan"),)), Text("Go on"))
    )
    assert found[2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "f", "response": {"error": "[no result: interrupted]"}}}
    ]
    assert found[3]["parts"] == [{"text": "orphan"}, {"text": "Go on"}]


@pytest.mark.parametrize(
    ("said", "is_error", "response"),
    [
        ("18 C", False, {"output": "18 C"}),
        ('{"t": 18}', False, {"t": 18}),
        ("{broken", False, {"output": "{broken"}),
        ("[1]", False, {"output": "[1]"}),
        ("", False, {"output": ""}),
        ("gone", True, {"error": "gone"}),
    ],
)
def test_a_result_is_always_an_object(said: str, is_error: bool, response: Any) -> None:
    result = ToolResult("a", (Text(said),) if said else (), is_error=is_error)
    found = contents(HI, model(ToolCall("a", "f", "{}")), user(result))
    assert found[2]["parts"][0]["functionResponse"]["response"] == response


@pytest.mark.parametrize(
    ("written", "args"),
    [("", {}), ('{"a": 1}', {"a": 1}), ("{broken", {"_raw": "{broken"}), ("[1]", {"_raw": "[1]"})],
)
def test_a_call_is_never_dropped_for_its_arguments(written: str, args: Any) -> None:
    found = contents(HI, model(ToolCall("a", "f", written)), user(ToolResult("a", (Text("1"),))))
    assert found[1]["parts"][0]["functionCall"]["args"] == args


def test_pictures_of_results_are_not_lost() -> None:
    result = ToolResult("a", (Text("see"), Image("iVBO", "image/png")))
    turns = (HI, model(ToolCall("a", "f", "{}")), user(result, Text("What is it?")))
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    newer = contents(*turns, upstream=GEMINI_3)
    assert newer[2]["parts"][0]["functionResponse"]["parts"] == [picture]
    older = contents(*turns, upstream=GEMINI_25)
    assert "parts" not in older[2]["parts"][0]["functionResponse"]
    assert older[3]["parts"] == [picture, {"text": "What is it?"}]


def test_ids_with_foreign_letters_are_cleaned_alike_in_call_and_result() -> None:
    found = contents(
        HI, model(ToolCall("functions.Bash:0", "f", "{}")), user(ToolResult("functions.Bash:0", (Text("1"),)))
    )
    ids = {found[1]["parts"][0]["functionCall"]["id"], found[2]["parts"][0]["functionResponse"]["id"]}
    assert len(ids) == 1
    assert ":" not in ids.pop()


def test_media_go_inline_and_those_behind_urls_are_asked_for() -> None:
    url, film = "https://a.example/p.png", "https://youtu.be/x"
    turn = user(
        Image(url=url),
        Image("AAAA", "image/webp"),
        Audio("AAAA", "audio/mpeg"),
        File("AAAA", "application/pdf"),
        File(text="plain", filename="a.txt"),
        Video(url=film),
        Audio(answer_id="audio_1", transcript="said"),
    )
    request = Request((turn,))
    assert remote_files(request) == (url,)
    upstream = msgspec.structs.replace(GEMINI_25, files={url: RemoteFile("image/png", "iVBO")})
    assert write(request, upstream)["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        {"text": "a.txt\nplain"},
        {"fileData": {"fileUri": film}},
        {"text": "said"},
    ]


@pytest.mark.parametrize(
    "part", [Image(file_id="file-1"), File(file_id="file-1"), Image(url="https://a.example")]
)
def test_what_only_others_can_read_is_refused(part: Part) -> None:
    with pytest.raises(ApiError) as caught:
        write(Request((user(part),)))
    assert caught.value.row.name == "unsupported_parameter"


def test_functions_stand_in_one_tool_with_their_real_schemas() -> None:
    tools = (
        FunctionTool(
            "f", "d", Raw(b'{"type":"object","properties":{"a":{"const":1}},"additionalProperties":false}')
        ),
        FunctionTool("g", schema=schema()),
        FunctionTool("h"),
        CustomTool("patch", "p"),
    )
    found = write(Request((HI,), tools))["tools"]
    assert found == [
        {
            "functionDeclarations": [
                {
                    "name": "f",
                    "description": "d",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"a": {"const": 1}},
                        "additionalProperties": False,
                    },
                },
                {"name": "g"},
                {"name": "h"},
                {
                    "name": "patch",
                    "description": "p",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                },
            ]
        },
    ]


HOSTED = (
    HostedTool("web_search", "openai_chat", Raw(b"{}")),
    HostedTool("code_execution", "anthropic_messages", Raw(b"{}")),
    HostedTool("web_fetch", "anthropic_messages", Raw(b"{}")),
)


def test_googles_own_tools_are_named_as_google_does() -> None:
    found = write(Request((HI,), HOSTED))["tools"]
    assert found == [{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}]


def test_googles_own_tools_are_left_out_beside_functions_and_that_is_told() -> None:
    """Both together are refused as a whole."""
    written = write_request(Request((HI,), (FunctionTool("f"), *HOSTED)), GEMINI_25)
    assert body_of(written)["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert written.dropped == ("web_search", "code_execution", "web_fetch")


def test_a_tool_of_googles_that_is_asked_for_by_name_comes_before_functions() -> None:
    request = Request((HI,), (FunctionTool("f"), HOSTED[0]), ToolChoice("named", "web_search"))
    found = write(request)
    assert found["tools"] == [{"googleSearch": {}}]
    assert "toolConfig" not in found


def test_keywords_that_google_refuses_never_reach_a_model_of_the_subset() -> None:
    tool = FunctionTool(
        "f",
        schema=Raw(
            b'{"$schema":"x","type":"object","additionalProperties":false,"properties":{"a":{"$ref":"#/$defs/A"}},'
            b'"$defs":{"A":{"oneOf":[{"const":1},{"type":"string","exclusiveMinimum":3}]}}}'
        ),
    )
    upstream = with_facts(GEMINI_25, schema_subset=True)
    declared = write(Request((HI,), (tool,)), upstream)["tools"][0]["functionDeclarations"][0]
    assert "parametersJsonSchema" not in declared
    text = json.dumps(declared["parameters"]["properties"])
    for word in ("$ref", "$defs", "oneOf", "const", "exclusiveMinimum"):
        assert f'"{word}"' not in text


def test_names_that_google_refuses_are_replaced_and_can_be_restored() -> None:
    request = Request(
        (HI, model(ToolCall("a", "3d/render", "{}")), user(ToolResult("a", (Text("1"),)))),
        (FunctionTool("3d/render"), FunctionTool("fine")),
        ToolChoice("named", "3d/render"),
    )
    written = write_request(request, GEMINI_25)
    (short,) = written.names
    assert written.names == {short: "3d/render"}
    body = body_of(written)
    assert body["tools"][0]["functionDeclarations"][0]["name"] == short
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == short
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == short
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": [short]}


@pytest.mark.parametrize(
    ("choice", "mode", "allowed", "declared"),
    [
        (ToolChoice("none"), "NONE", None, ["f", "g"]),
        (ToolChoice("auto"), "AUTO", None, ["f", "g"]),
        (ToolChoice("required"), "ANY", None, ["f", "g"]),
        (ToolChoice("required", allowed=("g",)), "ANY", ["g"], ["f", "g"]),
        (ToolChoice("auto", allowed=("g",)), "AUTO", None, ["g"]),
    ],
)
def test_tool_choice(choice: ToolChoice, mode: str, allowed: list[str] | None, declared: list[str]) -> None:
    found = write(Request((HI,), (FunctionTool("f"), FunctionTool("g")), choice))
    config = found["toolConfig"]["functionCallingConfig"]
    assert (config["mode"], config.get("allowedFunctionNames")) == (mode, allowed)
    assert [tool["name"] for tool in found["tools"][0]["functionDeclarations"]] == declared


def test_a_choice_without_functions_is_not_sent() -> None:
    assert "toolConfig" not in write(Request((HI,), tool_choice=ToolChoice("auto")))


def config_of(request: Request, upstream: Upstream = PLAIN) -> dict[str, Any]:
    found: dict[str, Any] = write(request, upstream).get("generationConfig", {})
    return found


def test_knobs() -> None:
    request = Request(
        (HI,),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        output_tokens_max=100_000,
        n=2,
        seed=7,
        stop=("a", "b"),
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
        modalities=("text", "image"),
    )
    assert config_of(request) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "seed": 7,
        "maxOutputTokens": 8192,
        "candidateCount": 2,
        "stopSequences": ["a", "b"],
        "responseLogprobs": True,
        "logprobs": 3,
        "responseModalities": ["TEXT", "IMAGE"],
    }


def test_knobs_that_a_model_refuses_are_left_out_and_told() -> None:
    request = Request((HI,), temperature=1, presence_penalty=1, stop=("a",))
    upstream = with_facts(PLAIN, no_sampling=True, no_penalties=True, no_stop=True)
    written = write_request(request, upstream)
    assert "generationConfig" not in written.body
    assert written.dropped == ("temperature", "presence_penalty")
    assert written.stops == ("a",)


def test_stops_beyond_what_google_takes_are_looked_for_here() -> None:
    written = write_request(Request((HI,), stop=tuple("abcdef")), PLAIN)
    assert json.loads(bytes(written.body["generationConfig"]))["stopSequences"] == list("abcde")
    assert written.stops == ("f",)
    with pytest.raises(ApiError) as caught:
        write(Request((HI,), stop=tuple(map(str, range(6 + STOPS_MAX)))))
    assert caught.value.param == "stop"


def test_a_spoken_answer() -> None:
    request = Request((HI,), modalities=("text", "audio"), audio=Raw(b'{"voice":"alloy","format":"wav"}'))
    assert config_of(request) == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }


def test_the_form_of_the_answer() -> None:
    form = Format("json_schema", schema(a={"const": 1}), "answer")
    assert config_of(Request((HI,), format=Format("json_object"))) == {"responseMimeType": "application/json"}
    found = config_of(Request((HI,), format=form))
    assert found["responseJsonSchema"]["properties"] == {"a": {"const": 1}}
    subset = config_of(Request((HI,), format=form), with_facts(PLAIN, schema_subset=True))
    assert "responseJsonSchema" not in subset
    assert "const" not in json.dumps(subset["responseSchema"])


def test_a_form_beside_functions_is_told_where_no_field_may_say_it() -> None:
    request = Request((HI,), (FunctionTool("f"),), format=Format("json_schema", schema(a={})))
    older, newer = write(request, GEMINI_25), write(request, GEMINI_3)
    assert "responseMimeType" not in older["generationConfig"]
    assert '"properties":{"a":{}}' in older["systemInstruction"]["parts"][-1]["text"]
    assert newer["generationConfig"]["responseMimeType"] == "application/json"


FLASH = with_facts(GEMINI_25, thinking_off=True, budget_min=0, budget_max=24_576)
LEVELS = with_facts(GEMINI_3, efforts=("minimal", "low", "medium", "high"))
UNKNOWN = Upstream("gemini-new", "gemini", "google", ModelFacts())


@pytest.mark.parametrize(
    ("upstream", "thinking", "config"),
    [
        (GEMINI_25, Thinking(effort="none"), {"thinkingBudget": 128}),
        (GEMINI_25, Thinking(effort="low"), {"thinkingBudget": 1024, "includeThoughts": True}),
        (GEMINI_25, Thinking(effort="max"), {"thinkingBudget": 32_768, "includeThoughts": True}),
        (GEMINI_25, Thinking(budget_tokens=-1), {"thinkingBudget": -1, "includeThoughts": True}),
        (GEMINI_25, Thinking(effort="high", show=False), {"thinkingBudget": 24_576}),
        (GEMINI_25, None, {"includeThoughts": True}),
        (FLASH, Thinking(effort="none"), {"thinkingBudget": 0}),
        (FLASH, Thinking(effort="xhigh"), {"thinkingBudget": 24_576, "includeThoughts": True}),
        (GEMINI_3, Thinking(effort="none"), {"thinkingLevel": "low"}),
        (GEMINI_3, Thinking(effort="minimal"), {"thinkingLevel": "low", "includeThoughts": True}),
        (GEMINI_3, Thinking(effort="medium"), {"thinkingLevel": "high", "includeThoughts": True}),
        (GEMINI_3, Thinking(effort="xhigh"), {"thinkingLevel": "high", "includeThoughts": True}),
        (GEMINI_3, Thinking(budget_tokens=1024), {"thinkingLevel": "low", "includeThoughts": True}),
        (LEVELS, Thinking(effort="minimal"), {"thinkingLevel": "minimal", "includeThoughts": True}),
        (LEVELS, Thinking(effort="medium"), {"thinkingLevel": "medium", "includeThoughts": True}),
        (LEVELS, Thinking(effort="max"), {"thinkingLevel": "high", "includeThoughts": True}),
        (PLAIN, Thinking(effort="high"), None),
        (PLAIN, None, None),
        (UNKNOWN, None, None),
        (UNKNOWN, Thinking(effort="low"), {"thinkingBudget": 1024, "includeThoughts": True}),
    ],
)
def test_reasoning_by_the_means_of_each_family(
    upstream: Upstream, thinking: Thinking | None, config: dict[str, Any] | None
) -> None:
    """Never both ways of saying how much, and nothing to models that refuse every switch."""
    assert config_of(Request((HI,), thinking=thinking), upstream).get("thinkingConfig") == config


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
@pytest.mark.parametrize("upstream", [GEMINI_25, FLASH, GEMINI_3, LEVELS])
def test_no_effort_leads_to_two_switches(effort: Effort, upstream: Upstream) -> None:
    config = config_of(Request((HI,), thinking=Thinking(effort=effort)), upstream)["thinkingConfig"]
    assert ("thinkingBudget" in config) != ("thinkingLevel" in config)


def test_safety_and_tier() -> None:
    safety = Raw(b'[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}]')
    found = write(Request((HI,), safety=safety, service_tier="flex"), PLAIN)
    assert found["safetySettings"] == json.loads(bytes(safety))
    assert found["serviceTier"] == "flex"
    assert "serviceTier" not in write(Request((HI,), service_tier="auto"), PLAIN)


BODIES: list[dict[str, Any]] = [
    {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    {
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "So."},
                    {
                        "functionCall": {"id": "c1", "name": "f", "args": {"x": [1, None]}},
                        "thoughtSignature": GOOGLE_TOKEN.payload,
                    },
                    {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "1"}}},
                    {"functionResponse": {"id": "c2", "name": "g", "response": {"error": "no"}}},
                ],
            },
            {"role": "user", "parts": [{"text": "And?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.5,
            "topK": 3,
            "seed": 1,
            "maxOutputTokens": 100,
            "candidateCount": 2,
            "stopSequences": ["x"],
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
        },
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "$id": "x"}},
                    {"name": "g"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    },
]


@pytest.mark.parametrize("body", BODIES)
def test_what_was_read_is_written_again(body: dict[str, Any]) -> None:
    upstream = with_facts(GEMINI_3, thinking="level" if "generationConfig" in body else "none")
    again = write(read_request(call_of(body), PlainSeals()), upstream)
    if "tools" in body:
        # A schema without properties declares nothing.
        body = json.loads(json.dumps(body))
        del body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert again == body


@pytest.mark.parametrize("form", ["mp3", "opus", "flac", "aac"])
def test_a_sound_that_can_t_be_made_is_refused(form: str) -> None:
    audio = Raw(json.dumps({"voice": "alloy", "format": form}).encode())
    with pytest.raises(ApiError) as caught:
        write(Request((HI,), modalities=("text", "audio"), audio=audio))
    assert caught.value.param == "audio.format"
    assert "wav or pcm16" in caught.value.message
