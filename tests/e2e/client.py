"""A small HTTP/1.1 client that tells exactly how far a reply came, which well-behaved clients hide."""

import asyncio
import contextlib
import json
import socket
import struct
from typing import Any

import msgspec

DONE = b"data: [DONE]"
READ_BYTES = 65536


class Reply(msgspec.Struct):
    """What arrived. ``status`` 0: no status line. ``framed``: the body ended as HTTP says it should."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    framed: bool = False

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def has_ended(self) -> bool:
        """Whether the client has all of it: the end marker of a stream, the whole body otherwise."""
        return DONE in self.body if self.is_stream else self.framed

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The OpenAI error object of a refusal; empty when there is none."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            found: dict[str, Any] = self.json()["error"]
            return found
        return {}

    def events(self) -> list[dict[str, Any]]:
        """The objects of a stream, without its end marker."""
        lines = [line[5:].strip() for line in self.body.split(b"\n") if line.startswith(b"data:")]
        return [json.loads(line) for line in lines if line and line != b"[DONE]"]

    def text(self) -> str:
        """What the deltas of a stream say, joined."""
        deltas = [choice["delta"] for event in self.events() for choice in event.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)


async def call(
    port: int,
    key: str,
    body: Any,
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    timeout_s: float = 30.0,
    leave_after: bytes | None = None,
    resets: bool = False,
) -> Reply:
    """One request on a connection of its own. Whatever breaks ends the reply; it raises only TimeoutError.

    ``body`` is JSON, or bytes to send as they are. ``leave_after``: close once these bytes have arrived.
    ``resets``: close so that the server knows at once, rather than might take it for a half-closed one.
    """
    reply = Reply()
    payload = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    fields = {"host": f"127.0.0.1:{port}", "authorization": f"Bearer {key}"}
    fields |= {"content-type": "application/json", "content-length": str(len(payload)), "connection": "close"}
    fields |= headers or {}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    head = "\r\n".join(lines) + "\r\n\r\n"
    async with asyncio.timeout(timeout_s):
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if resets:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                writer.write(head.encode() + payload)
                await _receive(reader, reply, leave_after)
            finally:
                writer.transport.abort()
    return reply


async def exchange(port: int, data: bytes, *, half_close: bool = False, timeout_s: float = 10.0) -> bytes:
    """Raw bytes out, everything that comes back until the other side closes. Raises TimeoutError."""
    received = b""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(OSError):
                writer.write(data)
                if half_close:
                    writer.write_eof()
                while part := await reader.read(READ_BYTES):
                    received += part
        finally:
            writer.transport.abort()
    return received


async def _receive(reader: asyncio.StreamReader, reply: Reply, leave_after: bytes | None) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return
    status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    reply.headers = {name.lower(): value.strip() for name, _, value in pairs}
    reply.status = int(status_line.split()[1])
    parts = _chunked(reader) if reply.headers.get("transfer-encoding") == "chunked" else _sized(reader, reply)
    try:
        async for part in parts:
            reply.body += part
            if leave_after is not None and leave_after in reply.body:
                return
    except (asyncio.IncompleteReadError, ValueError):
        return
    reply.framed = True


async def _sized(reader: asyncio.StreamReader, reply: Reply) -> Any:
    left = int(reply.headers.get("content-length", "0"))
    while left:
        part = await reader.read(min(left, READ_BYTES))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(part)
        yield part


async def _chunked(reader: asyncio.StreamReader) -> Any:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
