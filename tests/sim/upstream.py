"""A scriptable upstream on loopback; ``python -m tests.sim.upstream --port P`` runs it alone.

It speaks four dialects on one port, each on its vendor's paths: OpenAI chat and Responses (and completions
and embeddings), Anthropic Messages, Gemini. The model named in a request picks a fault (``fault-…``, see
``tests.sim.faults``), words in the last question pick a script (see ``tests.sim.script``); anything else gets
``word0 word1 …``. A request that breaks the vendor's schema gets 400, a wrong key what the vendor says to it.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, Self

from tests.sim.dialects import dialect_of
from tests.sim.responses_stage import Store

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
        self.dialect = dialect_of(request)
        self.model = self.dialect.model_of(request)
        self.path = request.path.split("?")[0]
        self.bare_id = f"sim{len(upstream.requests):08d}"
        self.reply_id = f"chatcmpl-{self.bare_id}"
        self.started = False

    def is_key(self, given: str | None) -> bool:
        return not self.upstream._check_key or given == self.upstream.api_key

    def has_key(self, header: str) -> bool:
        return self.is_key(self.request.headers.get(header))

    def has_bearer(self) -> bool:
        scheme, _, given = self.request.headers.get("authorization", "").partition(" ")
        return self.is_key(given if scheme == "Bearer" else None)

    async def answer(self) -> None:
        """What is too odd for the checks, which look at what matters to a relay, is refused as well."""
        try:
            await self.dialect.answer(self)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as fault:
            if self.started:
                raise
            await self.refuse(400, f"The request has not the shape of the schema: {fault!r}")

    async def send(self, data: bytes) -> None:
        self.started = True
        self.writer.write(data)
        await self.writer.drain()

    async def send_body(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        cut: bool = False,
        **headers: str,
    ) -> None:
        """A reply framed by its length; ``headers`` with underscores for dashes. ``cut``: half of it."""
        fields = {"content-type": content_type, "content-length": str(len(body))}
        fields[self.dialect.request_id_header] = self.dialect.request_id(self)
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        await self.send(_head(status, fields) + (body[: len(body) // 2] if cut else body))

    async def send_json(self, status: int, item: Any, cut: bool = False, **headers: str) -> None:
        await self.send_body(status, json.dumps(item).encode(), cut=cut, **headers)

    async def refuse(
        self,
        status: int,
        message: str,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
        **headers: str,
    ) -> None:
        """An error in the vendor's form."""
        await self.send_json(status, self.dialect.error(self, status, message, kind, code, param), **headers)

    async def begin_stream(self) -> None:
        fields = {"content-type": self.dialect.stream_type, "transfer-encoding": "chunked"}
        fields[self.dialect.request_id_header] = self.dialect.request_id(self)
        await self.send(_head(200, fields))

    async def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body, written by itself."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    @property
    def streams(self) -> bool:
        """Whether the reply is to be a stream; Gemini says so in the path."""
        return bool(self.call.get("stream")) or "stream" in self.path.rpartition(":")[2]

    def frames(self) -> list[bytes]:
        """The frames of the proper stream for this call, its end marker included."""
        return self.dialect.scripted(self).frames

    def whole(self) -> Any:
        """The proper reply for this call in one piece."""
        return self.dialect.scripted(self).whole

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
        self.stored = Store()
        self.released = asyncio.Event()
        """Ends the wait of ``[slow-first]`` early."""
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
                await exchange.answer()
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
    arguments = argparse.ArgumentParser(description="A fake upstream of four dialects on loopback.")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--api-key", default=API_KEY)
    given = arguments.parse_args()
    async with FakeUpstream(api_key=given.api_key, port=given.port) as upstream:
        print(json.dumps({"port": upstream.port, "base_url": upstream.base_url}), flush=True)
        await upstream.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
