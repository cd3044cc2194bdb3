"""The Anthropic Messages dialect of the simulated upstream: requests read into facts, answers in its form."""

from collections.abc import Iterator
from typing import Any

from tests.sim import seal
from tests.sim.facts import Facts, Json, Tool, Turn, compact
from tests.sim.script import SEARCH_QUERY, Answer, Citation, Usage, deltas

REQUEST_ID_HEADER = "request-id"
STOP_REASONS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "calls": "tool_use",
    "refusal": "refusal",
    "block": "refusal",
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def facts_of(call: Json) -> Facts:
    choice = call.get("tool_choice") or {}
    kind = choice.get("type", "auto")
    output = (call.get("output_config") or {}).get("format") or call.get("output_format") or {}
    tools = call.get("tools") or []
    return Facts(
        turns=tuple(_turns(call)),
        tools=tuple(Tool(tool["name"], tool["input_schema"]) for tool in tools if "input_schema" in tool),
        choice={"any": "required", "tool": f"={choice.get('name')}"}.get(kind, kind),
        parallel=not choice.get("disable_parallel_tool_use"),
        thinking=(call.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        schema=output.get("schema"),
        cap=call.get("max_tokens"),
        stop=tuple(call.get("stop_sequences") or ()),
        search=any(str(tool.get("type", "")).startswith("web_search_") for tool in tools),
    )


def _turns(call: Json) -> Iterator[Turn]:
    if call.get("system"):
        yield Turn("system", _text(call["system"]))
    for message in call["messages"]:
        blocks = _blocks(message["content"])
        for block in blocks:
            if block["type"] == "tool_result":
                content = block.get("content") or ""
                yield Turn("tool", _text(content), tuple(_media(_blocks(content))))
        rest = [block for block in blocks if block["type"] != "tool_result"]
        if rest:
            calls = sum(block["type"] == "tool_use" for block in rest)
            yield Turn(message["role"], _text(rest), tuple(_media(rest)), calls)


def _blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return "".join(block["text"] for block in _blocks(content) if block["type"] == "text")


def _media(blocks: list[Json]) -> Iterator[str]:
    for block in blocks:
        if block["type"] in ("image", "document"):
            yield block["source"].get("media_type", "url")


def whole(call: Json, answer: Answer, reply_id: str) -> Json:
    return head(call, reply_id) | {
        "content": content_of(call, answer, reply_id),
        "stop_reason": STOP_REASONS[answer.finish],
        "stop_sequence": answer.stop_sequence,
        **_stop_details(answer),
        "usage": usage_of(answer.usage),
    }


def head(call: Json, reply_id: str) -> Json:
    return {"id": f"msg_{reply_id}", "type": "message", "role": "assistant", "model": call["model"]}


def _stop_details(answer: Answer) -> Json:
    if STOP_REASONS[answer.finish] != "refusal":
        return {}
    return {"stop_details": {"type": "refusal", "category": None, "explanation": None}}


def usage_of(usage: Usage) -> Json:
    """The input side stands beside the cache classes here; they are not part of ``input_tokens``."""
    found: Json = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": usage.output_all,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    }
    if usage.searches:
        found["server_tool_use"] = {"web_search_requests": usage.searches, "web_fetch_requests": 0}
    return found


def content_of(call: Json, answer: Answer, reply_id: str) -> list[Json]:
    blocks: list[Json] = []
    if answer.reasoning:
        blocks.append(_thinking_block(call, answer))
    if answer.usage.searches:
        blocks += _search_blocks(reply_id)
    blocks += [block for block in _text_blocks(answer) if block["text"]]
    for number, made in enumerate(answer.calls, 1):
        # The id tells later whether reasoning came before the call and must be there again.
        name = f"toolu_{'think' if answer.reasoning else 'plain'}_{reply_id}_{number}"
        blocks.append({"type": "tool_use", "id": name, "name": made.name, "input": made.arguments})
    return blocks


def _thinking_block(call: Json, answer: Answer) -> Json:
    text = answer.whole_reasoning
    if answer.redacted:
        return {"type": "redacted_thinking", "data": seal.seal("messages-redacted", text)}
    omitted = (call.get("thinking") or {}).get("display") == "omitted"
    signature = seal.seal("messages", text)
    return {"type": "thinking", "thinking": "" if omitted else text, "signature": signature}


def _search_blocks(reply_id: str) -> list[Json]:
    asked = f"srvtoolu_{reply_id}"
    found = {
        "type": "web_search_result",
        "url": "https://example.com/france",
        "title": "France",
        "encrypted_content": seal.seal("messages-search", "France"),
        "page_age": None,
    }
    return [
        {"type": "server_tool_use", "id": asked, "name": "web_search", "input": {"query": SEARCH_QUERY}},
        {"type": "web_search_tool_result", "tool_use_id": asked, "content": [found]},
    ]


def _text_blocks(answer: Answer) -> list[Json]:
    text, cited = answer.whole_text, answer.citation
    if cited is None:
        return [{"type": "text", "text": text}]
    return [
        {"type": "text", "text": text[: cited.start]},
        {"type": "text", "text": text[cited.start : cited.end], "citations": [_location(cited, text)]},
        {"type": "text", "text": text[cited.end :]},
    ]


def _location(cited: Citation, text: str) -> Json:
    return {
        "type": "web_search_result_location",
        "url": cited.url,
        "title": cited.title,
        "cited_text": text[cited.start : cited.end],
        "encrypted_index": seal.seal("messages-search", cited.url),
    }


def frames(call: Json, answer: Answer, reply_id: str) -> list[bytes]:
    return [event(item) for item in events(call, answer, reply_id)]


def events(call: Json, answer: Answer, reply_id: str) -> Iterator[Json]:
    """The objects of the stream in their order."""
    usage = usage_of(answer.usage)
    start = head(call, reply_id) | {"content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": start | {"usage": usage | {"output_tokens": 1}}}
    yield {"type": "ping"}
    for index, block in enumerate(content_of(call, answer, reply_id)):
        yield {"type": "content_block_start", "index": index, "content_block": _skeleton(block)}
        for delta in _block_deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": STOP_REASONS[answer.finish], "stop_sequence": answer.stop_sequence}
    final = {key: value for key, value in usage.items() if key not in ("cache_creation", "service_tier")}
    yield {"type": "message_delta", "delta": stop | _stop_details(answer), "usage": final}
    yield {"type": "message_stop"}


def _skeleton(block: Json) -> Json:
    match block["type"]:
        case "text":
            return {"type": "text", "text": ""} | ({"citations": []} if "citations" in block else {})
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use" | "server_tool_use":
            return block | {"input": {}}
    return block


def _block_deltas(block: Json) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for location in block.get("citations", ()):
                yield {"type": "citations_delta", "citation": location}
            for piece in deltas(block["text"]):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in deltas(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use" | "server_tool_use":
            arguments = compact(block["input"])
            half = len(arguments) // 2
            for piece in ("", arguments[:half], arguments[half:]):
                yield {"type": "input_json_delta", "partial_json": piece}


def event(item: Json) -> bytes:
    return f"event: {item['type']}\ndata: {compact(item)}\n\n".encode()


def error_body(status: int, message: str, request_id: str) -> Json:
    kind = ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def error_frame(request_id: str) -> bytes:
    """An error in the middle of a stream."""
    return event(error_body(529, "Overloaded", request_id))


def models_reply(names: tuple[str, ...]) -> Json:
    data = [model_reply(name) for name in names]
    return {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}


def model_reply(name: str) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": name.title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }
