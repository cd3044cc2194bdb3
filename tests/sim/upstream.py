"""A scriptable OpenAI-dialect upstream on loopback; ``python -m tests.sim.upstream --port P`` runs it alone.

The model named in a request picks a fault (``fault-…``, see ``tests.sim.faults``); any other model gets the
deterministic replies of ``tests.sim.replies``. A request that breaks the vendor's schema gets 400, a wrong
key 401.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, Self

from tests.sim import faults, replies, strict

API_KEY = "sk-sim-upstream"
HEAD_BYTES_MAX = 1 << 20
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Recorded(NamedTuple):
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    """Lower-case names; repeated ones joined by ", "."""
    body: bytes
    json: Any
    """The decoded body, or None."""
    connection: int
    """Number of the connection it came on, from 1."""


class Gone(Exception):
    """The connection is over; nothing more can be said on it."""


ENDS = (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)


class Exchange:
    """One request being answered."""

    def __init__(self, upstream: "FakeUpstream", request: Recorded, writer: asyncio.StreamWriter) -> None:
        self.upstream, self.request, self.writer = upstream, request, writer
        self.call: dict[str, Any] = request.json if isinstance(request.json, dict) else {}
        self.model = str(self.call.get("model", ""))
        self.reply_id = f"chatcmpl-sim{len(upstream.requests):08d}"
        self.started = False

    async def send(self, data: bytes) -> None:
        self.started = True
        self.writer.write(data)
        await self.writer.drain()

    async def send_body(
        self, status: int, body: bytes, content_type: str = "application/json", **headers: str
    ) -> None:
        """A whole reply framed by its length; ``headers`` with underscores for dashes."""
        fields = {"content-type": content_type, "content-length": str(len(body))}
        fields["x-request-id"] = self.reply_id
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        await self.send(_head(status, fields) + body)

    async def send_json(self, status: int, item: Any, **headers: str) -> None:
        await self.send_body(status, json.dumps(item).encode(), **headers)

    async def refuse(
        self,
        status: int,
        message: str,
        kind: str,
        code: str | None = None,
        param: str | None = None,
        **headers: str,
    ) -> None:
        """An error in the vendor's form."""
        await self.send_json(status, replies.error_body(message, kind, code, param), **headers)

    async def begin_stream(self, content_type: str = "text/event-stream; charset=utf-8") -> None:
        fields = {"content-type": content_type, "transfer-encoding": "chunked", "x-request-id": self.reply_id}
        await self.send(_head(200, fields))

    async def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body, written by itself."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def frames(self) -> list[bytes]:
        """The frames of the proper stream for this call, its end marker included."""
        chunks = replies.completion_chunks if "prompt" in self.call else replies.chat_chunks
        return [replies.frame(item) for item in chunks(self.call, self.reply_id)] + [replies.DONE]

    def reset(self) -> None:
        """Cuts the connection with a reset instead of a proper end."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Gone

    def cut(self) -> None:
        """Ends the connection here; bytes already written still arrive."""
        self.writer.close()
        raise Gone


class FakeUpstream:
    """Async context manager. ``requests``: all that came. ``connections``: how many were accepted.
    ``open_streams``: replies being sent now. ``closed_early``: requests whose client left before the end."""

    def __init__(self, api_key: str | None = API_KEY, host: str = "127.0.0.1", port: int = 0) -> None:
        self.api_key = api_key or API_KEY
        self._check_key = api_key is not None
        self._host, self._port = host, port
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Recorded] = []
        self.connections = 0
        self.open_connections = 0
        self.open_streams = 0
        self.closed_early: list[Recorded] = []
        self.calls: dict[str, int] = {}
        """Requests counted by model."""
        self.reset_on_accept = False
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        return self._port

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accepted, self._host, self._port, limit=HEAD_BYTES_MAX
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def wait_for(self, condition: Callable[["FakeUpstream"], bool], timeout_s: float = 5.0) -> None:
        """Waits until ``condition(self)`` holds, looked at at each change; else TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def wait_closed_early(self, count: int = 1, timeout_s: float = 1.0) -> None:
        """Waits until ``count`` clients have left before the end of their reply."""
        await self.wait_for(lambda upstream: len(upstream.closed_early) >= count, timeout_s)

    async def serve_forever(self) -> None:
        await self._server.serve_forever()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        self._changed.set()
        try:
            with contextlib.suppress(*ENDS):
                await self._converse(reader, writer, self.connections)
        finally:
            self._tasks.discard(task)
            self.open_connections -= 1
            writer.close()
            self._changed.set()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        if self.reset_on_accept:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        while (request := await _read_request(reader, number)) is not None:
            self.requests.append(request)
            exchange = Exchange(self, request, writer)
            self.calls[exchange.model] = self.calls.get(exchange.model, 0) + 1
            async with self._watched(reader, request):
                await answer(exchange)
            if request.headers.get("connection", "").lower() == "close":
                return

    @contextlib.asynccontextmanager
    async def _watched(self, reader: asyncio.StreamReader, request: Recorded) -> AsyncIterator[None]:
        """Cancels the answer when the client's end of the connection closes before it is complete."""
        answering = asyncio.current_task()
        assert answering is not None
        left = False

        async def watch() -> None:
            nonlocal left
            # A proper client is silent until it has its reply, so a finished wait means that it went away.
            with contextlib.suppress(ConnectionError):
                if not reader.at_eof():
                    await reader._wait_for_data("watch")  # type: ignore[attr-defined]  # no public way to peek
            if reader.at_eof() or reader.exception() is not None:
                left = True
                answering.cancel()

        watcher = asyncio.ensure_future(watch())
        self.open_streams += 1
        self._changed.set()
        try:
            yield
        except (asyncio.CancelledError, ConnectionError):
            if left or not answering.cancelling():
                self.closed_early.append(request)
            raise
        finally:
            self.open_streams -= 1
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            self._changed.set()


async def answer(exchange: Exchange) -> None:
    """Checks the request as the vendor would and answers it."""
    path = exchange.request.path.split("?")[0]
    upstream = exchange.upstream
    expected = f"Bearer {upstream.api_key}"
    if upstream._check_key and exchange.request.headers.get("authorization") != expected:
        await exchange.refuse(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key")
        return
    if exchange.request.method == "GET" and path == "/v1/models":
        await exchange.send_json(200, replies.models_reply(replies.MODELS))
        return
    if exchange.request.method == "GET" and path.startswith("/v1/models/"):
        await exchange.send_json(200, replies.model_reply(path.removeprefix("/v1/models/")))
        return
    route = ROUTES.get(path)
    if route is None:
        await exchange.refuse(404, f"Unknown request URL: {path}", "invalid_request_error", "unknown_url")
        return
    if exchange.request.method != "POST":
        await exchange.refuse(405, "Not allowed", "invalid_request_error", "method_not_allowed", allow="POST")
        return
    if not isinstance(exchange.request.json, dict):
        message = "We could not parse the JSON body of your request."
        await exchange.refuse(400, message, "invalid_request_error")
        return
    check, whole = route
    try:
        check(exchange.call)
    except strict.Invalid as fault:
        await exchange.refuse(400, fault.message, "invalid_request_error", fault.code, fault.param)
        return
    if await faults.inject(exchange):
        return
    if exchange.call.get("stream") and path != "/v1/embeddings":
        await exchange.begin_stream()
        for frame in exchange.frames():
            await exchange.chunk(frame)
        await exchange.end_stream()
    else:
        await exchange.send_json(200, whole(exchange))


ROUTES: dict[str, tuple[Callable[[dict[str, Any]], None], Callable[[Exchange], Any]]] = {
    "/v1/chat/completions": (strict.check_chat, lambda it: replies.chat_reply(it.call, it.reply_id)),
    "/v1/completions": (strict.check_completion, lambda it: replies.completion_reply(it.call, it.reply_id)),
    "/v1/embeddings": (strict.check_embeddings, lambda it: replies.embeddings_reply(it.call)),
}


def _head(status: int, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Recorded | None:
    """The next request of a connection; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    decoded = None
    with contextlib.suppress(ValueError):
        decoded = json.loads(body) if body else None
    return Recorded(method, path, headers, body, decoded, connection)


async def _main() -> None:
    arguments = argparse.ArgumentParser(description="A fake OpenAI-dialect upstream on loopback.")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--api-key", default=API_KEY)
    given = arguments.parse_args()
    async with FakeUpstream(api_key=given.api_key, port=given.port) as upstream:
        print(json.dumps({"port": upstream.port, "base_url": upstream.base_url}), flush=True)
        await upstream.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
