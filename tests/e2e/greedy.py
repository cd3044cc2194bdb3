"""An upstream that writes as much as it may: four dialects on one port, hidden reasoning and one word.

It reports every token that its cap allows, up to ``writes``, and says so after ``delay_s``. One that is
``deaf`` ignores the cap, and streams its text until somebody hangs up.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL_MAX = 128_000
INPUT_TOKENS = 20
_TEXT = "word " * 80


class Greedy(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, writes: int, delay_s: float, deaf: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.writes, self.delay_s, self.deaf = writes, delay_s, deaf
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def greedy_upstream(writes: int = MODEL_MAX, *, delay_s: float = 0.2, deaf: bool = False) -> Iterator[Greedy]:
    server = Greedy(writes, delay_s, deaf)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def cap_of(body: dict[str, Any]) -> int:
    """The cap that a request names, in whatever dialect; 0 = none."""
    config = body.get("generationConfig", {})
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    return max(config.get("maxOutputTokens", 0), *(body.get(name) or 0 for name in names))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Greedy

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        time.sleep(self.server.delay_s)
        tokens = self.server.writes
        if not self.server.deaf:
            tokens = min(tokens, cap_of(body) or tokens)
        dialect = next(name for name in _WHOLE if f"/{name}" in self.path or name in self.path)
        if body.get("stream") or "stream" in self.path:
            self._stream(dialect)
        else:
            self._send(json.dumps(_WHOLE[dialect](tokens)).encode())

    def _send(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, dialect: str) -> None:
        """Text of 100 tokens every 20 ms, for ten seconds at most."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for event in _BEGINS.get(dialect, ()):
                self.wfile.write(_event(event))
            for _ in range(500):
                self.wfile.write(_event(_DELTA[dialect]))
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass


def _event(event: dict[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def _chat(tokens: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Done."}
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": tokens}
    usage["total_tokens"] = INPUT_TOKENS + tokens
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "c"}
    return {**head, "choices": [choice], "usage": usage}


def _response(tokens: int) -> dict[str, Any]:
    part = {"type": "output_text", "text": "Done.", "annotations": []}
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": tokens, "total_tokens": INPUT_TOKENS + tokens}
    head = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "r"}
    return {**head, "output": [item], "usage": usage}


def _message(tokens: int) -> dict[str, Any]:
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": tokens}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    return {**head, "content": [{"type": "text", "text": "Done."}], "usage": usage}


def _gemini(tokens: int) -> dict[str, Any]:
    usage = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": 1, "thoughtsTokenCount": tokens - 1}
    content = {"role": "model", "parts": [{"text": "Done."}]}
    candidate = {"index": 0, "content": content, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": usage}


_WHOLE = {
    "chat/completions": _chat,
    "responses": _response,
    "messages": _message,
    "generateContent": _gemini,
    "streamGenerateContent": _gemini,
}
_ITEM = {"type": "message", "id": "m1", "role": "assistant", "status": "in_progress", "content": []}
_RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "r", "output": []}
_BEGINS: dict[str, tuple[dict[str, Any], ...]] = {
    "messages": (
        {"type": "message_start", "message": {**_message(0), "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ),
    "responses": (
        {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": _ITEM},
    ),
}
_CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "c"}
_CONTENT = {"role": "model", "parts": [{"text": _TEXT}]}
_DELTA: dict[str, dict[str, Any]] = {
    "chat/completions": {**_CHUNK, "choices": [{"index": 0, "delta": {"content": _TEXT}}]},
    "responses": {
        "type": "response.output_text.delta",
        "item_id": "m1",
        "output_index": 0,
        "content_index": 0,
        "delta": _TEXT,
    },
    "messages": {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": _TEXT},
    },
    "streamGenerateContent": {"candidates": [{"index": 0, "content": _CONTENT}]},
}
