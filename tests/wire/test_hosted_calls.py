"""Calls of hosted tools in answers: each way in which an upstream tells them, whole and streamed.

Without it a search would be free in one dialect, or be counted once for each citation.
"""

import json
from typing import Any

import pytest

from switchgear.kernel.usage import CALL_UNITS
from switchgear.wire.anthropic_messages.passing import reply as messages
from switchgear.wire.convert.hosted_steps import StepCounter
from switchgear.wire.dialect import Dialect
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.neutral.events import Hosted
from switchgear.wire.openai_chat.passing.reply import read_reply as read_chat
from switchgear.wire.openai_chat.passing.tap import StreamTap as ChatTap
from switchgear.wire.openai_responses.passing.reply import read_reply as read_response
from switchgear.wire.openai_responses.passing.tap import StreamTap as ResponsesTap

RESPONSES = DIALECT_OF_OPERATION["openai_responses"]
MESSAGES = DIALECT_OF_OPERATION["anthropic_messages"]
GEMINI = DIALECT_OF_OPERATION["gemini_generate"]
TOKENS = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
CHAT_TOKENS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
SEARCH = {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search"}}
OPEN_PAGE = SEARCH | {"action": {"type": "open_page", "url": "https://a.example"}}
CODE = {"type": "code_interpreter_call", "container_id": "c1", "status": "completed"}
TEXT = {"type": "message", "content": [{"type": "output_text", "text": '"web_search_call" is a type'}]}


def calls_of(usage: Any) -> dict[str, int]:
    return {unit: count for unit, count in usage.counts() if unit in CALL_UNITS}


@pytest.mark.parametrize(
    ("output", "extra", "expected"),
    [
        ([SEARCH, OPEN_PAGE, SEARCH, TEXT], {}, {"search_calls": 2}),
        ([SEARCH | {"status": "failed"}, TEXT], {}, {}),
        ([SEARCH, TEXT], {"tool_usage": {"web_search": {"num_requests": 3}}}, {"search_calls": 3}),
        ([CODE, CODE, CODE | {"container_id": "c2"}], {}, {"code_sessions": 2}),
        ([{"type": "file_search_call", "status": "completed"}], {}, {"file_search_calls": 1}),
        ([{"type": "image_generation_call", "result": "aGk="}], {}, {"image_calls": 1}),
        ([{"type": "mcp_call"}, {"type": "function_call", "name": "f"}], {}, {}),
    ],
)
def test_responses(output: list[Any], extra: Any, expected: dict[str, int]) -> None:
    response = {"id": "r", "status": "completed", "output": output, "usage": TOKENS, **extra}
    assert calls_of(read_response(json.dumps(response).encode()).usage) == expected
    # Some servers leave the items out of the last event; then those that came before it count.
    for last in (response, response | {"output": []}):
        tap = ResponsesTap()
        for item in output:
            tap.feed(_event({"type": "response.output_item.done", "item": item}))
        if "tool_usage" not in extra:
            assert {unit: count for unit, count in tap.calls().items() if count} == expected
        tap.feed(_event({"type": "response.completed", "response": last}))
        assert calls_of(tap.usage) == expected


RESULT = {"type": "bash_code_execution_tool_result", "tool_use_id": "t", "content": {"type": "x"}}
FAILED = RESULT | {"content": {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"}}
CODE_PART = {"executableCode": {"language": "PYTHON", "code": "1"}}


@pytest.mark.parametrize(
    ("upstream", "reply", "expected"),
    [
        (RESPONSES, {"output": [CODE, CODE, CODE | {"container_id": "c2"}, TEXT]}, {"code_sessions": 2}),
        (RESPONSES, {"output": [CODE | {"status": "failed"}, SEARCH, OPEN_PAGE, TEXT]}, {"search_calls": 1}),
        (MESSAGES, {"content": [RESULT] * 3, "stop_reason": "end_turn"}, {"code_sessions": 1}),
        (MESSAGES, {"content": [FAILED], "stop_reason": "end_turn"}, {}),
        (GEMINI, {"candidates": [{"content": {"parts": [CODE_PART] * 2}, "finishReason": "STOP"}]}, {}),
    ],
)
def test_a_converted_answer_counts_as_one_that_passes_through(
    upstream: Dialect, reply: Any, expected: dict[str, int]
) -> None:
    """Code runs in one container for several steps, and is paid for by the container."""
    steps = StepCounter()
    for event in upstream.read_events(json.dumps({"status": "completed", **reply}).encode()):
        if isinstance(event, Hosted):
            steps.take(event)
    assert steps.calls == expected


def _event(data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), json.dumps(data).encode())


CITED = {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}] * 2}
TOOL = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "$web_search"}}]}


@pytest.mark.parametrize(
    ("said", "usage", "model", "expected"),
    [
        (CITED, {}, "gpt-4o", 1),
        (TOOL, {}, "kimi-k3", 1),
        ({}, {}, "gpt-4o-search-preview-2025-03-11", 1),
        ({}, {"num_search_queries": 4}, "sonar", 4),
        ({}, {"server_tool_use": {"web_search_requests": 2}}, "m", 2),
        ({"content": 'a "url_citation" of gpt-4o-search-preview and "$web_search"'}, {}, "gpt-4o", 0),
    ],
)
def test_chat(said: Any, usage: Any, model: str, expected: int) -> None:
    told = CHAT_TOKENS | usage
    message = {"role": "assistant", "content": "x", **said}
    whole = {"model": model, "choices": [{"index": 0, "message": message}], "usage": told}
    found = read_chat("openai_chat", json.dumps(whole).encode()).usage
    assert found is not None
    assert (found.search_calls, found.tokens_total) == (expected, 5)
    tap = ChatTap("openai_chat", True)
    first = {"model": model, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    last = {"model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    for frame in (first, last, {"model": model, "choices": [], "usage": told}):
        tap.feed(b"data: " + json.dumps(frame).encode() + b"\n\n")
    assert tap.usage is not None
    assert tap.usage.search_calls == expected


@pytest.mark.parametrize(
    ("blocks", "used", "expected"),
    [
        (["web_search_tool_result"], {"web_search_requests": 2}, {"search_calls": 2}),
        (["web_search_tool_result"], {}, {"search_calls": 1}),
        (["bash_code_execution_tool_result"] * 3, {}, {"code_sessions": 1}),
        (["code_execution_tool_result"], {"web_fetch_requests": 1}, {}),
        (["web_fetch_tool_result"], {"web_fetch_requests": 1}, {}),
    ],
)
def test_messages(blocks: list[str], used: dict[str, int], expected: dict[str, int]) -> None:
    content = [{"type": kind, "tool_use_id": "t", "content": []} for kind in blocks]
    usage = {"input_tokens": 3, "output_tokens": 2, "server_tool_use": used}
    body = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
    reply = messages.read_reply("anthropic_messages", json.dumps(body).encode())
    assert calls_of(reply.usage) == expected
