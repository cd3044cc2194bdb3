"""Without this a request could lose or change what it says on its way to another dialect or from one: turns,
calls and their results, reasoning, tools, pictures, knobs; or fail at what clients really send."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tests.sim import responses_items, responses_strict, seal
from tests.wire.openai_responses.support import PlainSeals

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import STOP_CHARS_MAX
from switchgear.wire.call import NOTHING_IN_PATH, Call
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.loss import CONCEPTS
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Opaque,
    Reasoning,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
)
from switchgear.wire.openai_responses.carries import CARRIES
from switchgear.wire.openai_responses.from_client.request import read_request
from switchgear.wire.openai_responses.passing.request import with_thinking
from switchgear.wire.openai_responses.peek import read_call
from switchgear.wire.openai_responses.to_upstream.request import write_request

REQUESTS = Path(__file__).parent / "golden" / "requests"
NAMES = sorted(path.stem for path in REQUESTS.glob("*.json"))
OPENAI = Upstream("gpt", origin="openai:main", facts=ModelFacts(thinking="effort"))
DEEPSEEK = Upstream("deepseek", "deepseek", "deepseek")


def call_of(body: dict[str, Any] | bytes) -> Call:
    fields = read_fields(body if isinstance(body, bytes) else json.dumps(body).encode())
    return read_call("openai_responses", fields, "m", NOTHING_IN_PATH)


def read(**fields: Any) -> Request:
    return read_request(call_of({"model": "m", "input": "hi", **fields}), PlainSeals())


def items(*found: dict[str, Any]) -> tuple[Turn, ...]:
    return read(input=list(found)).turns


def written(request: Request, upstream: Upstream = OPENAI) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(write_request(request, upstream).body))
    return found


def named(value: Any) -> Any:
    """Structs with their type's name, without what is at its default."""
    if isinstance(value, msgspec.Struct):
        defaults = dict(zip(value.__struct_fields__[::-1], value.__struct_defaults__[::-1], strict=False))
        said = {
            name: named(found)
            for name in value.__struct_fields__
            if (found := getattr(value, name)) != defaults.get(name, ...)
        }
        return {type(value).__name__: said}
    if isinstance(value, tuple):
        return [named(inner) for inner in value]
    if isinstance(value, dict):
        return {key: named(inner) for key, inner in value.items()}
    return json.loads(bytes(value)) if isinstance(value, Raw) else value


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    """``client`` is what is sent, ``neutral`` how it is understood, the others how it is written for two
    upstreams. Written anew under RECORD_GOLDEN=1."""
    path = REQUESTS / f"{name}.json"
    body = json.loads(path.read_text())["client"]
    request = read_request(call_of(body), PlainSeals())
    found = {
        "client": body,
        "neutral": named(request),
        "openai": written(request),
        "deepseek": written(request, DEEPSEEK),
    }
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("RECORD_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_concept_has_a_row() -> None:
    assert set(CARRIES) == set(CONCEPTS)


# --- what clients send


def test_reasoning_message_and_calls_are_one_turn_and_a_result_ends_it() -> None:
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "1", "output": "ok"}
    answer = {"role": "assistant", "content": "a"}
    turns = items(
        {"type": "reasoning", "summary": [{"text": "r"}]}, answer, call, result, call, result, answer
    )
    assert [turn.role for turn in turns] == ["assistant", "user", "assistant", "user", "assistant"]
    assert [type(part) for part in turns[0].parts] == [Reasoning, Text, ToolCall]


def test_encrypted_reasoning_is_reasoning_and_not_an_empty_message() -> None:
    native = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    assert items(native)[0].parts == (Reasoning("", Opaque("", "encrypted", "gAAAA")),)
    sealed = {**native, "encrypted_content": "relay1.anthropic.redacted.X"}
    assert items(sealed)[0].parts == (Reasoning("", Opaque("anthropic", "redacted", "X")),)


def test_googles_signature_goes_to_the_part_after_the_reasoning() -> None:
    reasoning = {"type": "reasoning", "summary": [], "encrypted_content": "relay1.google.signature.Sig"}
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    signed = Opaque("google", "signature", "Sig")
    assert items(reasoning, call, call)[0].parts[0] == ToolCall("1", "f", "{}", opaque=signed)
    assert items(reasoning, call, call)[0].parts[1] == ToolCall("1", "f", "{}")
    said = {"role": "assistant", "content": "a"}
    assert items(reasoning, said)[0].parts == (Text("a", opaque=signed),)


def test_tools_within_the_input_are_declared() -> None:
    tool = {"type": "function", "name": "late", "parameters": {"type": "object"}}
    for kind in ("additional_tools", "tool_search_output"):
        request = read(
            tools=[tool], input=[{"type": kind, "tools": [tool, {**tool, "name": "b"}]}, {"role": "user"}]
        )
        assert [named(found)["FunctionTool"]["name"] for found in request.tools] == ["late", "b"]


@pytest.mark.parametrize(
    ("namespace", "flat"), [("mcp__srv", "mcp__srv__look"), ("mcp__srv__", "mcp__srv__look")]
)
def test_namespaces_are_flattened_alike_in_tools_calls_and_choice(namespace: str, flat: str) -> None:
    call = {
        "type": "function_call",
        "call_id": "1",
        "name": "look",
        "namespace": namespace,
        "arguments": "{}",
    }
    request = read(
        tools=[{"type": "namespace", "name": namespace, "tools": [{"type": "function", "name": "look"}]}],
        tool_choice={"type": "function", "name": "look", "namespace": namespace},
        input=[{**call, "arguments": "{}"}],
    )
    assert request.tools == (FunctionTool(flat, namespace=namespace),)
    assert request.tool_choice == ToolChoice("named", flat)
    assert request.turns[0].parts == (ToolCall("1", flat, "{}", namespace=namespace),)


def test_the_forms_of_chat_completions_are_taken_where_people_mix_them_up() -> None:
    request = read(
        input=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]}],
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        text={"format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}}},
    )
    assert request.turns[0].parts == (Image(url="https://a/b"),)
    assert request.tools == (FunctionTool("f", schema=Raw(b'{"type": "object"}')),)
    assert request.format == Format("json_schema", Raw(b'{"a": 1}'), "n")


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    body = rb'{"model":"m","input":[{"role":"user","content":"a\ud800"}],"instructions":"\udc00"}'
    request = read_request(call_of(body), PlainSeals())
    assert [turn.parts for turn in request.turns] == [(Text("\ufffd"),), (Text("a\ufffd"),)]


def test_nulls_say_nothing() -> None:
    fields = dict.fromkeys(
        ("instructions", "tools", "tool_choice", "reasoning", "text", "include", "metadata", "user", "top_p"),
        None,
    )
    assert read(**fields, max_output_tokens=4096.0, previous_response_id=None) == read(max_output_tokens=4096)


def test_unknown_fields_are_told_and_never_refused() -> None:
    request = read(client_metadata={"a": 1}, context_management=[], max_tool_calls=2, truncation="disabled")
    assert sorted(request.extras) == ["client_metadata", "context_management", "max_tool_calls"]


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ({"effort": "low"}, Thinking("low")),
        ({"summary": "auto"}, Thinking(show=True, summary="auto")),
        ({"effort": None, "summary": None}, Thinking(show=False)),
        ({"effort": "none"}, Thinking("none")),
        ({"generate_summary": "concise"}, Thinking(show=True, summary="concise")),
        ({}, None),
    ],
)
def test_reasoning_controls(reasoning: dict[str, Any], expected: Thinking | None) -> None:
    assert read(reasoning=reasoning).thinking == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 1}, "input"),
        ({"input": None}, "input"),
        ({"input": [1]}, "input.0"),
        ({"input": [{}]}, "input.0.type"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input.0.role"),
        ({"input": [{"role": "user", "content": 1}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input.0.content.0.type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]},
            "input.0.content.0.text",
        ),
        ({"input": [{"type": "function_call", "call_id": "1"}]}, "input.0.name"),
        ({"input": [{"type": "function_call_output", "output": "a"}]}, "input.0.call_id"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input.0"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [{}]}, "tools.0.type"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"reasoning": {"effort": "heroic"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"stream": "yes"}, "stream"),
        ({"include": "all"}, "include"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(**fields)
    assert caught.value.param == param
    assert caught.value.row.status == 400


_any: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.text("a:", max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["type", "text", "content", "role", "name", "output", "summary", "url", "tools"]),
            st.one_of(
                inner, st.sampled_from(["message", "function_call", "input_image", "reasoning", "user"])
            ),
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@given(st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning", "include", "metadata"]), _any)
def test_any_value_is_read_or_refused(key: str, value: Any) -> None:
    with contextlib.suppress(ApiError):
        assert isinstance(read(**{key: value}), Request)


# --- what upstreams of the dialect get


def test_reasoning_goes_back_to_its_maker_only_and_before_what_it_led_to() -> None:
    def asked(opaque: Opaque | None, *after: Any) -> list[dict[str, Any]]:
        turns = (Turn("user", (Text("q"),)), Turn("assistant", (Reasoning("r", opaque), *after)))
        found: list[dict[str, Any]] = written(Request((*turns, Turn("user", (Text("n"),)))))["input"]
        return [item for item in found if item.get("type") == "reasoning"]

    own = Opaque("openai:main", "encrypted", "ENC")
    assert asked(own, Text("a")) == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "r"}],
            "encrypted_content": "ENC",
        }
    ]
    assert asked(own) == []
    for foreign in (
        None,
        Opaque("openai:other", "encrypted", "ENC"),
        Opaque("anthropic", "signature", "SIG"),
    ):
        assert asked(foreign, Text("a")) == []


def test_vendors_of_plain_reasoning_get_it_back_as_text() -> None:
    turns = (Turn("user", (Text("q"),)), Turn("assistant", (Reasoning("r"), Text("a"))))
    found = written(Request((*turns, Turn("user", (Text("n"),)))), DEEPSEEK)
    assert found["input"][1]["content"] == [{"type": "reasoning_text", "text": "r"}]
    assert "include" not in found


def test_nothing_is_stored_upstream_unless_asked() -> None:
    assert written(Request(()))["store"] is False
    assert written(Request((), store=True))["store"] is True
    assert written(Request(()))["include"] == ["reasoning.encrypted_content"]


def test_the_least_output_and_the_most() -> None:
    assert written(Request((), output_tokens_max=1))["max_output_tokens"] == 16
    small = Upstream("m", facts=ModelFacts(output_tokens_max=100))
    assert written(Request((), output_tokens_max=1000), small)["max_output_tokens"] == 100


def test_sampling_is_left_out_where_the_model_refuses_it() -> None:
    found = write_request(
        Request((), temperature=1.0, top_p=0.5), Upstream("o3", facts=ModelFacts(no_sampling=True))
    )
    assert found.dropped == ("temperature", "top_p")
    assert "temperature" not in found.body


_AUTO = {"summary": "auto"}
_TWO = ModelFacts(thinking="effort", efforts=("low", "high"))


@pytest.mark.parametrize(
    ("thinking", "facts", "expected"),
    [
        (
            Thinking("xhigh"),
            ModelFacts(thinking="effort", efforts=("low", "high")),
            {"effort": "high", **_AUTO},
        ),
        (Thinking(budget_tokens=8000), ModelFacts(thinking="effort"), {"effort": "medium", **_AUTO}),
        (Thinking("none"), ModelFacts(), None),
        (Thinking("none"), ModelFacts(thinking="effort", efforts=("none", "low")), {"effort": "none"}),
        (Thinking("none"), _TWO, {"effort": "low"}),
        (Thinking("none"), ModelFacts(thinking="type", efforts=("low", "high")), {"effort": "none"}),
        (
            Thinking("low", show=True, summary="concise"),
            ModelFacts(),
            {"effort": "low", "summary": "concise"},
        ),
        (Thinking("low", show=False, summary="auto"), ModelFacts(), {"effort": "low"}),
        (Thinking("low"), ModelFacts(thinking="none"), None),
        (Thinking("low"), ModelFacts(thinking="always"), _AUTO),
        (Thinking(), ModelFacts(), _AUTO),
        (None, ModelFacts(thinking="effort"), None),
    ],
)
def test_reasoning_is_asked_for_as_the_model_takes_it(
    thinking: Thinking | None, facts: ModelFacts, expected: dict[str, str] | None
) -> None:
    upstream = Upstream("m", origin="openai:main", facts=facts)
    found = written(Request((), thinking=thinking), upstream)
    assert found.get("reasoning") == expected
    reasons = expected is not None or facts.thinking not in ("", "none")
    assert found.get("include") == (["reasoning.encrypted_content"] if reasons else None)


def test_a_wish_about_reasoning_beside_the_body_changes_its_effort_alone() -> None:
    call = call_of({"model": "m", "input": "a", "reasoning": {"summary": "auto", "effort": "low"}})
    facts = ModelFacts(thinking="effort", efforts=("low", "high"))
    wished = with_thinking(call, Thinking("max"), facts)
    assert json.loads(bytes(wished.fields["reasoning"])) == {"summary": "auto", "effort": "high"}
    assert with_thinking(call, Thinking(), facts) is call


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        (ToolChoice("auto"), "auto", ["f", "g"]),
        (ToolChoice("required"), "auto", ["f", "g"]),
        (ToolChoice("named", "g"), "auto", ["g"]),
        (ToolChoice("auto", allowed=("g",)), "auto", ["g"]),
        (ToolChoice("none"), None, []),
    ],
)
def test_a_choice_that_the_model_does_not_take_is_the_nearest_one(
    choice: ToolChoice, expected: Any, names: list[str]
) -> None:
    upstream = Upstream("kimi", "moonshot", "moonshot", ModelFacts(tool_choices=("auto",)))
    request = Request((), tools=(FunctionTool("f"), FunctionTool("g")), tool_choice=choice)
    found = written(request, upstream)
    assert found.get("tool_choice") == expected
    assert [tool["name"] for tool in found.get("tools", [])] == names
    is_lost = choice.mode in ("required", "named")
    assert write_request(request, upstream).dropped == (("tool_choice",) if is_lost else ())


def test_reasoning_gives_way_to_a_forced_choice_where_a_model_takes_only_one() -> None:
    facts = ModelFacts(thinking="type", thinking_auto_only=True)
    forced = Request((), (FunctionTool("f"),), ToolChoice("required"), thinking=Thinking("high"))
    found = write_request(forced, Upstream("m", facts=facts))
    assert found.dropped == ("thinking",)
    assert found.body["reasoning"] == Raw(b'{"effort":"none"}')
    assert found.body["tool_choice"] == Raw(b'"required"')


def test_parameters_that_a_model_refuses_are_left_out_and_told() -> None:
    facts = ModelFacts(one_sampling=True, no_parallel=True)
    asked = Request((), (FunctionTool("f"),), parallel=False, temperature=0.5, top_p=0.5)
    found = write_request(asked, Upstream("m", facts=facts))
    assert found.dropped == ("top_p", "parallel")
    assert "temperature" in found.body


def test_a_schema_that_a_model_does_not_know_is_said_in_words() -> None:
    asked = Request((), format=Format("json_schema", Raw(b'{"a":1}'), "n"))
    found = written(asked, Upstream("m", facts=ModelFacts(json_schema=False)))
    assert found["text"] == {"format": {"type": "json_object"}}
    assert '{"a":1}' in found["input"][-1]["content"]


def test_free_text_tools_are_functions_where_only_openai_knows_them() -> None:
    turns = (
        Turn("assistant", (ToolCall("1", "edit", 'a "b"', "custom"),)),
        Turn("user", (ToolResult("1", (Text("ok"),), kind="custom"),)),
    )
    asked = Request(turns, tools=(CustomTool("edit", "Edits."),))
    found = written(asked, DEEPSEEK)
    assert found["tools"][0]["parameters"]["required"] == ["input"]
    assert json.loads(found["input"][0]["arguments"]) == {"input": 'a "b"'}
    assert [item["type"] for item in found["input"]] == ["function_call", "function_call_output"]
    assert [item["type"] for item in written(asked)["input"]] == [
        "custom_tool_call",
        "custom_tool_call_output",
    ]


def test_tools_are_not_strict_unless_asked_as_absent_means_strict_here() -> None:
    found = written(Request((), tools=(FunctionTool("f"), FunctionTool("g", strict=True))))["tools"]
    assert [tool["strict"] for tool in found] == [False, True]
    assert found[0]["parameters"] == {"type": "object", "properties": {}}


def test_names_that_the_dialect_refuses_are_replaced_and_told() -> None:
    name = "a.b " + "x" * 70
    turns = (Turn("assistant", (ToolCall("Bash:0", name, "{}"),)), Turn("user", (ToolResult("Bash:0", ()),)))
    request = Request(turns, tools=(FunctionTool(name),), tool_choice=ToolChoice("named", name))
    found = written(request)
    short = found["tools"][0]["name"]
    assert found["tool_choice"] == {"type": "function", "name": short}
    assert found["input"][0]["name"] == short
    assert found["input"][0]["call_id"] == found["input"][1]["call_id"] != "Bash:0"
    assert write_request(request, OPENAI).names == {short: name}


def test_a_search_of_another_dialect_is_the_search_of_this_one() -> None:
    search = HostedTool(
        "web_search",
        "anthropic_messages",
        Raw(b'{"type":"web_search_20250305","name":"web_search","max_uses":2}'),
        allowed_domains=("a.example",),
        uses_max=2,
        location=Raw(b'{"country":"FR"}'),
    )
    request = Request((), tools=(search,), tool_choice=ToolChoice("named", "web_search"))
    found = written(request)
    assert found["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": {"type": "approximate", "country": "FR"},
        }
    ]
    assert found["tool_choice"] == {"type": "web_search"}
    assert write_request(request, OPENAI).dropped == ("web_search_domains",)


def test_pictures_of_an_answer_are_shown_by_the_user_after_the_results_of_its_calls() -> None:
    picture = Image("iVBORw0KGgo=", "image/png")
    answer = Turn("assistant", (picture, ToolCall("1", "f", "{}")))
    found = written(Request((answer, Turn("user", (ToolResult("1", (Text("ok"),)), Text("and?"))))))["input"]
    assert [item.get("type", item.get("role")) for item in found] == [
        "function_call",
        "function_call_output",
        "user",
    ]
    assert [part["type"] for part in found[2]["content"]] == ["input_image", "input_text"]
    assert written(Request((Turn("assistant", (picture,)),)))["input"][0]["role"] == "user"


def test_a_spoken_answer_without_words_is_refused() -> None:
    spoken = Turn("user", (Audio(answer_id="audio_1"),))
    with pytest.raises(ApiError):
        write_request(Request((spoken,)), OPENAI)


def test_stop_sequences_have_a_bound_as_they_are_looked_for_here() -> None:
    with pytest.raises(ApiError) as caught:
        write_request(Request((), stop=("x" * (STOP_CHARS_MAX + 1),)), OPENAI)
    assert caught.value.param == "stop"


# --- both ways

_texts = st.text(min_size=1, max_size=5)
_ids = st.integers(0, 99).map(lambda number: f"call_{number}")
_pictures = st.sampled_from(
    [
        Image("iVBORw0KGgo=", "image/png"),
        Image(url="https://a.example/b", detail="low"),
        Image(file_id="file_1"),
    ]
)
_files = st.sampled_from(
    [File("JVBERi0=", "application/pdf", filename="a.pdf"), File(url="https://a.example/b.pdf")]
)
_own = st.builds(lambda text: Reasoning(text, Opaque("openai:main", "encrypted", "ENC")), st.text(max_size=3))
_arguments = _texts.filter(str.strip)  # blanks are read as no arguments at all
_calls = st.builds(ToolCall, _ids, st.just("f"), _arguments, st.sampled_from(["function", "custom"]))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for _ in range(draw(st.integers(0, 3))):
        user = draw(st.lists(st.one_of(st.builds(Text, _texts), _pictures, _files), min_size=1, max_size=3))
        turns.append(Turn("user", tuple(user)))
        reasoning = draw(st.lists(_own, max_size=1))
        said = draw(st.lists(st.builds(Text, _texts), max_size=1))
        calls = draw(st.lists(_calls, min_size=not said, max_size=2, unique_by=lambda call: call.id))
        turns.append(Turn("assistant", (*reasoning, *said, *calls)))
        if calls:
            outputs = draw(st.lists(_texts, min_size=len(calls), max_size=len(calls)))
            results = [
                ToolResult(call.id, (Text(output),), kind=call.kind)
                for call, output in zip(calls, outputs, strict=True)
            ]
            turns.append(Turn("user", tuple(results)))
    return tuple(turns)


@given(conversations())
def test_whatever_is_written_is_as_strict_servers_want_it(turns: tuple[Turn, ...]) -> None:
    tools = (FunctionTool("f", schema=Raw(b'{"type":"object","properties":{}}')), CustomTool("c"))
    asked = Request(turns, tools, ToolChoice("named", "c"), stop=("x",), thinking=Thinking("low"))
    body = written(asked)
    for item in body["input"]:
        if item.get("type") == "reasoning":
            item["encrypted_content"] = seal.seal("responses", "r")
    responses_strict.check(body)
    responses_items.check_history(responses_items.read_input(body, lambda _: None), lambda _: None)


@given(
    conversations(),
    st.sampled_from([None, ToolChoice("auto"), ToolChoice("required"), ToolChoice("named", "f")]),
    st.sampled_from([None, Format("json_object"), Format("json_schema", Raw(b'{"a":1}'), "n", True, "d")]),
    st.sampled_from(["", "low"]),
    st.sampled_from([None, 16, 4096]),
)
def test_writing_and_reading_again_keeps_the_meaning(
    turns: tuple[Turn, ...], choice: Any, form: Any, verbosity: str, most: int | None
) -> None:
    tools = (
        FunctionTool("f", "does f", Raw(b'{"type":"object","properties":{}}'), True),
        CustomTool("c", "free"),
    )
    turns = (Turn("user", (Text("In JSON."),)), *turns)
    asked = Request(
        turns, tools, choice, True, output_tokens_max=most, format=form, verbosity=verbosity, user="u"
    )
    body = write_request(asked, OPENAI).body

    class Seals(PlainSeals):
        def open(self, text: str) -> Opaque | None:
            return Opaque("openai:main", "encrypted", text)

    again = read_request(call_of(msgspec.json.encode(body)), Seals())
    assert again == asked
