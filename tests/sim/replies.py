"""What the fake upstream answers: deterministic texts, usage that a caller can compute, OpenAI forms."""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from tests.sim.script import words

CREATED = 1_772_077_478
EMBEDDING_DIMENSIONS = 8
MODELS = ("gpt-5.2", "gpt-5.2-mini", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "text-embedding-3-small")
TOOL_CUE = "use the tool"
TOOL_ARGUMENTS = '{"city":"Paris"}'

Json = dict[str, Any]


def message_text(message: Json) -> str:
    """All text of one message: a string content, or its text parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part.get("text", "") for part in parts if isinstance(part, dict))


def prompt_tokens(messages: list[Json]) -> int:
    """UTF-8 bytes of all message text // 4, and 3 for each message."""
    size = sum(len(message_text(message).encode("utf-8", "surrogatepass")) for message in messages)
    return size // 4 + 3 * len(messages)


def reply_words(call: Json) -> list[str]:
    """``word0 word1 …``; as many as the output cap asks for, or 12: see ``tests.sim.script``."""
    cap = call.get("max_completion_tokens") or call.get("max_tokens")
    return words(None if cap is None else int(cap))


def reply_text(call: Json) -> str:
    """The text a plain reply to ``call`` carries."""
    return " ".join(reply_words(call))


def usage_of(call: Json) -> Json:
    """Usage of a chat call: computable by the caller, each choice of ``n`` counted."""
    prompt = prompt_tokens(call["messages"])
    completion = (1 if wants_tool(call) else len(reply_words(call))) * (call.get("n") or 1)
    return usage(prompt, completion)


def usage(prompt: int, completion: int) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def wants_tool(call: Json) -> bool:
    """Whether the last user message says the cue and a tool is there to be called."""
    users = [message for message in call["messages"] if message.get("role") == "user"]
    return bool(call.get("tools")) and bool(users) and TOOL_CUE in message_text(users[-1])


def tool_call(call: Json) -> Json:
    name = call["tools"][0]["function"]["name"]
    return {"id": "call_sim1", "type": "function", "function": {"name": name, "arguments": TOOL_ARGUMENTS}}


def chat_reply(call: Json, reply_id: str) -> Json:
    """A whole chat completion."""
    message: Json = {"role": "assistant", "content": reply_text(call), "refusal": None, "annotations": []}
    finish = "stop"
    if wants_tool(call):
        message |= {"content": None, "tool_calls": [tool_call(call)]}
        finish = "tool_calls"
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
        for index in range(call.get("n") or 1)
    ]
    return {
        "id": reply_id,
        "object": "chat.completion",
        "created": CREATED,
        "model": call["model"],
        "choices": choices,
        "usage": usage_of(call),
        "service_tier": "default",
        "system_fingerprint": "fp_sim",
    }


def chat_chunks(call: Json, reply_id: str) -> Iterator[Json]:
    """The objects of a chat stream: role, one a word, finish, and usage if it was asked for."""
    asked = wants_usage(call)
    head: Json = {
        "id": reply_id,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": call["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_sim",
    }

    def chunk(index: int, delta: Json, finish: str | None = None) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return head | {"choices": [choice]} | ({"usage": None} if asked else {})

    for index in range(call.get("n") or 1):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
        if wants_tool(call):
            whole = tool_call(call)
            start = whole | {"index": 0, "function": whole["function"] | {"arguments": ""}}
            yield chunk(index, {"tool_calls": [start]})
            for piece in (TOOL_ARGUMENTS[:8], TOOL_ARGUMENTS[8:]):
                yield chunk(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        else:
            for position, word in enumerate(reply_words(call)):
                yield chunk(index, {"content": word if position == 0 else f" {word}"})
        yield chunk(index, {}, "tool_calls" if wants_tool(call) else "stop")
    if asked:
        yield head | {"choices": [], "usage": usage_of(call)}


def wants_usage(call: Json) -> bool:
    return bool((call.get("stream_options") or {}).get("include_usage"))


def completion_usage(call: Json) -> Json:
    """Usage of a ``/v1/completions`` call: each prompt string counts as one message."""
    prompts = [call["prompt"]] if isinstance(call["prompt"], str) else call["prompt"]
    return usage(prompt_tokens([{"content": str(text)} for text in prompts]), len(reply_words(call)))


def completion_reply(call: Json, reply_id: str) -> Json:
    choice = {"index": 0, "text": reply_text(call), "logprobs": None, "finish_reason": "stop"}
    return completion_head(call, reply_id) | {"choices": [choice], "usage": completion_usage(call)}


def completion_chunks(call: Json, reply_id: str) -> Iterator[Json]:
    head = completion_head(call, reply_id)
    for position, word in enumerate(reply_words(call)):
        text = word if position == 0 else f" {word}"
        yield head | {"choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]}
    if wants_usage(call):
        yield head | {"choices": [], "usage": completion_usage(call)}


def completion_head(call: Json, reply_id: str) -> Json:
    return {"id": reply_id, "object": "text_completion", "created": CREATED, "model": call["model"]}


def embedding_of(text: str, dimensions: int = EMBEDDING_DIMENSIONS) -> list[float]:
    """A vector that depends on the text alone; every value is exact in float32."""
    digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(dimensions)
    return [(byte - 128) / 128 for byte in digest]


def embeddings_reply(call: Json) -> Json:
    given = call["input"]
    texts = [given] if isinstance(given, str) else [str(item) for item in given]
    dimensions = call.get("dimensions") or EMBEDDING_DIMENSIONS
    data = []
    for index, text in enumerate(texts):
        vector: Any = embedding_of(text, dimensions)
        if call.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = prompt_tokens([{"content": text} for text in texts])
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": call["model"], "usage": counts}


def models_reply(models: tuple[str, ...]) -> Json:
    return {"object": "list", "data": [model_reply(name) for name in models]}


def model_reply(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "sim"}


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def frame(item: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
