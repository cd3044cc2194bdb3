"""An upstream of all four dialects that says what a test tells it to, when it tells it to: text, silence, a
report of usage true or not, an end or none."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, Self

from tests.sim.raw_server import Peer, RawServer

Json = dict[str, Any]
DIALECTS = ("chat", "responses", "messages", "gemini")


@dataclass
class Report:
    """Tokens as an upstream counts them; None for a count that it leaves out."""

    input: int
    output: int
    reasoning: int = 0

    @property
    def chat(self) -> Json:
        details = (
            {"completion_tokens_details": {"reasoning_tokens": self.reasoning}} if self.reasoning else {}
        )
        total = self.output + self.reasoning
        return {
            "prompt_tokens": self.input,
            "completion_tokens": total,
            "total_tokens": self.input + total,
            **details,
        }

    @property
    def responses(self) -> Json:
        total = self.output + self.reasoning
        return {
            "input_tokens": self.input,
            "output_tokens": total,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.input + total,
        }

    @property
    def messages(self) -> Json:
        return {"input_tokens": self.input, "output_tokens": self.output + self.reasoning}

    @property
    def gemini(self) -> Json:
        return {
            "promptTokenCount": self.input,
            "candidatesTokenCount": self.output,
            "thoughtsTokenCount": self.reasoning,
            "totalTokenCount": self.input + self.output + self.reasoning,
        }


@dataclass
class Plan:
    """One answer. ``silent_s``: before its first text. ``goes_on``: waited for after its text; a whole reply
    waits for it before anything. ``fails``: its end is a failure; so is another ``status``."""

    text: str = "word END"
    report: Report | None = None
    silent_s: float = 0.0
    goes_on: asyncio.Event | None = None
    fails: bool = False
    status: int = 200
    ends: bool = True
    is_marked: bool = True
    """False: the connection stays open after the last report, without an end marker."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the request has come."""
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the relay has closed before the end."""


class ToldUpstream(RawServer):
    """Async context manager; answers each request by ``plan``."""

    def __init__(self) -> None:
        super().__init__(self._converse)
        self.plan = Plan()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def _converse(self, peer: Peer) -> None:
        request = await peer.request()
        if request is None:
            return
        head, _, body = request.partition(b"\r\n\r\n")
        plan = self.plan
        plan.started.set()
        path = head.split(b" ")[1].decode()
        dialect = _dialect_of(path)
        streams = bool(json.loads(body).get("stream")) or "streamGenerate" in path
        streams = streams and plan.status == 200
        closed = asyncio.ensure_future(peer.until_closed())
        answering = asyncio.ensure_future(
            _stream(peer, dialect, plan) if streams else _whole(peer, dialect, plan)
        )
        await asyncio.wait((closed, answering), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            plan.cut.set()
        for task in (closed, answering):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await answering


def _dialect_of(path: str) -> str:
    if "/chat/completions" in path:
        return "chat"
    if path.endswith("/responses"):
        return "responses"
    return "messages" if "/messages" in path else "gemini"


async def _stream(peer: Peer, dialect: str, plan: Plan) -> None:
    opening, said, ending = frames(dialect, plan)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    await peer.send(head + b"".join(map(_chunk, opening)))
    if plan.silent_s:
        await asyncio.sleep(plan.silent_s)
    await peer.send(b"".join(map(_chunk, said)))
    if plan.goes_on is not None:
        await plan.goes_on.wait()
    if not plan.ends:
        await asyncio.Event().wait()
    if not plan.is_marked:
        marker = b"[DONE]" if dialect == "chat" else b"message_stop"
        await peer.send(b"".join(_chunk(frame) for frame in ending if marker not in frame))
        await asyncio.Event().wait()
    await peer.send(b"".join(map(_chunk, ending)) + b"0\r\n\r\n")


async def _whole(peer: Peer, dialect: str, plan: Plan) -> None:
    if plan.goes_on is not None:
        await plan.goes_on.wait()
    if not plan.ends:
        await asyncio.Event().wait()
    body = json.dumps(whole(dialect, plan)).encode()
    head = f"HTTP/1.1 {plan.status} X\r\ncontent-type: application/json\r\n"
    await peer.send(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)


def _chunk(frame: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def _data(found: Json) -> bytes:
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def _event(found: Json) -> bytes:
    return b"event: " + found["type"].encode() + b"\n" + _data(found)


def frames(dialect: str, plan: Plan) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """(opening, text, ending) of a stream."""
    pieces = [plan.text[at : at + 4096] for at in range(0, len(plan.text), 4096)]
    return {"chat": _chat, "responses": _responses, "messages": _messages, "gemini": _gemini}[dialect](
        pieces, plan
    )


Frames = tuple[list[bytes], list[bytes], list[bytes]]
ERROR = {"type": "server_error", "code": "server_error", "message": "It broke."}


def _chat(pieces: list[str], plan: Plan) -> Frames:
    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )

    opening = [chunk({"role": "assistant", "content": ""})]
    said = [chunk({"content": piece}) for piece in pieces]
    usage = {} if plan.report is None else {"usage": plan.report.chat}
    if plan.fails:
        return opening, said, [_data({"error": ERROR, **usage})]
    ending = [chunk({}, "stop")]
    if usage:
        ending.append(
            _data({"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [], **usage})
        )
    return opening, said, [*ending, b"data: [DONE]\n\n"]


def _response(plan: Plan, status: str) -> Json:
    part = {"type": "output_text", "text": plan.text, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    found: Json = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m"}
    found["output"] = [item] if plan.text and status != "in_progress" else []
    found["error"] = ERROR if status == "failed" else None
    if plan.report is not None and status != "in_progress":
        found["usage"] = plan.report.responses
    return found


def _responses(pieces: list[str], plan: Plan) -> Frames:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    opening = [
        _event({"type": "response.created", "response": _response(plan, "in_progress")}),
        _event({"type": "response.output_item.added", "output_index": 0, "item": item}),
    ]
    at = {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0}
    said = [_event({**at, "delta": piece}) for piece in pieces]
    status = "failed" if plan.fails else "completed"
    return opening, said, [_event({"type": f"response.{status}", "response": _response(plan, status)})]


def _messages(pieces: list[str], plan: Plan) -> Frames:
    usage = {"input_tokens": 0 if plan.report is None else plan.report.input, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    block = {"type": "text", "text": ""}
    opening = [
        _event({"type": "message_start", "message": message}),
        _event({"type": "content_block_start", "index": 0, "content_block": block}),
    ]
    delta = {"type": "content_block_delta", "index": 0}
    said = [_event({**delta, "delta": {"type": "text_delta", "text": piece}}) for piece in pieces]
    report = {} if plan.report is None else {"usage": plan.report.messages}
    if plan.fails:
        return (
            opening,
            said,
            [_event({"type": "error", "error": {"type": "api_error", "message": "x"}, **report})],
        )
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return (
        opening,
        said,
        [
            _event({"type": "content_block_stop", "index": 0}),
            _event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 0}, **report}),
            _event({"type": "message_stop"}),
        ],
    )


def _gemini(pieces: list[str], plan: Plan) -> Frames:
    def chunk(parts: list[Json], **more: Any) -> Json:
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}, **more}
        return {"candidates": [candidate], "modelVersion": "m", "responseId": "r"}

    report = {} if plan.report is None else {"usageMetadata": plan.report.gemini}
    said = [_data(chunk([{"text": piece}])) for piece in pieces]
    if plan.fails:
        return [], said, [_data({"error": {"code": 500, "message": "x", "status": "INTERNAL"}, **report})]
    return [], said, [_data(chunk([{"text": ""}], finishReason="STOP") | report)]


def whole(dialect: str, plan: Plan) -> Json:
    """The whole reply."""
    match dialect:
        case "chat":
            usage = {} if plan.report is None else {"usage": plan.report.chat}
            if plan.fails:
                return {"error": ERROR, **usage}
            message = {"role": "assistant", "content": plan.text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [choice],
                **usage,
            }
        case "responses":
            return _response(plan, "failed" if plan.fails else "completed")
        case "messages":
            report = {} if plan.report is None else {"usage": plan.report.messages}
            if plan.fails:
                return {"type": "error", "error": {"type": "api_error", "message": "x"}, **report}
            found = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "stop_reason": "end_turn",
            }
            return found | {"content": [{"type": "text", "text": plan.text}], **report}
        case _:
            report = {} if plan.report is None else {"usageMetadata": plan.report.gemini}
            if plan.fails:
                return {"error": {"code": 500, "message": "x", "status": "INTERNAL"}, **report}
            content = {"role": "model", "parts": [{"text": plan.text}]}
            return {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], **report}
