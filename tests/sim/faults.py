"""The faults that a model name asks the fake upstream for.

``fault-NNN`` any status · ``fault-429-after-S`` · ``fault-404-model`` · ``fault-filtered``
(the input is refused by a filter) · ``fault-reset-accept|headers|mid`` ·
``fault-stall-headers|first|mid`` · ``fault-cut-K`` and ``fault-cutclean-K`` (the stream ends at byte K,
without or with a proper end of the chunks) · ``fault-no-done|no-usage`` ·
``fault-usage-negative|string|huge|double|decreasing`` · ``fault-html|garbage|empty|gzip-bomb|big-header`` ·
``fault-dup-keys|json-for-stream`` · ``fault-huge-frame`` · ``fault-tiny-frames-N`` · ``fault-slow`` ·
``fault-error-frame|error-first`` · ``fault-preface-cut|error|stall`` (after what comes before the first
content) · ``fault-stream-for-json|json-error`` · ``fault-flaky-N`` (the first N calls fail).
"""

import asyncio
import itertools
import json
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tests.sim import replies

if TYPE_CHECKING:
    from tests.sim.upstream import Exchange

CHUNKS_BEFORE_FAULT = 3
SLOW_INTERVAL_S = 0.02
BOMB_MIB = 128
HUGE_FRAME_MIB = 20
BIG_HEADER_BYTES = 1 << 20
ERRORS = {
    400: ("invalid_request_error", "invalid_value", "Invalid value."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country not supported."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error."),
    503: ("server_error", None, "The engine is currently overloaded."),
}
USAGE = {"include_usage": True}
Fault = Callable[["Exchange", str], Awaitable[None]]


async def inject(exchange: "Exchange") -> bool:
    """Answers with the fault that the model names; False if the call is to be answered properly."""
    if not exchange.model.startswith("fault-"):
        return False
    name = exchange.model.removeprefix("fault-")
    if (flaky := re.fullmatch(r"flaky-(\d+)", name)) is not None:
        if exchange.upstream.calls[exchange.model] > int(flaky[1]):
            return False
        name = "500"
    for pattern, fault in FAULTS:
        if (match := re.fullmatch(pattern, name)) is not None:
            if fault in OF_CHAT and not exchange.dialect.is_chat:
                break
            await fault(exchange, match[1] if match.groups() else "")
            return True
    await exchange.refuse(404, f"No such fault: {name}", "invalid_request_error", "model_not_found", "model")
    return True


async def _status(exchange: "Exchange", status: str) -> None:
    kind, code, message = ERRORS.get(int(status), ("server_error", None, "Upstream error."))
    await exchange.refuse(int(status), message, kind, code)


async def _limited(exchange: "Exchange", seconds: str) -> None:
    kind, code, message = ERRORS[429]
    await exchange.refuse(429, message, kind, code, retry_after=seconds)


async def _model_unknown(exchange: "Exchange", _: str) -> None:
    message = f"The model `{exchange.model}` does not exist or you do not have access to it."
    await exchange.refuse(404, message, "invalid_request_error", "model_not_found", "model")


async def _filtered(exchange: "Exchange", _: str) -> None:
    message = "The response was filtered due to the prompt triggering content management policy."
    await exchange.refuse(400, message, "invalid_request_error", "content_filter", "prompt")


async def _begin(exchange: "Exchange", chunks: int) -> list[bytes]:
    """Sends the first ``chunks`` frames of the proper stream and returns the rest."""
    await exchange.begin_stream()
    frames = exchange.frames()
    for frame in frames[:chunks]:
        await exchange.chunk(frame)
    return frames[chunks:]


async def _send_frames(exchange: "Exchange", frames: list[bytes]) -> None:
    await exchange.begin_stream()
    for frame in frames:
        await exchange.chunk(frame)
    await exchange.end_stream()


async def _reset_accept(exchange: "Exchange", _: str) -> None:
    exchange.reset()


async def _reset_headers(exchange: "Exchange", _: str) -> None:
    await _begin(exchange, 0)
    await _arrived(exchange)
    exchange.reset()


async def _reset_mid(exchange: "Exchange", _: str) -> None:
    await _begin(exchange, CHUNKS_BEFORE_FAULT)
    await _arrived(exchange)
    exchange.reset()


async def _arrived(exchange: "Exchange") -> None:
    """Lets the peer read what was sent: a reset may throw away bytes that it has not read yet."""
    await asyncio.sleep(0.05)


async def _stall(exchange: "Exchange", where: str) -> None:
    if where != "headers":
        await _begin(exchange, 0 if where == "first" else CHUNKS_BEFORE_FAULT)
    await asyncio.Event().wait()


async def _cut(exchange: "Exchange", at: str) -> None:
    await exchange.begin_stream()
    if part := b"".join(exchange.frames())[: int(at)]:
        await exchange.chunk(part)
    exchange.cut()


async def _cut_clean(exchange: "Exchange", at: str) -> None:
    await _send_frames(exchange, [part] if (part := b"".join(exchange.frames())[: int(at)]) else [])


async def _no_done(exchange: "Exchange", _: str) -> None:
    await _send_frames(exchange, exchange.frames()[:-1])


async def _no_usage(exchange: "Exchange", _: str) -> None:
    if not exchange.call.get("stream"):
        reply = replies.chat_reply(exchange.call, exchange.reply_id)
        del reply["usage"]
        await exchange.send_json(200, reply)
        return
    chunks = [item for item in replies.chat_chunks(exchange.call, exchange.reply_id) if not item.get("usage")]
    await _send_frames(exchange, [replies.frame(item) for item in chunks] + [replies.DONE])


def _bad_usage(kind: str, usage: dict[str, Any]) -> dict[str, Any]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    if kind == "negative":
        return usage | dict.fromkeys(names, -5)
    if kind == "string":
        return usage | {name: str(usage[name]) for name in names}
    if kind == "huge":
        return usage | dict.fromkeys(names, 10**18)
    return usage


async def _usage(exchange: "Exchange", kind: str) -> None:
    usage = _bad_usage(kind, replies.usage_of(exchange.call))
    if not exchange.call.get("stream"):
        await exchange.send_json(200, replies.chat_reply(exchange.call, exchange.reply_id) | {"usage": usage})
        return
    chunks = list(replies.chat_chunks(exchange.call, exchange.reply_id))
    *content, last = [item for item in chunks if item["choices"]]
    tail = last | {"choices": [], "usage": usage}
    if kind == "decreasing":
        total = len(content)
        content = [
            item | {"usage": usage | {"completion_tokens": max(total - position, 1)}}
            for position, item in enumerate(content)
        ]
        tail = tail | {"usage": usage | {"completion_tokens": 1}}
    tails = [tail, tail] if kind == "double" else [tail]
    await _send_frames(exchange, [replies.frame(item) for item in [*content, last, *tails]] + [replies.DONE])


async def _html(exchange: "Exchange", _: str) -> None:
    page = b"<!doctype html><html><body><h1>Welcome to the gateway</h1></body></html>"
    await exchange.send_body(200, page, "text/html; charset=utf-8")


async def _garbage(exchange: "Exchange", _: str) -> None:
    await exchange.send(b"\x16\x03\x01\x02\x00 this is not HTTP at all\r\n\r\n" + bytes(range(256)))
    exchange.cut()


async def _empty(exchange: "Exchange", _: str) -> None:
    await exchange.send_body(200, b"")


def gzip_bomb(mib: int = BOMB_MIB) -> bytes:
    """A valid gzip body of ``mib`` MiB of spaces; after a full flush each MiB packs alike."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mib):
        checksum = zlib.crc32(block, checksum)
    end = b"\x03\x00" + checksum.to_bytes(4, "little") + (mib << 20).to_bytes(4, "little")
    return first + again * (mib - 1) + end


async def _gzip_bomb(exchange: "Exchange", _: str) -> None:
    kind = "text/event-stream" if exchange.streams else "application/json"
    await exchange.send_body(200, gzip_bomb(), kind, content_encoding="gzip")


async def _huge_frame(exchange: "Exchange", _: str) -> None:
    await exchange.begin_stream()
    await exchange.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"')
    for _part in range(HUGE_FRAME_MIB * 16):
        await exchange.chunk(b"x" * (1 << 16))
    await exchange.chunk(b'"}}]}\n\n' + replies.DONE)
    await exchange.end_stream()


async def _tiny_frames(exchange: "Exchange", count: str) -> None:
    frame = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
    framed = b"%x\r\n%b\r\n" % (len(frame), frame)
    await exchange.begin_stream()
    left = int(count)
    while left > 0:
        await exchange.send(framed * min(left, 256))
        left -= 256
    await exchange.chunk(replies.DONE)
    await exchange.end_stream()


async def _slow(exchange: "Exchange", _: str) -> None:
    if not exchange.streams:
        await asyncio.sleep(SLOW_INTERVAL_S * len(exchange.frames()))
        await exchange.send_json(200, exchange.whole())
        return
    for frame in await _begin(exchange, 1):
        await asyncio.sleep(SLOW_INTERVAL_S)
        await exchange.chunk(frame)
    await exchange.end_stream()


async def _error_frame(exchange: "Exchange", _: str) -> None:
    await _begin(exchange, CHUNKS_BEFORE_FAULT)
    for frame in exchange.dialect.scripted(exchange).broken(CHUNKS_BEFORE_FAULT):
        await exchange.chunk(frame)
    await exchange.end_stream()


async def _error_first(exchange: "Exchange", _: str) -> None:
    await _send_frames(exchange, exchange.dialect.scripted(exchange).broken(0))


async def _preface(exchange: "Exchange", what: str) -> None:
    """What comes before the first content, and then no more."""
    await exchange.begin_stream()
    for frame in itertools.takewhile(lambda frame: b"word0" not in frame, exchange.frames()):
        await exchange.chunk(frame)
    if what == "stall":
        await asyncio.Event().wait()
    if what == "cut":
        exchange.cut()
    await exchange.chunk(exchange.dialect.scripted(exchange).broken(0)[-1])
    await exchange.end_stream()


async def _stream_for_json(exchange: "Exchange", _: str) -> None:
    """A stream, whatever was asked for."""
    exchange.call |= {"stream": True, **({"stream_options": USAGE} if exchange.dialect.is_chat else {})}
    await _send_frames(exchange, exchange.frames())


async def _json_error(exchange: "Exchange", _: str) -> None:
    """An error with the status of an answer."""
    error = exchange.dialect.error(exchange, 500, "The server had an error.", "server_error", None, None)
    await exchange.send_json(200, error)


async def _json_for_stream(exchange: "Exchange", _: str) -> None:
    await exchange.send_json(200, exchange.whole())


async def _dup_keys(exchange: "Exchange", _: str) -> None:
    """Every usage names its counts twice with different values, the proper ones last."""
    usage = json.dumps(replies.usage_of(exchange.call))
    twice = '{"prompt_tokens": 1, "completion_tokens": 1, ' + usage[1:]
    if not exchange.call.get("stream"):
        reply = json.dumps(replies.chat_reply(exchange.call, exchange.reply_id) | {"usage": "@"})
        await exchange.send_body(200, reply.replace('"@"', twice).encode())
        return
    frames = exchange.frames()
    last = replies.frame({"id": exchange.reply_id, "choices": [], "usage": "@"})
    last = last.replace(b'"@"', twice.encode())
    kept = [frame for frame in frames[:-1] if b'"choices":[]' not in frame]
    await _send_frames(exchange, [*kept, last, replies.DONE])


async def _big_header(exchange: "Exchange", _: str) -> None:
    await exchange.send_json(200, exchange.whole(), x_big="x" * BIG_HEADER_BYTES)


# Those that put chat objects together by themselves.
OF_CHAT = {_no_usage, _usage, _huge_frame, _tiny_frames, _dup_keys}
FAULTS: tuple[tuple[str, Fault], ...] = (
    (r"(?:refuse-)?(\d{3})", _status),
    (r"429-after-(\d+)", _limited),
    (r"404-model", _model_unknown),
    (r"filtered", _filtered),
    (r"reset-accept", _reset_accept),
    (r"reset-headers", _reset_headers),
    (r"reset-mid", _reset_mid),
    (r"stall-(headers|first|mid)", _stall),
    (r"cut-(\d+)", _cut),
    (r"cutclean-(\d+)", _cut_clean),
    (r"no-done", _no_done),
    (r"no-usage", _no_usage),
    (r"usage-(negative|string|huge|double|decreasing)", _usage),
    (r"html", _html),
    (r"garbage", _garbage),
    (r"empty", _empty),
    (r"gzip-bomb", _gzip_bomb),
    (r"huge-frame", _huge_frame),
    (r"tiny-frames-(\d+)", _tiny_frames),
    (r"slow", _slow),
    (r"error-frame", _error_frame),
    (r"error-first", _error_first),
    (r"preface-(cut|error|stall)", _preface),
    (r"json-for-stream", _json_for_stream),
    (r"json-error", _json_error),
    (r"stream-for-json", _stream_for_json),
    (r"dup-keys", _dup_keys),
    (r"big-header", _big_header),
)
