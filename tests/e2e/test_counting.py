"""Without these a question for a number of tokens, which costs nothing, could take channels or places from
those who call."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, raw_requests, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server
from tests.sim.raw_server import Peer, RawServer

from switchgear.kernel.limits import COUNT_AT_ONCE_MAX, COUNTS_PER_CALL, HOPS_MAX

TEXT = "hello"
SAY = [{"role": "user", "content": TEXT}]
DIALECTS = {"m": "anthropic_messages", "g": "gemini_generate", "r": "openai_responses"}
REPLIES: dict[bytes, dict[str, Any]] = {
    b"/messages ": {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 3},
    },
    b":generateContent": {
        "candidates": [
            {"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": TEXT}]}}
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8},
    },
    b"/responses ": {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "r",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
    },
}
COUNTS: dict[str, tuple[str, dict[str, Any]]] = {
    "m": ("/v1/messages/count_tokens", {"model": "m", "messages": SAY}),
    "g": ("/v1beta/models/g:countTokens", {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}),
    "r": ("/v1/responses/input_tokens", {"model": "r", "input": TEXT}),
}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "m": ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": SAY}),
    "g": ("/v1beta/models/g:generateContent", {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}),
    "r": ("/v1/responses", {"model": "r", "input": TEXT, "max_output_tokens": 16}),
}
FAULTS = {
    "limited": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\n",
    "refused": b"HTTP/1.1 403 Forbidden\r\n",
    "unknown key": b"HTTP/1.1 401 Unauthorized\r\n",
    "no money": b"HTTP/1.1 402 Payment Required\r\n",
    "failing": b"HTTP/1.1 500 Internal Server Error\r\n",
}


class Upstream:
    """Answers calls, and questions with a fault, or never."""

    def __init__(self) -> None:
        self.fault = FAULTS["limited"]
        self.silent = False
        self.heads: list[bytes] = []

    async def speak(self, peer: Peer) -> None:
        while request := await peer.request():
            line = request.split(b"\r\n")[0].replace(b"?", b" ?")
            body = next((json.dumps(reply).encode() for mark, reply in REPLIES.items() if mark in line), b"")
            if body:
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            else:
                self.heads.append(request)
                if self.silent:
                    await peer.until_closed()
                    return
                head, body = self.fault, b'{"error":{"message":"no"}}'
            await peer.send(head + b"content-length: %d\r\n\r\n" % len(body) + body)


class Rig(msgspec.Struct):
    server: Server
    upstream: Upstream
    poor: str
    rich: str
    slow: str

    async def count(self, key: str, model: str, **more: Any) -> Reply:
        path, body = COUNTS[model]
        return await client.call(self.server.port, key, body, path=path, **more)

    async def call(self, key: str, model: str) -> Reply:
        path, body = CALLS[model]
        return await client.call(self.server.port, key, body, path=path)


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    upstream = Upstream()
    poor, rich, slow = (settings.fresh_key() for _ in range(3))
    async with RawServer(upstream.speak) as host:
        parts = [
            settings.group(),
            settings.user(),
            settings.user("broke", "0"),
            settings.key(rich, "rich"),
            settings.key(poor, "poor", "broke"),
            settings.key(slow, "slow", rpm=1),
            *(
                settings.channel(host.url, [model], model, dialects=[dialect])
                for model, dialect in DIALECTS.items()
            ),
            *(settings.price(model) for model in DIALECTS),
        ]
        server = Server("\n".join(parts), workers=1)
        try:
            await asyncio.to_thread(server.start)
            yield Rig(server, upstream, poor, rich, slow)
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)


pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_what_an_upstream_says_to_a_question_is_not_held_against_it(rig: Rig) -> None:
    for fault in FAULTS.values():
        rig.upstream.fault = fault
        for model in DIALECTS:
            for _ in range(6):
                counted = await rig.count(rig.poor, model)
                assert counted.status == 200, counted.body
                assert any(isinstance(number, int) and number > 0 for number in counted.json().values())
            answered = await rig.call(rig.rich, model)
            assert answered.status == 200, (fault, model, answered.body)
    assert len(rig.upstream.heads) >= 2, "nobody was asked"


async def test_questions_that_hang_leave_places_for_other_keys(rig: Rig) -> None:
    rig.upstream.silent = True
    hanging = [asyncio.create_task(rig.count(rig.poor, "m")) for _ in range(2 * COUNT_AT_ONCE_MAX)]
    await asyncio.wait(hanging, timeout=0.5)
    assert 0 < len(rig.upstream.heads) <= COUNT_AT_ONCE_MAX // 2
    answered = await rig.call(rig.rich, "m")
    assert answered.status == 200
    asked = asyncio.create_task(rig.count(rig.rich, "m"))
    await asyncio.wait([asked], timeout=0.5)
    assert len(rig.upstream.heads) > COUNT_AT_ONCE_MAX // 2, "another key's question had no place"
    for task in (*hanging, asked):
        task.cancel()
    await asyncio.gather(*hanging, asked, return_exceptions=True)


async def test_questions_whose_bodies_do_not_come_take_no_place(rig: Rig) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2 * COUNT_AT_ONCE_MAX):
            _, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
            stack.callback(writer.close)
            line = b"POST /v1/messages/count_tokens HTTP/1.1"
            writer.write(raw_requests.request(b"content-length: 5000", key=rig.poor.encode(), line=line))
        for key in (rig.poor, rig.rich):
            assert (await rig.count(key, "m", timeout_s=5)).status == 200


async def test_a_question_says_how_many_relays_it_came_through(rig: Rig) -> None:
    await rig.count(rig.rich, "m", headers={"x-switchgear-hops": "2"})
    assert b"x-switchgear-hops: 3\r\n" in rig.upstream.heads[-1]
    looped = await rig.count(rig.rich, "m", headers={"x-switchgear-hops": str(HOPS_MAX)})
    assert looped.status == 508


async def test_questions_have_a_generous_rate_of_their_own(rig: Rig) -> None:
    statuses = [(await rig.count(rig.slow, "m")).status for _ in range(COUNTS_PER_CALL)]
    refused = await rig.count(rig.slow, "m")
    assert statuses == [200] * COUNTS_PER_CALL
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 0
    assert (await rig.call(rig.slow, "m")).status == 200
