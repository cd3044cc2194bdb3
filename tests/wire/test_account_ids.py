"""Ids of a shared account. Without this one customer reads another one's files, or a harmless request is
refused for a word that looks like an id."""

import json
from typing import Any

import pytest
from msgspec import Raw

from switchgear.wire.call import NOTHING_IN_PATH, InPath
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.account_ids import IdKeys, ids_in

PATH = {"gemini_generate": InPath(model="m")}


def named(operation: str, body: Any) -> list[tuple[str, str]]:
    text = body if isinstance(body, str) else json.dumps({"model": "m", **body})
    dialect = DIALECT_OF_OPERATION[operation]
    in_path = PATH.get(operation, NOTHING_IN_PATH)
    call = dialect.read_call(operation, read_fields(text.encode()), "m", in_path)
    return sorted((each.id, each.param) for each in dialect.account_ids(call))


def user(*content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content), **more}]}


def asked(*items: Any, **more: Any) -> dict[str, Any]:
    return {"input": list(items), **more}


def parts(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}], **more}


HI = {"type": "text", "text": "hi"}
SAID = {"role": "user", "content": [{"type": "input_text", "text": "hi"}]}
FILE = "https://generativelanguage.googleapis.com/v1beta/files/abc"
CASES: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("openai_chat", user({"type": "file", "file": {"file_id": "file-1"}}), [("file-1", "messages")]),
    (
        "openai_chat",
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "x"}]},
        [("audio_1", "messages")],
    ),
    ("openai_responses", asked(SAID, conversation="conv_1"), [("conv_1", "conversation")]),
    ("openai_responses", asked(SAID, conversation={"id": "conv_2"}), [("conv_2", "conversation")]),
    ("openai_responses", asked(SAID, prompt={"id": "pmpt_1", "version": "2"}), [("pmpt_1", "prompt")]),
    ("openai_responses", asked({"type": "item_reference", "id": "msg_1"}), [("msg_1", "input")]),
    ("openai_responses", asked({"id": "msg_2"}), [("msg_2", "input")]),
    ("openai_responses", asked({"type": None, "id": "msg_3"}), [("msg_3", "input")]),
    (
        "openai_responses",
        asked({"role": "user", "content": [{"type": "input_file", "file_id": "file-2"}]}),
        [("file-2", "input")],
    ),
    (
        "openai_responses",
        asked({"role": "user", "content": [{"type": "input_image", "file_id": "file-3"}]}),
        [("file-3", "input")],
    ),
    (
        "openai_responses",
        asked(
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_file", "file_id": "file-4"}],
            }
        ),
        [("file-4", "input")],
    ),
    (
        "openai_responses",
        asked(SAID, tools=[{"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}]),
        [("vs_1", "tools"), ("vs_2", "tools")],
    ),
    (
        "openai_responses",
        asked(SAID, tools=[{"type": "code_interpreter", "container": "cntr_1"}]),
        [("cntr_1", "tools")],
    ),
    (
        "openai_responses",
        asked(SAID, tools=[{"type": "code_interpreter", "container": {"file_ids": ["file-5"]}}]),
        [("file-5", "tools")],
    ),
    (
        "openai_responses",
        asked(SAID, tools=[{"type": "image_generation", "input_image_mask": {"file_id": "file-6"}}]),
        [("file-6", "tools")],
    ),
    (
        "openai_responses",
        '{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file\\u005fid":"file-7"}]}]}',
        [("file-7", "input")],
    ),
    (
        "anthropic_messages",
        user(HI) | {"max_tokens": 1, "container": "container_1"},
        [("container_1", "container")],
    ),
    (
        "anthropic_messages",
        user(HI)
        | {
            "max_tokens": 1,
            "container": {
                "id": "container_2",
                "skills": [
                    {"type": "anthropic", "skill_id": "pptx"},
                    {"type": "custom", "skill_id": "skill_1"},
                ],
            },
        },
        [("container_2", "container"), ("skill_1", "container")],
    ),
    (
        "anthropic_messages",
        user({"type": "document", "source": {"type": "file", "file_id": "file_1"}}) | {"max_tokens": 1},
        [("file_1", "messages")],
    ),
    (
        "anthropic_messages",
        user({"type": "container_upload", "file_id": "file_2"}) | {"max_tokens": 1},
        [("file_2", "messages")],
    ),
    (
        "anthropic_messages",
        user(
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "image", "source": {"type": "file", "file_id": "file_3"}}],
            }
        )
        | {"max_tokens": 1},
        [("file_3", "messages")],
    ),
    (
        "gemini_generate",
        parts({"text": "x"}, cachedContent="cachedContents/1"),
        [("cachedContents/1", "cachedContent")],
    ),
    (
        "gemini_generate",
        parts({"text": "x"}, cached_content="cachedContents/2"),
        [("cachedContents/2", "cached_content")],
    ),
    ("gemini_generate", parts({"fileData": {"fileUri": FILE}}), [(FILE, "contents")]),
    ("gemini_generate", parts({"file_data": {"file_uri": "gs://bucket/x"}}), [("gs://bucket/x", "contents")]),
    (
        "gemini_generate",
        parts({"text": "x"}, tools=[{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/1"]}}]),
        [("fileSearchStores/1", "tools")],
    ),
]


@pytest.mark.parametrize(("operation", "body", "found"), CASES)
def test_ids_are_found_where_each_dialect_has_them(
    operation: str, body: Any, found: list[tuple[str, str]]
) -> None:
    assert named(operation, body) == found


SCHEMA = {"type": "object", "properties": {"file_id": {"default": "x"}}, "example": {"file_id": "y"}}
HARMLESS: list[tuple[str, Any]] = [
    ("openai_chat", user(HI)),
    ("openai_chat", user({"type": "text", "text": 'the "file_id" is "file-1"'})),
    (
        "openai_chat",
        user(HI) | {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]},
    ),
    ("openai_chat", {"messages": [{"role": "user", "content": "file_id"}], "container": "x", "prompt": None}),
    ("openai_responses", asked(SAID, conversation=None, prompt=None, previous_response_id="resp_1")),
    ("openai_responses", asked(SAID, tools=[{"type": "function", "name": "f", "parameters": SCHEMA}])),
    ("openai_responses", asked({"type": "message", "id": "msg_1", "role": "assistant", "content": []})),
    ("openai_responses", asked({"id": "msg_1", "role": "user", "content": "hi"})),
    (
        "openai_responses",
        asked({"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"file_id":"x"}'}),
    ),
    ("openai_responses", {"input": "file_id container vector_store_ids"}),
    (
        "anthropic_messages",
        {
            "max_tokens": 1,
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"file_id": "x"}}],
                },
            ],
        },
    ),
    ("anthropic_messages", user(HI) | {"max_tokens": 1, "metadata": {"user_id": "u"}, "container": None}),
    ("gemini_generate", parts({"text": "x"}, cachedContent="")),
    ("gemini_generate", parts({"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}})),
    ("gemini_generate", parts({"functionCall": {"name": "f", "args": {"fileUri": "gs://x"}}})),
    ("gemini_generate", parts({"functionResponse": {"name": "f", "response": {"fileUri": "gs://x"}}})),
]


@pytest.mark.parametrize(("operation", "body"), HARMLESS)
def test_what_only_looks_like_an_id_is_none(operation: str, body: Any) -> None:
    assert named(operation, body) == []


CODE = {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"}
SHOWN = {"type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1"}
SPOKEN = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "annotations": [SHOWN]}]}


@pytest.mark.parametrize(
    ("operation", "answer", "made"),
    [
        ("openai_responses", {"output": [CODE, SPOKEN]}, {"ci_1", "msg_1", "cntr_1", "cfile_1"}),
        ("openai_responses", {"id": "resp_1", "store": False, "output": [CODE]}, {"cntr_1"}),
        ("anthropic_messages", {"container": {"expires_at": "x", "id": "container_1"}}, {"container_1"}),
        ("anthropic_messages", {"content": [], "container": None}, set()),
        ("openai_chat", {"choices": [{"message": {"audio": {"id": "audio_1", "data": "x"}}}]}, {"audio_1"}),
        ("gemini_generate", {"candidates": []}, set()),
    ],
)
def test_what_an_answer_makes_is_known(operation: str, answer: Any, made: set[str]) -> None:
    assert set(DIALECT_OF_OPERATION[operation].made_ids(json.dumps(answer).encode())) == made


def test_a_stream_of_messages_tells_its_container() -> None:
    dialect = DIALECT_OF_OPERATION["anthropic_messages"]
    body = {"model": "m", "max_tokens": 1, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    fields = read_fields(json.dumps(body).encode())
    call = dialect.read_call("anthropic_messages", fields, "m", NOTHING_IN_PATH)
    tap = dialect.tap(call)
    start = {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "container": {"id": "container_9", "expires_at": "x"}},
        "usage": {"output_tokens": 1},
    }
    for event in (start, end):
        tap.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    assert tap.made_ids() == ("container_9",)


@pytest.mark.parametrize(
    "spelt",
    [
        '"file_id"',
        '"file_ids"',
        '"container" ',
        '"container_id"',
        '"vector_store_ids"',
        '"\\u0073kill_id"',
        '"skill\\u005fid"',
    ],
)
def test_each_key_of_a_place_is_found_however_it_is_spelt(spelt: str) -> None:
    keys = IdKeys(("file_id", "file_ids", "container", "container_id", "vector_store_ids", "skill_id"))
    fields = {"input": Raw(f'[{{"a":{{{spelt}:["x"]}}}}]'.encode())}
    assert [found.id for found in ids_in(fields, "input", keys)] == ["x"]
    free = IdKeys(keys.named, ("a",))
    assert ids_in(fields, "input", free) == ()
