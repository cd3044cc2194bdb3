"""How clients of every habit talk to a real server, byte by byte.

Without it a client could be refused for its spelling of a request, see what it did not ask for, or have a
field changed on the way that no SDK test looks at.
"""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server
from tests.sim.raw_server import Peer, RawServer

from switchgear.kernel.limits import HEARTBEAT_INTERVAL_S

CHAT = "/v1/chat/completions"
CALL: dict[str, Any] = {"model": "whole", "messages": [{"role": "user", "content": "hi"}]}
BODY = json.dumps(CALL).encode()
USAGE = b'{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"cost":1.50e-7}'
WHOLE = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"u","weird":1.0000000000000000001,'
    b'"big":123456789012345678901234567890,"uni":"\\u00e9\\/","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"h\\u00e9","reasoning_details":[{"x":1}]},"logprobs":{"content":[{"token":"h",'
    b'"logprob":-0.10}]},"finish_reason":"stop"}],"usage":' + USAGE + b',"system_fingerprint":null}'
)
OPENING = b'data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
SAID = (
    b'data: {"id":"c1","weird":1.0e5,'
    b'"choices":[{"index":0,"delta":{"content":"h\\u00e9"},"logprobs":null}]}\n\n'
)
FINISH = b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
COUNTED = b'data: {"id":"c1","choices":[],"usage":' + USAGE + b"}\n\n"
DONE = b"data: [DONE]\n\n"
UPSTREAM_HEADERS = (
    b"set-cookie: a=b\r\nserver: cloudflare\r\nopenai-organization: org-ours\r\nopenai-processing-ms: 12\r\n"
    b"x-ratelimit-limit-requests: 5\r\ncf-ray: 1\r\nvia: x\r\nx-request-id: theirs\r\n"
)
VECTOR = (
    b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.25]}],"usage":'
    + USAGE
    + b"}"
)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MODELS = ["whole", "stream", "opening", "silent", "slow", "vector"]
SILENT_S = HEARTBEAT_INTERVAL_S + 1

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def upstream(peer: Peer) -> None:
    """Answers by the model's name."""
    while (request := await peer.request()) is not None:
        seen.append(request)
        model = json.loads(request.partition(b"\r\n\r\n")[2])["model"]
        if model == "silent":
            asked.set()
            await peer.until_closed()
            left.set()
        elif model in ("whole", "vector"):
            answer = WHOLE if model == "whole" else VECTOR
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + UPSTREAM_HEADERS
            await peer.send(head + b"content-length: %d\r\n\r\n" % len(answer) + answer)
        elif model == "opening":
            await send_stream(peer, OPENING, whole=False)
            return
        else:
            if model == "slow":
                await asyncio.sleep(SILENT_S)
            await send_stream(peer, SAID, FINISH, COUNTED, DONE)


async def send_stream(peer: Peer, *frames: bytes, whole: bool = True) -> None:
    await peer.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for frame in frames:
        await peer.send(b"%x\r\n%b\r\n" % (len(frame), frame))
    if whole:
        await peer.send(b"0\r\n\r\n")


seen: list[bytes] = []
"""Requests as the upstream got them."""
asked, left = asyncio.Event(), asyncio.Event()
"""The relay has asked the silent upstream, and has let go of it."""


class Rig(msgspec.Struct):
    server: Server
    key: str
    narrow: str

    async def post(self, body: Any, path: str = CHAT, key: str | None = None, **headers: str) -> Reply:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.call(
            self.server.port, self.key if key is None else key, body, path=path, headers=fields
        )

    async def raw(self, *lines: bytes, body: bytes = BODY, version: bytes = b"1.1", **how: Any) -> bytes:
        """A request written by hand; what comes back until the connection closes."""
        head = [b"POST %b HTTP/%b" % (CHAT.encode(), version), b"host: relay", *lines, b"connection: close"]
        head.append(b"authorization: Bearer " + self.key.encode())
        return await client.exchange(self.server.port, b"\r\n".join(head) + b"\r\n\r\n" + body, **how)

    async def row(self, reply: Reply) -> dict[str, Any]:
        rows = await asyncio.to_thread(self.server.usage_with, {reply.request_id})
        return rows[reply.request_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    key, narrow = settings.fresh_key(), settings.fresh_key()
    async with RawServer(upstream) as raw:
        base_url = f"{raw.url}/v1"
        server = Server("")
        own = settings.table(
            "channels",
            name="loop",
            vendor="compatible",
            base_url=server.base_url,
            keys=[key],
            models=["looping"],
        )
        parts = [
            settings.usual(base_url, MODELS, key),
            settings.key(narrow, "narrow", models=["stream"]),
            settings.channel(base_url, ["second-try"], "a", priority=1, model_map={"second-try": "opening"}),
            settings.channel(base_url, ["second-try"], "b", model_map={"second-try": "stream"}),
            own,
            settings.price("looping"),
            settings.price("second-try"),
        ]
        server.config_file.write_text("\n".join(parts))
        try:
            await asyncio.to_thread(server.start)
            yield Rig(server, key, narrow)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.assert_audit_clean)
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("sk-wrong", b"{", 401, "invalid_api_key"),
        ("", b"{", 401, None),
        ("narrow", {"model": "whole", "messages": []}, 403, "model_not_allowed"),
        (None, {"model": "none-such", "messages": [], "max_tokens": "x"}, 404, "model_not_found"),
        (None, {"messages": []}, 400, "missing_required_parameter"),
        (None, {"model": "whole", "messages": []}, 400, "invalid_value"),
        (None, {"model": "whole"}, 400, "missing_required_parameter"),
        (None, b"{", 400, None),
    ],
)
async def test_the_first_thing_wrong_is_named(
    rig: Rig, key: str | None, body: Any, status: int, code: str | None
) -> None:
    reply = await rig.post(body, key=rig.narrow if key == "narrow" else key)
    assert (reply.status, reply.error["code"]) == (status, code), reply.body
    assert list(reply.error) == ["message", "type", "param", "code"]
    assert reply.request_id in reply.error["message"]


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_compressed_body_reaches_the_upstream_as_it_was(rig: Rig, coding: str) -> None:
    sent = gzip.compress(BODY) if coding == "gzip" else BODY
    assert (await rig.post(sent, content_encoding=coding)).status == 200
    head, _, body = seen[-1].partition(b"\r\n\r\n")
    assert json.loads(body) == CALL
    assert b"content-encoding" not in head.lower()


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"content_encoding": "br"}, BODY, "unsupported_content_encoding"),
        ({"content_type": "multipart/form-data; boundary=x"}, b"--x\r\n", "unsupported_media_type"),
    ],
)
async def test_what_is_not_read_here_is_said_with_415(
    rig: Rig, headers: dict[str, str], body: bytes, code: str
) -> None:
    reply = await rig.post(body, **headers)
    assert (reply.status, reply.error["code"]) == (415, code)


async def test_a_json_body_under_another_type_is_read_all_the_same(rig: Rig) -> None:
    """``curl -d`` says that it sends a form."""
    assert (await rig.post(BODY, content_type="application/x-www-form-urlencoded")).status == 200


async def test_the_upstream_gets_every_field_and_only_the_named_edits(rig: Rig) -> None:
    sent = (
        b'{"model":"whole","messages":[{"role":"user","content":"h\\u00e9"}],"top_p":null,'
        b'"unknown":{"a":1.50,"b":[1e-7,123456789012345678901]},"temperature":0.70,'
        b'"extra_body":{"top_k":20,"temperature":0.1},"stream_options":{"include_usage":true}}'
    )
    reply = await rig.post(
        sent,
        openai_organization="org-client",
        cookie="a=b",
        x_forwarded_for="1.2.3.4",
        x_api_key="other",
        traceparent="00-a-b-01",
        x_switchgear_hops="1",
    )
    assert reply.status == 200
    head, _, body = seen[-1].partition(b"\r\n\r\n")
    assert body == (
        b'{"model":"whole","messages":[{"role":"user","content":"h\\u00e9"}],'
        b'"unknown":{"a":1.50,"b":[1e-7,123456789012345678901]},"temperature":0.70,"top_k":20}'
    )
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert not names & {b"openai-organization", b"cookie", b"x-forwarded-for", b"x-api-key", b"forwarded"}
    assert b"traceparent: 00-a-b-01" in head.lower()
    assert b"x-switchgear-hops: 2" in head.lower()
    assert rig.key.encode() not in head


async def test_a_whole_answer_is_the_upstream_s_to_the_byte_but_not_its_headers(rig: Rig) -> None:
    reply = await rig.post(CALL)
    assert reply.body == WHOLE
    assert reply.headers["openai-processing-ms"] == "12"
    assert reply.headers["server"] == "switchgear"
    assert reply.request_id != "theirs"
    strange = {"set-cookie", "openai-organization", "cf-ray", "via", "x-ratelimit-limit-requests"}
    assert not strange & reply.headers.keys()


@pytest.mark.parametrize("asked", [True, False])
async def test_a_stream_is_the_upstream_s_to_the_byte_but_for_the_usage_nobody_asked_for(
    rig: Rig, asked: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if asked else {}
    reply = await rig.post(CALL | {"model": "stream", "stream": True} | options)
    assert reply.body == SAID + FINISH + (COUNTED if asked else b"") + DONE
    assert b'"include_usage":true' in seen[-1]
    counted = {name: count for name, count in (await rig.row(reply))["usage"].items() if count}
    assert counted == {"input_uncached": 100, "output_text": 20}


async def test_a_candidate_that_only_opens_its_answer_is_replaced(rig: Rig) -> None:
    reply = await rig.post(CALL | {"model": "second-try", "stream": True})
    assert reply.body == SAID + FINISH + DONE
    assert (await rig.row(reply))["channel"] == "b"
    alone = await rig.post(CALL | {"model": "opening", "stream": True})
    assert (alone.status, alone.error["code"]) == (502, "upstream_cut")
    assert (await rig.row(alone))["charge_nanos"] == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_a_channel_that_leads_back_is_said_to_be_a_loop(rig: Rig, stream: bool) -> None:
    reply = await rig.post(CALL | {"model": "looping", "stream": stream})
    assert (reply.status, reply.error["code"]) == (508, "relay_loop")
    assert reply.headers["x-should-retry"] == "false"


async def test_vectors_come_as_they_were_asked_for(rig: Rig) -> None:
    plain = await rig.post({"model": "vector", "input": "a"}, "/v1/embeddings")
    assert plain.body == VECTOR
    coded = await rig.post({"model": "vector", "input": "a", "encoding_format": "base64"}, "/v1/embeddings")
    assert coded.json()["data"][0]["embedding"] == "AAAAPwAAoL8="


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/models/whole", "/livez", "/readyz", "/nowhere"])
async def test_head_answers_as_get_without_a_body(rig: Rig, path: str) -> None:
    async def ask(method: str) -> tuple[bytes, bytes]:
        line = f"{method} {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n"
        line += f"authorization: Bearer {rig.key}\r\n\r\n"
        head, _, body = (await client.exchange(rig.server.port, line.encode())).partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0], body

    head, get = await ask("HEAD"), await ask("GET")
    assert head == (get[0], b"")
    assert get[1]


async def test_a_websocket_is_turned_away_at_once(rig: Rig) -> None:
    lines = [
        "GET /v1/responses HTTP/1.1",
        "host: relay",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        f"authorization: Bearer {rig.key}",
    ]
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = await asyncio.wait_for(reader.readline(), 2)
    writer.close()
    assert status.startswith(b"HTTP/1.1 426 ")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("split", [False, True])
async def test_an_offer_of_http_2_in_the_clear_is_declined_in_silence(rig: Rig, split: bool) -> None:
    """The HTTP client of Java makes it with every first request, and ``curl --http2`` too."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    host = f"host: relay\r\nauthorization: Bearer {rig.key}\r\n".encode() + offer
    call = f"POST {CHAT} HTTP/1.1\r\n".encode() + host + b"content-length: %d\r\n\r\n" % len(BODY)
    listing = b"GET /v1/models HTTP/1.1\r\n" + host + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
    async with asyncio.timeout(5):
        for request in (listing, call + BODY, call + BODY, listing):  # the connection stays
            parts = [request[at : at + 7] for at in range(0, len(request), 7)] if split else [request]
            for part in parts:
                writer.write(part)
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
            body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
            assert body == WHOLE if request is not listing else b'"whole"' in body
    writer.close()


async def test_a_key_that_is_not_known_is_not_to_be_tried_again(rig: Rig) -> None:
    """Some agents try a 401 again for minutes unless they are told not to."""
    body = CALL | {"model": "whole"}
    reply = await client.call(rig.server.port, settings.fresh_key(), body)
    assert (reply.status, reply.headers["x-should-retry"]) == (401, "false")


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(rig: Rig) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {rig.key}\r\n"
    writer.write(head.encode() + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_http_1_0_and_chunked_clients_are_answered(rig: Rig) -> None:
    size = b"content-length: %d" % len(BODY)
    assert (await rig.raw(size, version=b"1.0")).endswith(WHOLE)
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
    assert (await rig.raw(b"transfer-encoding: chunked", body=pieces)).endswith(WHOLE)
    call = json.dumps(CALL | {"model": "stream", "stream": True}).encode()
    streamed = await rig.raw(b"content-length: %d" % len(call), body=call, version=b"1.0")
    assert streamed.endswith(SAID + FINISH + DONE)


async def test_a_client_that_leaves_in_its_body_is_gone_and_no_fault_of_ours(rig: Rig) -> None:
    before = {row["request_id"] for row in await asyncio.to_thread(rig.server.usage)}
    _, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {rig.key}\r\n"
    writer.write(head.encode() + b"content-length: 500\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        while not (new := await new_rows(rig, before)):
            pass
    assert [(row["end_state"], row["error"]) for row in new] == [("client_gone", "")]


async def new_rows(rig: Rig, before: set[str]) -> list[dict[str, Any]]:
    """Records of calls whose body never came, so that those of other tests don't count, however late."""
    rows = await asyncio.to_thread(rig.server.usage)
    return [row for row in rows if row["request_id"] not in before and not row["model"]]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_answer_frees_the_upstream(rig: Rig, stream: bool) -> None:
    asked.clear()
    left.clear()
    known = len(seen)
    body = json.dumps(CALL | {"model": "silent", "stream": stream}).encode()
    leaving = asyncio.create_task(rig.raw(b"content-length: %d" % len(body), body=body))
    await asyncio.wait_for(asked.wait(), 10)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.wait_for(left.wait(), 10)
    assert len(seen) == known + 1


async def test_a_silent_upstream_is_bridged_with_empty_pieces(rig: Rig) -> None:
    reply = await rig.post(CALL | {"model": "slow", "stream": True})
    sign, end, answer = reply.body.partition(b"\n\n")
    assert json.loads(sign.removeprefix(b"data: "))["choices"][0]["delta"] == {"content": ""}
    assert end + answer == b"\n\n" + SAID + FINISH + DONE
    assert (await rig.row(reply))["end_state"] == "complete"
