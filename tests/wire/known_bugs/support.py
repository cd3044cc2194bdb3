"""What these tests share: streams written as a vendor writes them, and what a client sees of them."""

import json
from collections.abc import Sequence
from typing import Any

from tests.sim.speakers import PIXEL, TOOLS
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import SEALS, Outcome, Target, head_of, read_call, run
from tests.wire.pairs.scenarios import HEADERS, TARGETS
from tests.wire.pairs.upstream import Wire

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.usage import Usage
from switchgear.relay.prepare import Prepared
from switchgear.wire.convert.bridge import Bridge, Passage
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.neutral.maker import origin_of

Json = dict[str, Any]
CHAT, RESPONSES, MESSAGES, GEMINI = DIALECTS
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
WEATHER = {"name": TOOLS[0][0], "input_schema": TOOLS[0][1]}
GLM = Target("openai_chat", "zhipu", "glm-4.6")
OPUS = Target("anthropic_messages", "anthropic", "claude-opus-4-7")
FOREIGN = Target("anthropic_messages", "deepseek", "deepseek-chat")


CONVERTED = [(client, upstream) for client in DIALECTS for upstream in DIALECTS if client != upstream]


def others(dialect: DialectName) -> list[DialectName]:
    return [name for name in DIALECTS if name != dialect]


def said(upstream: DialectName, *objects: Json) -> bytes:
    """A stream as its vendor frames it, end marker included where there is one."""
    if upstream in (MESSAGES, RESPONSES):
        return "".join(f"event: {it['type']}\ndata: {json.dumps(it)}\n\n" for it in objects).encode()
    end = "data: [DONE]\n\n" if upstream == CHAT else ""
    return ("".join(f"data: {json.dumps(it)}\n\n" for it in objects) + end).encode()


def chat_chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "u",
        "choices": [choice],
    } | more


def gemini_chunk(*parts: Json, finish: str | None = None, **more: Any) -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})]} | more


def message_stream(*blocks: Json, stop_reason: str = "end_turn", usage: Json | None = None) -> list[Json]:
    """``blocks``: a ``content_block`` with its ``deltas``."""
    counts = usage or {"input_tokens": 9, "output_tokens": 4}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "u", "content": []}
    events: list[Json] = [
        {"type": "message_start", "message": message | {"stop_reason": None, "usage": counts}}
    ]
    for at, block in enumerate(blocks):
        start = {key: value for key, value in block.items() if key != "deltas"}
        events.append({"type": "content_block_start", "index": at, "content_block": start})
        events += [
            {"type": "content_block_delta", "index": at, "delta": delta} for delta in block.get("deltas", ())
        ]
        events.append({"type": "content_block_stop", "index": at})
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": delta, "usage": counts}, {"type": "message_stop"}]


def hear(upstream: DialectName, client: DialectName, stream: bytes) -> tuple[list[Json], Usage | None]:
    """What a client that reasons and has tools sees of an upstream's stream, and what was counted."""
    asker = ASKERS[client](Ask("Hi", stream=True, tools=True, think=True))
    dialect, call = read_call(asker.path, json.dumps(asker.body).encode())
    target = TARGETS[upstream]
    passage = Passage(origin_of(upstream, target.vendor, target.model, "main"))
    request = dialect.read_request(call, SEALS)
    head = head_of(Prepared(upstream, b"", request, passage), call)
    tap = Bridge(DIALECT_OF[upstream].reader(), dialect.writer(head), passage)
    shown = b"".join(tap.feed(stream[at : at + 1]) for at in range(len(stream)))
    assert tap.finish() == "complete"
    return frames_of(shown + tap.closing()), tap.usage


def frames_of(stream: bytes) -> list[Json]:
    """The JSON objects of a client's stream."""
    lines = stream.decode().replace("\r\n", "\n").split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def ask(client: DialectName, body: Json, target: Target, stream: bool = False) -> Outcome:
    """One request of a client, answered by a strict simulated vendor."""
    asker = ASKERS[client](Ask("", stream=stream))
    return run(asker.path, json.dumps(body).encode(), target, Wire(), HEADERS.get(client))


def sent(outcome: Outcome) -> Json:
    """What went upstream, which its strict vendor took."""
    assert outcome.said is not None, outcome.body
    assert outcome.said.status == 200, outcome.said.body
    assert outcome.asked is not None
    body: Json = json.loads(outcome.asked.body)
    return body


def calls_heard(client: DialectName, frames: Sequence[Json]) -> list[tuple[str, Json]]:
    """(name, arguments) of every call that a client's stream makes."""
    names: dict[int, str] = {}
    pieces: dict[int, str] = {}
    for frame in frames:
        match client:
            case "openai_chat":
                for call in (c for choice in frame["choices"] for c in choice["delta"].get("tool_calls", ())):
                    at = call["index"]
                    names.setdefault(at, call["function"].get("name", ""))
                    pieces[at] = pieces.get(at, "") + call["function"].get("arguments", "")
            case "openai_responses":
                if frame["type"] == "response.output_item.added" and frame["item"]["type"] == "function_call":
                    names[frame["output_index"]] = frame["item"]["name"]
                if frame["type"] == "response.function_call_arguments.delta":
                    at = frame["output_index"]
                    pieces[at] = pieces.get(at, "") + frame["delta"]
            case "anthropic_messages":
                if frame["type"] == "content_block_start" and frame["content_block"]["type"] == "tool_use":
                    names[frame["index"]] = frame["content_block"]["name"]
                delta = frame.get("delta", {})
                if delta.get("type") == "input_json_delta":
                    pieces[frame["index"]] = pieces.get(frame["index"], "") + delta["partial_json"]
            case "gemini_generate":
                for part in gemini_parts([frame]):
                    if call := part.get("functionCall"):
                        names[len(names)] = call["name"]
                        pieces[len(pieces)] = json.dumps(call["args"])
    return [(name, json.loads(pieces.get(at) or "{}")) for at, name in sorted(names.items())]


def gemini_parts(frames: Sequence[Json]) -> list[Json]:
    candidates = [candidate for frame in frames for candidate in frame.get("candidates", ())]
    return [part for candidate in candidates for part in candidate.get("content", {}).get("parts", ())]


def text_heard(client: DialectName, frames: Sequence[Json]) -> str:
    match client:
        case "openai_chat":
            choices = [choice for frame in frames for choice in frame["choices"]]
            return "".join(choice["delta"].get("content") or "" for choice in choices)
        case "openai_responses":
            return "".join(f["delta"] for f in frames if f["type"] == "response.output_text.delta")
        case "anthropic_messages":
            deltas = [frame.get("delta", {}) for frame in frames]
            return "".join(delta["text"] for delta in deltas if delta.get("type") == "text_delta")
        case _:
            parts = gemini_parts(frames)
            return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def reasoning_heard(client: DialectName, frames: Sequence[Json]) -> str:
    match client:
        case "openai_chat":
            choices = [choice for frame in frames for choice in frame["choices"]]
            return "".join(choice["delta"].get("reasoning_content") or "" for choice in choices)
        case "openai_responses":
            kind = "response.reasoning_summary_text.delta"
            return "".join(frame["delta"] for frame in frames if frame["type"] == kind)
        case "anthropic_messages":
            deltas = [frame.get("delta", {}) for frame in frames]
            return "".join(delta["thinking"] for delta in deltas if delta.get("type") == "thinking_delta")
        case _:
            return "".join(part["text"] for part in gemini_parts(frames) if part.get("thought"))


def finish_heard(client: DialectName, frames: Sequence[Json]) -> list[str]:
    """Every reason to end that a stream tells; a good one tells one."""
    match client:
        case "openai_chat":
            choices = [choice for frame in frames for choice in frame["choices"]]
            return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
        case "openai_responses":
            kinds = ("response.completed", "response.incomplete", "response.failed")
            last = [frame["response"] for frame in frames if frame["type"] in kinds]
            return [(it["incomplete_details"] or {}).get("reason") or it["status"] for it in last]
        case "anthropic_messages":
            return [frame["delta"]["stop_reason"] for frame in frames if frame["type"] == "message_delta"]
        case _:
            candidates = [candidate for frame in frames for candidate in frame.get("candidates", ())]
            return [it["finishReason"] for it in candidates if "finishReason" in it]
