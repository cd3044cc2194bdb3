"""Scripted answers in the OpenAI chat dialect: requests read into facts, answers in the vendor's form."""

from collections.abc import Iterator
from typing import Any

from tests.sim import replies, script
from tests.sim.facts import FREE_TEXT, Facts, Json, Tool, Turn, compact, media_of_data_url
from tests.sim.script import Answer, Usage

FINISH_REASONS = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "calls": "tool_calls",
    "refusal": "stop",
    "block": "content_filter",
}


def facts_of(call: Json) -> Facts:
    choice = call.get("tool_choice") or "auto"
    tools = [_tool(tool) for tool in call.get("tools") or ()]
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = {_tool(tool).name for tool in choice["allowed_tools"]["tools"]}
        tools = [tool for tool in tools if tool.name in allowed]
        choice = choice["allowed_tools"]["mode"]
    elif isinstance(choice, dict):
        choice = f"={(choice.get('function') or choice.get('custom') or {}).get('name')}"
    stop = call.get("stop") or ()
    return Facts(
        turns=tuple(_turn(message) for message in call["messages"]),
        tools=tuple(tools),
        choice=choice,
        parallel=call.get("parallel_tool_calls") is not False,
        thinking=_lets_think(call),
        schema=_schema(call.get("response_format") or {}),
        cap=call.get("max_completion_tokens") or call.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        search="web_search_options" in call,
        copies=call.get("n") or 1,
    )


def _tool(tool: Json) -> Tool:
    if tool["type"] == "custom":
        return Tool(tool["custom"]["name"], FREE_TEXT)
    return Tool(tool["function"]["name"], tool["function"].get("parameters") or {})


def _lets_think(call: Json) -> bool:
    """Models of this dialect reason unless they are told not to."""
    off = (call.get("thinking") or {}).get("type") == "disabled"
    return not (off or call.get("reasoning_effort") == "none" or call.get("enable_thinking") is False)


def _schema(form: Json) -> Json | None:
    if form.get("type") == "json_schema":
        return form["json_schema"].get("schema") or {}
    return {} if form.get("type") == "json_object" else None


def _turn(message: Json) -> Turn:
    role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
    calls = len(message.get("tool_calls") or ())
    return Turn(role, replies.message_text(message), tuple(_media(message.get("content"))), calls)


def _media(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        match part.get("type"):
            case "image_url":
                address = part["image_url"]
                yield media_of_data_url(address if isinstance(address, str) else address["url"])
            case "file":
                yield media_of_data_url(part["file"].get("file_data") or "")
            case "input_audio":
                yield f"audio/{part['input_audio']['format']}"


def is_scripted(call: Json, facts: Facts) -> bool:
    """Whether this call asks for a scripted answer; else ``tests.sim.replies`` answers it."""
    if replies.TOOL_CUE in facts.question:
        return False
    return script.is_steered(facts) or bool(facts.results) or bool(call.get("logprobs"))


def usage_of(usage: Usage) -> Json:
    """Cached tokens are part of ``prompt_tokens``, reasoning of ``completion_tokens``."""
    return {
        "prompt_tokens": usage.input_all,
        "completion_tokens": usage.output_all,
        "total_tokens": usage.input_all + usage.output_all,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }


def _head(call: Json, reply_id: str, kind: str) -> Json:
    return {
        "id": reply_id,
        "object": kind,
        "created": replies.CREATED,
        "model": call["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_sim",
    }


def whole(call: Json, answer: Answer, reply_id: str) -> Json:
    message: Json = {"role": "assistant", "content": answer.whole_text, "refusal": None}
    message["annotations"] = _annotations(answer)
    if answer.finish == "refusal":
        message |= {"content": None, "refusal": answer.whole_text}
    if answer.calls:
        message |= {"content": None, "tool_calls": _calls(call, answer, reply_id)}
    if answer.reasoning and not answer.redacted:
        message["reasoning_content"] = answer.whole_reasoning
    logprobs = _logprobs(call, answer.text)
    choice = {"message": message, "logprobs": logprobs, "finish_reason": FINISH_REASONS[answer.finish]}
    choices = [{"index": index} | choice for index in range(call.get("n") or 1)]
    return _head(call, reply_id, "chat.completion") | {"choices": choices, "usage": usage_of(answer.usage)}


def _logprobs(call: Json, tokens: tuple[str, ...]) -> Json | None:
    if not call.get("logprobs") or not tokens:
        return None
    content = [token_logprob(token, call.get("top_logprobs") or 0) for token in tokens]
    return {"content": content, "refusal": None}


def token_logprob(token: str, top: int) -> Json:
    """One token with the likeliest in its place; Responses has the same form."""
    others = [
        {"token": other, "logprob": value, "bytes": list(other.encode())}
        for other, value in script.alternatives(token, top)
    ]
    own = {"token": token, "logprob": script.LOGPROB, "bytes": list(token.encode())}
    return own | {"top_logprobs": others}


def _annotations(answer: Answer) -> list[Json]:
    if (cited := answer.citation) is None:
        return []
    citation = {"start_index": cited.start, "end_index": cited.end, "url": cited.url, "title": cited.title}
    return [{"type": "url_citation", "url_citation": citation}]


def _calls(call: Json, answer: Answer, reply_id: str) -> list[Json]:
    custom = {tool["custom"]["name"] for tool in call.get("tools") or () if tool["type"] == "custom"}
    found: list[Json] = []
    for number, made in enumerate(answer.calls, 1):
        head = {"id": f"call_{reply_id.removeprefix('chatcmpl-')}_{number}"}
        if made.name in custom:
            body: Json = {"type": "custom", "custom": {"name": made.name, "input": made.arguments["input"]}}
        else:
            function = {"name": made.name, "arguments": compact(made.arguments)}
            body = {"type": "function", "function": function}
        found.append(head | body)
    return found


def frames(call: Json, answer: Answer, reply_id: str) -> list[bytes]:
    return [replies.frame(item) for item in chunks(call, answer, reply_id)] + [replies.DONE]


def chunks(call: Json, answer: Answer, reply_id: str) -> Iterator[Json]:
    asked = replies.wants_usage(call)
    head = _head(call, reply_id, "chat.completion.chunk")
    for index in range(call.get("n") or 1):
        for delta, finish in _deltas(call, answer, reply_id):
            logprobs = _logprobs(call, (delta["content"],) if delta.get("content") else ())
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            yield head | {"choices": [choice]} | ({"usage": None} if asked else {})
    if asked:
        yield head | {"choices": [], "usage": usage_of(answer.usage)}


def _deltas(call: Json, answer: Answer, reply_id: str) -> Iterator[tuple[Json, str | None]]:
    yield {"role": "assistant", "content": "", "refusal": None}, None
    for piece in () if answer.redacted else answer.reasoning:
        yield {"reasoning_content": piece}, None
    field = "refusal" if answer.finish == "refusal" else "content"
    for piece in answer.text:
        yield {field: piece}, None
    if answer.citation is not None:
        yield {"annotations": _annotations(answer)}, None
    for at, made in enumerate(_calls(call, answer, reply_id)):
        kind = made["type"]
        field = "input" if kind == "custom" else "arguments"
        text = made[kind][field]
        yield {"tool_calls": [{"index": at} | made | {kind: made[kind] | {field: ""}}]}, None
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            yield {"tool_calls": [{"index": at, kind: {field: piece}}]}, None
    yield {}, FINISH_REASONS[answer.finish]
