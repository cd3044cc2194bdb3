"""Requests as real clients write them, on their way to upstreams that are as strict as their vendors. Without
these, an ordinary request is refused by the vendor, or reaches it with a part of its content gone."""

import json

import pytest
from tests.sim.speakers import PIXEL
from tests.wire.known_bugs.support import CHAT, GEMINI, MESSAGES, RESPONSES, Json, ask, sent
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Target
from tests.wire.pairs.scenarios import TARGETS

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.ids import new_id

HI: Json = {"model": "m1", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("client", [CHAT, GEMINI])
def test_json_is_asked_for_in_the_instructions_only(client: DialectName) -> None:
    """A Responses upstream wants the word among the messages, and refuses the call without."""
    chat = HI | {
        "messages": [{"role": "system", "content": "Answer in JSON."}, *HI["messages"]],
        "response_format": {"type": "json_object"},
    }
    gemini: Json = {
        "systemInstruction": {"parts": [{"text": "Answer in JSON."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"responseMimeType": "application/json"},
    }
    written = sent(ask(client, chat if client == CHAT else gemini, TARGETS[RESPONSES]))
    assert written["text"]["format"] == {"type": "json_object"}
    assert "json" in str(written["input"]).lower()


@pytest.mark.parametrize("upstream", [RESPONSES, MESSAGES, GEMINI])
def test_a_picture_of_an_earlier_answer_is_gone_from_a_chat(upstream: DialectName) -> None:
    drawn = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    turns = [
        {"role": "user", "content": "Draw."},
        {"role": "assistant", "content": "Here.", "images": [drawn]},
        {"role": "user", "content": "Which colour?"},
    ]
    assert PIXEL in str(sent(ask(CHAT, HI | {"messages": turns}, TARGETS[upstream])))


@pytest.mark.parametrize("turn", [[], [{"role": "user", "content": "Which colour?"}]])
def test_a_picture_of_an_earlier_response_is_refused_by_claude(turn: list[Json]) -> None:
    """Assistants hold no pictures there, so the user shows it."""
    items = [{"role": "user", "content": "Draw."}, {"type": "image_generation_call", "result": PIXEL}, *turn]
    written = sent(ask(RESPONSES, {"model": "m1", "input": items}, TARGETS[MESSAGES]))
    (message,) = written["messages"]
    assert message["role"] == "user"
    assert message["content"][1]["source"]["data"] == PIXEL


SEARCHING: dict[DialectName, Json] = {
    RESPONSES: {
        "model": "m1",
        "input": "Hi",
        "tools": [{"type": "function", "name": "f"}, {"type": "web_search_preview"}],
    },
    MESSAGES: HI
    | {
        "max_tokens": 100,
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
    },
}
SEARCHES = ("web_search", "googleSearch")


@pytest.mark.parametrize("upstream", [CHAT, GEMINI])
@pytest.mark.parametrize(
    ("client", "choice"), [(RESPONSES, "none"), (MESSAGES, {"type": "none"})], ids=[RESPONSES, MESSAGES]
)
def test_a_search_runs_and_costs_though_no_tool_may_be_called(
    client: DialectName, choice: object, upstream: DialectName
) -> None:
    tools = SEARCHING[client]["tools"][1:]
    written = sent(
        ask(client, SEARCHING[client] | {"tools": tools, "tool_choice": choice}, TARGETS[upstream])
    )
    assert not any(name in str(written) for name in SEARCHES)


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, GEMINI])
def test_a_search_runs_and_costs_though_only_a_function_is_allowed(upstream: DialectName) -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}
    outcome = ask(RESPONSES, SEARCHING[RESPONSES] | {"tool_choice": choice}, TARGETS[upstream])
    assert not any(name in str(sent(outcome)) for name in SEARCHES)


@pytest.mark.parametrize("upstream", [CHAT, GEMINI])
@pytest.mark.parametrize(
    ("client", "choice"),
    [
        (RESPONSES, {"type": "web_search_preview"}),
        (RESPONSES, {"type": "web_search"}),
        (MESSAGES, {"type": "tool", "name": "web_search"}),
    ],
)
def test_a_search_that_is_chosen_by_its_name_is_taken_for_a_function(
    client: DialectName, choice: Json, upstream: DialectName
) -> None:
    written = sent(ask(client, SEARCHING[client] | {"tool_choice": choice}, TARGETS[upstream]))
    assert "function" not in str(written).lower()
    assert any(name in str(written) for name in SEARCHES)


def test_running_code_that_is_chosen_by_its_name_is_taken_for_a_function() -> None:
    """The tool has another name on each side."""
    body = {
        "model": "m1",
        "input": "Hi",
        "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
        "tool_choice": {"type": "code_interpreter"},
    }
    written = sent(ask(RESPONSES, body, TARGETS[MESSAGES]))
    assert written["tool_choice"] == {"type": "tool", "name": "code_execution"}
    body = HI | {
        "max_tokens": 100,
        "tools": [{"type": "code_execution_20250825", "name": "code_execution"}],
        "tool_choice": {"type": "tool", "name": "code_execution"},
    }
    written = sent(ask(MESSAGES, body, TARGETS[RESPONSES]))
    assert written["tool_choice"] == {"type": "code_interpreter"}


@pytest.mark.parametrize(
    "scores",
    [
        {"type": "object", "additionalProperties": {"type": "number"}},
        {"type": "object"},
        {"type": "array", "items": {"$ref": "#/$defs/node"}},
    ],
    ids=["map", "anything", "contains_itself"],
)
def test_claude_can_only_answer_with_empty_objects_where_keys_are_free(scores: Json) -> None:
    """Its own field for schemas takes closed objects only, and none that contains itself."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "score": {"type": "number"}}}
    schema = {"type": "object", "properties": {"scores": scores}, "required": ["scores"]}
    if "items" in scores:
        schema["$defs"] = {"node": node}
    form = {"type": "json_schema", "json_schema": {"name": "scores", "schema": schema}}
    written = sent(ask(CHAT, HI | {"response_format": form}, TARGETS[MESSAGES]))
    assert "output_config" not in written
    assert written["tools"][0]["input_schema"] == schema
    assert written["tool_choice"] == {"type": "tool", "name": "json_output"}


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"properties": {"a": {"type": "string"}}},
        {"type": "object", "anyOf": [{"properties": {"a": {"type": "string"}}}]},
    ],
    ids=["empty", "no_properties", "no_type", "alternatives"],
)
def test_a_tool_with_a_loose_schema_makes_openai_refuse_every_call(
    schema: Json, upstream: DialectName
) -> None:
    """It wants an object that names its properties, however empty, and no alternatives at the top."""
    body: Json = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}],
    }
    (tool,) = sent(ask(GEMINI, body, TARGETS[upstream]))["tools"]
    written = (tool.get("function") or tool)["parameters"]
    assert written["type"] == "object"
    assert written["properties"] == ({"a": {"type": "string"}} if "a" in str(schema) else {})
    assert "anyOf" not in written


@pytest.mark.parametrize("upstream", [RESPONSES, MESSAGES, GEMINI])
def test_a_tool_in_the_spelling_of_messages_loses_its_arguments_in_a_chat(upstream: DialectName) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"name": "weather", "description": "Tells it.", "input_schema": schema}
    assert str(schema) in str(sent(ask(CHAT, HI | {"tools": [tool]}, TARGETS[upstream])))


def test_gemini_is_told_of_no_argument_where_any_key_may_be_one() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    tool = {"type": "function", "function": {"name": "set", "parameters": schema}}
    written = sent(ask(CHAT, HI | {"tools": [tool]}, TARGETS[GEMINI]))
    assert written["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == schema


READ: list[Json] = [
    {"role": "user", "content": "Read it."},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
]
DOCUMENTS: dict[str, Json] = {
    "document": {
        "type": "document",
        "title": "Rules",
        "context": "Of 2026",
        "source": {"type": "text", "media_type": "text/plain", "data": "Be kind."},
    },
    "search_result": {
        "type": "search_result",
        "title": "Rules",
        "source": "Of 2026",
        "content": [{"type": "text", "text": "Be kind."}],
    },
}


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, GEMINI])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_a_tool_read_loses_its_title_or_its_place(kind: str, upstream: DialectName) -> None:
    """It belongs into the result, as text: Gemini takes none among a result's parts."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [DOCUMENTS[kind]]}
    turns = [*READ, {"role": "user", "content": [result]}]
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body = {"model": "m1", "max_tokens": 100, "messages": turns, "tools": tools}
    written = sent(ask(MESSAGES, body, TARGETS[upstream]))
    said = "Rules\nOf 2026\nBe kind."
    match upstream:
        case "openai_chat":
            assert written["messages"][-1] == {"role": "tool", "tool_call_id": "t1", "content": said}
        case "openai_responses":
            last = {"type": "function_call_output", "call_id": "t1", "output": said}
            assert written["input"][-1] == last
        case _:
            response = {"id": "t1", "name": "f", "response": {"output": said}}
            assert written["contents"][-1]["parts"] == [{"functionResponse": response}]


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, GEMINI])
def test_what_is_said_about_a_document_is_lost(upstream: DialectName) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
    document = {"type": "document", "title": "Rules", "context": "Of 2026", "source": source}
    body = HI | {"max_tokens": 100, "messages": [{"role": "user", "content": [document]}]}
    written = str(sent(ask(MESSAGES, body, TARGETS[upstream])))
    assert "Of 2026" in written
    if upstream != GEMINI:
        assert "'Rules.pdf'" in written


@pytest.mark.parametrize("upstream", [RESPONSES, MESSAGES, GEMINI])
def test_a_text_file_in_bare_base64_is_taken_for_a_pdf(upstream: DialectName) -> None:
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "QmUga2luZC4="}}
    body = HI | {"messages": [{"role": "user", "content": [file]}]}
    assert "pdf" not in str(sent(ask(CHAT, body, TARGETS[upstream])))


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
def test_pieces_of_a_tools_result_run_together(upstream: DialectName) -> None:
    pieces = [{"type": "text", "text": "18"}, {"type": "text", "text": "degrees"}]
    result = {"type": "tool_result", "tool_use_id": "t1", "content": pieces, "is_error": True}
    turns = [*READ, {"role": "user", "content": [result]}]
    body = {"model": "m1", "max_tokens": 100, "messages": turns}
    assert "Error: 18\\ndegrees" in str(sent(ask(MESSAGES, body, TARGETS[upstream])))


def test_reasoning_within_the_content_of_an_answer_is_refused() -> None:
    """Mistral's models give it so, and clients send it back."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    answer = {"role": "assistant", "content": [thought, {"type": "text", "text": "Hello."}]}
    body = HI | {"messages": [*HI["messages"], answer, {"role": "user", "content": "And?"}]}
    assert "Hello." in str(sent(ask(CHAT, body, TARGETS[MESSAGES])))


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, GEMINI])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("thread", {"type": "continue", "previous_message_id": "msg_1"}),
        ("container", {"skills": [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]}),
        ("compaction", {"type": "summarize"}),
        ("max_tokens", 0),
    ],
)
def test_a_message_is_answered_without_what_it_is_about(
    field: str, value: object, upstream: DialectName
) -> None:
    """Turns kept by the maker, files in its container, a summary, or no answer at all: only it knows them."""
    outcome = ask(MESSAGES, HI | {"max_tokens": 100, field: value}, TARGETS[upstream])
    assert (outcome.asked, outcome.status) == (None, 400)
    assert field in outcome.body.decode()


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, GEMINI])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("input.1", {"input": [HI["messages"][0], {"type": "shell_call_output", "output": []}]}),
        (
            "tools",
            {
                "tools": [
                    {
                        "type": "code_interpreter",
                        "container": {"type": "auto", "network_policy": {"type": "disabled"}},
                    }
                ]
            },
        ),
        ("max_output_tokens", {"max_output_tokens": 0}),
    ],
)
def test_a_response_is_given_without_what_was_asked_for(name: str, more: Json, upstream: DialectName) -> None:
    outcome = ask(RESPONSES, {"model": "m1", "input": "Hi"} | more, TARGETS[upstream])
    assert (outcome.asked, outcome.status) == (None, 400)
    assert name in outcome.body.decode()


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("upstream", [RESPONSES, MESSAGES, GEMINI])
def test_no_token_is_taken_for_as_many_as_there_are(field: str, upstream: DialectName) -> None:
    outcome = ask(CHAT, HI | {field: 0}, TARGETS[upstream])
    assert (outcome.asked, outcome.status) == (None, 400)
    assert field in outcome.body.decode()


@pytest.mark.parametrize("upstream", [RESPONSES, MESSAGES, GEMINI])
def test_objects_that_say_nothing_are_refused_or_told_as_lost(upstream: DialectName) -> None:
    outcome = ask(CHAT, HI | {"logit_bias": {}, "metadata": {}}, TARGETS[upstream])
    assert (outcome.status, outcome.dropped) == (200, ())


@pytest.mark.parametrize(
    "target",
    [
        Target(CHAT, "openai", "gpt-4.1"),
        Target(RESPONSES, "openai", "gpt-4.1"),
        Target(MESSAGES, "anthropic", "claude-3-5-haiku-20241022"),
        Target(GEMINI, "gemini", "gemini-2.0-flash"),
    ],
    ids=DIALECTS,
)
def test_reasoning_is_asked_of_a_model_that_does_none_and_nobody_says_so(target: Target) -> None:
    client = MESSAGES if target.dialect == CHAT else CHAT
    asked: Json = {"reasoning_effort": "high"} if client == CHAT else {"output_config": {"effort": "high"}}
    outcome = ask(client, HI | {"max_tokens": 3000} | asked, target)
    assert outcome.status == 200
    assert len(outcome.dropped) == 1


@pytest.mark.parametrize(
    ("client", "more", "name"),
    [
        (MESSAGES, {"output_config": {"task_budget": {"type": "tokens", "total": 9000}}}, "task_budget"),
        (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking"),
        (MESSAGES, {"thinking": {"type": "adaptive", "block_binding": {"x": 1}}}, "thinking.block_binding"),
        (RESPONSES, {"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        (RESPONSES, {"reasoning": {"effort": "high"}}, "reasoning"),
    ],
)
def test_a_knob_is_lost_and_nobody_says_so(client: DialectName, more: Json, name: str) -> None:
    body = {"model": "m1", "input": "Hi"} if client == RESPONSES else HI | {"max_tokens": 100}
    outcome = ask(client, body | more, TARGETS[CHAT])
    assert outcome.status == 200
    assert name in ",".join(outcome.dropped)


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, GEMINI])
@pytest.mark.parametrize("at", [0, 1], ids=["first", "later"])
def test_a_picture_among_the_instructions_is_lost_or_refused(at: int, upstream: DialectName) -> None:
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
    guide = {"role": "developer", "content": [{"type": "input_text", "text": "So:"}, picture]}
    items: list[Json] = [{"role": "user", "content": "Hi"}]
    items.insert(at, guide)
    written = str(sent(ask(RESPONSES, {"model": "m1", "input": items}, TARGETS[upstream])))
    assert "So:" in written
    assert PIXEL in written


@pytest.mark.parametrize(
    "trace",
    [
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "reasoning", "summary": [], "encrypted_content": "ENC"},
    ],
    ids=["search", "reasoning"],
)
def test_an_answer_that_says_nothing_elsewhere_is_an_empty_message(trace: Json) -> None:
    """Some hosts refuse one."""
    items = [HI["messages"][0], trace, HI["messages"][0]]
    written = sent(ask(RESPONSES, {"model": "m1", "input": items}, TARGETS[CHAT]))
    (message,) = written["messages"]
    assert (message["role"], message["content"]) == ("user", "Hi\nHi")


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        ("any", {"type": "any"}),
        ({"type": "any"}, {"type": "any"}),
        ({"type": "auto"}, {"type": "auto"}),
        ({"type": "function", "name": "f"}, {"type": "tool", "name": "f"}),
        ({"type": "tool", "name": "f"}, {"type": "tool", "name": "f"}),
    ],
)
def test_a_choice_in_the_spelling_of_another_dialect_is_refused(choice: object, taken: Json) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    written = sent(ask(CHAT, HI | {"tools": tools, "tool_choice": choice}, TARGETS[MESSAGES]))
    assert written["tool_choice"] == taken


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, GEMINI])
def test_a_search_among_tools_finds_nothing(upstream: DialectName) -> None:
    found = {"type": "tool_reference", "tool_name": "read_mail"}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [found]}
    body = HI | {"max_tokens": 100, "messages": [*READ, {"role": "user", "content": [result]}]}
    assert "read_mail" in str(sent(ask(MESSAGES, body, TARGETS[upstream])))


def test_a_refusal_does_not_say_what_of_the_messages_is_meant() -> None:
    file = {"type": "file", "file": {"file_id": "file-1"}}
    body = HI | {"messages": [{"role": "user", "content": [file]}]}
    assert "file_id" in ask(CHAT, body, TARGETS[MESSAGES]).body.decode()


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, MESSAGES])
def test_a_schema_without_a_media_type_is_lost(upstream: DialectName) -> None:
    config = {"responseSchema": {"type": "OBJECT", "properties": {"town": {"type": "STRING"}}}}
    body: Json = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}
    assert "json_schema" in str(sent(ask(GEMINI, body, TARGETS[upstream])))


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, MESSAGES])
def test_a_schema_in_the_newest_field_of_gemini_is_lost(upstream: DialectName) -> None:
    schema = {"type": "object", "properties": {"town": {"type": "string"}}}
    form = [{"text": {"mimeType": "application/json", "jsonSchema": schema}}]
    body: Json = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"responseFormat": form}}
    outcome = ask(GEMINI, body, TARGETS[upstream])
    assert "json_schema" in str(sent(outcome))
    assert not outcome.dropped


OWN_ID = f"rs_{new_id()}00"
"""Of a reasoning item as the relay names those that it writes itself."""


@pytest.mark.parametrize(
    "thought",
    [{"encrypted_content": "relay1.anthropic.signature.abc"}, {"id": OWN_ID}, {"id": OWN_ID, "content": []}],
)
def test_a_conversation_that_another_model_began_can_not_go_on_at_openai(thought: Json) -> None:
    """Its reasoning can't be read there, and is not stored there either."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]} | thought
    native = {"type": "reasoning", "id": "rs_" + "0a" * 24, "summary": []}
    call = {"type": "function_call", "call_id": "t1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "t1", "output": "18"}
    question = {"role": "user", "content": "Hi"}
    outcome = ask(
        RESPONSES, {"model": "m1", "input": [question, thought, native, call, result]}, TARGETS[RESPONSES]
    )
    assert outcome.asked is not None
    assert json.loads(outcome.asked.body)["input"] == [question, native, call, result]


@pytest.mark.parametrize("upstream", [MESSAGES, GEMINI])
def test_a_conversation_goes_on_in_responses_after_each_other_upstream(upstream: DialectName) -> None:
    asker = ASKERS[RESPONSES](Ask("[think] [tools] How warm?", think=True, tools=True))
    assert asker.take(json.loads(ask(RESPONSES, asker.body, TARGETS[upstream]).body))
    assert "relay1." in str(asker.body)
    sent(ask(RESPONSES, asker.body, TARGETS[RESPONSES]))


def test_a_client_that_keeps_no_reasoning_can_not_go_on_with_deepseek() -> None:
    """Few clients of chats send back what the dialect itself does not know."""
    reasoner = Target(CHAT, "deepseek", "deepseek-reasoner")
    asker = ASKERS[CHAT](Ask("[think] [tools] How warm?", think=True, tools=True))
    assert asker.take(json.loads(ask(CHAT, asker.body, reasoner).body))
    kept = asker.body["messages"][2]
    written = sent(ask(CHAT, asker.body, reasoner))
    assert written["messages"][2] == kept, "a client's own reasoning stays as it is"
    del kept["reasoning_content"]
    written = sent(ask(CHAT, asker.body, reasoner))
    assert written["messages"][2] == kept | {"reasoning_content": " "}


def test_a_conversation_that_another_model_began_can_not_go_on_at_gemini() -> None:
    """One call without a signature makes it refuse the whole request."""
    asker = ASKERS[GEMINI](Ask("[tools] How warm?", tools=True))
    reply = ask(GEMINI, asker.body, Target(CHAT, "deepseek", "deepseek-chat"))
    assert asker.take(json.loads(reply.body))
    parts = sent(ask(GEMINI, asker.body, TARGETS[GEMINI]))["contents"][1]["parts"]
    assert ["thoughtSignature" in part for part in parts if "functionCall" in part] == [True, False]


def test_a_history_that_gemini_signed_itself_is_changed_on_its_way_back() -> None:
    asker = ASKERS[GEMINI](Ask("[think] [tools] How warm?", think=True, tools=True))
    assert asker.take(json.loads(ask(GEMINI, asker.body, TARGETS[GEMINI]).body))
    assert sent(ask(GEMINI, asker.body, TARGETS[GEMINI]))["contents"] == asker.body["contents"]


GRAMMAR = {"syntax": "lark", "definition": "start: PATCH"}


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, GEMINI])
def test_the_grammar_of_a_tool_is_lost_or_misspelt(upstream: DialectName) -> None:
    tool = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"} | GRAMMAR}
    written = sent(ask(RESPONSES, {"model": "m1", "input": "Hi", "tools": [tool]}, TARGETS[upstream]))
    assert "start: PATCH" in str(written)
    if upstream == CHAT:
        assert written["tools"][0]["custom"]["format"] == {"type": "grammar", "grammar": GRAMMAR}


@pytest.mark.parametrize(
    ("more", "upstream", "name"),
    [
        ({"extra_body": {"google": {"cached_content": "c"}}}, GEMINI, "google.cached_content"),
        ({"web_search_options": {"search_context_size": "low"}}, GEMINI, "web_search_options"),
        ({"web_search_options": {"search_context_size": "low"}}, MESSAGES, "web_search_options"),
    ],
)
def test_a_part_of_a_chats_field_is_lost_and_nobody_says_so(
    more: Json, upstream: DialectName, name: str
) -> None:
    outcome = ask(CHAT, HI | more, TARGETS[upstream])
    assert outcome.status == 200
    assert outcome.dropped == (name,)
