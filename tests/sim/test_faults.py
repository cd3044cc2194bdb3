"""The faults that a model name asks for, in each dialect, byte by byte. Without this file a fault could be no
fault in one of them, and a relay that never met it would pass."""

import asyncio
import http.client
import json
import re

import pytest

from tests.sim.facts import Json
from tests.sim.upstream import API_KEY, FakeUpstream

HELLO = "Hello"
TURN = {"role": "user", "content": HELLO}
CALLS: dict[str, tuple[str, Json]] = {
    "chat": ("/v1/chat/completions", {"messages": [TURN], "stream": True}),
    "responses": ("/v1/responses", {"input": HELLO, "stream": True}),
    "messages": ("/v1/messages", {"messages": [TURN], "max_tokens": 5000, "stream": True}),
    "gemini": (
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": HELLO}]}]},
    ),
    "gemini array": (
        "/v1beta/models/{model}:streamGenerateContent",
        {"contents": [{"parts": [{"text": HELLO}]}]},
    ),
}
DIALECTS = pytest.mark.parametrize("name", CALLS)


def ask(upstream: FakeUpstream, name: str, model: str) -> tuple[int, str, bytes]:
    """Status, content type and body, with the running number of the request taken out."""
    path, body = CALLS[name]
    given = body if name.startswith("gemini") else body | {"model": model}
    headers = {"authorization": f"Bearer {API_KEY}", "anthropic-version": "2023-06-01"}
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    try:
        connection.request("POST", path.format(model=model), json.dumps(given), headers)
        reply = connection.getresponse()
        read = re.sub(rb"sim\d{8}", b"sim", reply.read()).replace(model.encode(), b"MODEL")
        return reply.status, str(reply.getheader("content-type")), read
    finally:
        connection.close()


async def asked(upstream: FakeUpstream, name: str, model: str) -> tuple[int, str, bytes]:
    return await asyncio.to_thread(ask, upstream, name, model)


@DIALECTS
async def test_stream_is_cut_at_the_byte_or_before_its_end(name: str) -> None:
    async with FakeUpstream() as upstream:
        _, _, whole = await asked(upstream, name, "fault-flaky-0")
        _, _, part = await asked(upstream, name, "fault-cutclean-9")
        assert part == whole[:9]
        with pytest.raises(http.client.IncompleteRead):
            await asked(upstream, name, "fault-cut-9")
        _, _, unfinished = await asked(upstream, name, "fault-no-done")
        assert whole.startswith(unfinished)
        assert len(unfinished) < len(whole)


@DIALECTS
async def test_error_comes_after_content_or_first(name: str) -> None:
    async with FakeUpstream() as upstream:
        _, _, whole = await asked(upstream, name, "fault-flaky-0")
        _, _, late = await asked(upstream, name, "fault-error-frame")
        _, _, first = await asked(upstream, name, "fault-error-first")
    shared = len(late) - len(first)
    assert whole[:50] == late[:50] != first[:50]
    assert shared > 50
    for body in (late, first):
        assert b'"error":' in body


@DIALECTS
async def test_refusals_are_in_the_form_of_the_dialect(name: str) -> None:
    async with FakeUpstream() as upstream:
        status, kind, body = await asked(upstream, name, "fault-429")
    error = json.loads(body)["error"]
    assert (status, kind) == (429, "application/json")
    expected = {
        "chat": {"type": "requests", "code": "rate_limit_exceeded", "param": None},
        "responses": {"type": "requests", "code": "rate_limit_exceeded", "param": None},
        "messages": {"type": "rate_limit_error"},
    }.get(name, {"code": 429, "status": "RESOURCE_EXHAUSTED"})
    assert expected.items() <= error.items()


@DIALECTS
async def test_whole_reply_comes_where_a_stream_was_asked(name: str) -> None:
    async with FakeUpstream() as upstream:
        _, kind, body = await asked(upstream, name, "fault-json-for-stream")
    assert kind == "application/json"
    assert isinstance(json.loads(body), dict)


async def test_array_stream_of_gemini_is_one_json_text() -> None:
    async with FakeUpstream() as upstream:
        _, kind, array = await asked(upstream, "gemini array", "gemini-2.5-flash")
        _, _, events = await asked(upstream, "gemini", "gemini-2.5-flash")
        _, _, broken = await asked(upstream, "gemini array", "fault-error-frame")
        _, _, first = await asked(upstream, "gemini array", "fault-error-first")
    assert kind == "application/json"
    assert json.loads(array) == [json.loads(line[6:]) for line in events.splitlines() if line]
    assert json.loads(broken)[-1]["error"]["status"] == "UNAVAILABLE"
    assert [item["error"]["code"] for item in json.loads(first)] == [503]


async def test_faults_of_chat_objects_are_not_had_elsewhere() -> None:
    async with FakeUpstream() as upstream:
        assert (await asked(upstream, "messages", "fault-usage-huge"))[0] == 404
        assert (await asked(upstream, "chat", "fault-usage-huge"))[0] == 200


ODD: dict[str, Json] = {
    "chat": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    "responses": {"input": "Hi", "reasoning": "high"},
    "messages": {"messages": ["Hi"], "max_tokens": 5},
    "gemini": {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": "hot"},
}


@pytest.mark.parametrize("name", ODD)
async def test_request_of_an_odd_shape_is_refused_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLS, name, (CALLS[name][0], ODD[name]))
    async with FakeUpstream() as upstream:
        status, _, body = await asked(upstream, name, "some-model")
    assert status == 400
    assert json.loads(body)["error"]["message"]
