"""The OpenAI Responses dialect of the simulated upstream: requests read into facts, answers in its form."""

from collections.abc import Iterator
from typing import Any

from tests.sim import replies, seal
from tests.sim.chat import token_logprob
from tests.sim.facts import FREE_TEXT, Facts, Json, Tool, Turn, compact, media_of_data_url
from tests.sim.script import SEARCH_QUERY, Answer, Usage, deltas

RESULTS = ("function_call_output", "custom_tool_call_output")
CALLS = ("function_call", "custom_tool_call")
# What a response says of its request, with the value of one that says nothing.
ECHOED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def facts_of(call: Json, items: list[Json]) -> Facts:
    """``items``: the whole history, that of earlier responses included."""
    choice = call.get("tool_choice") or "auto"
    tools = {tool.name: tool for tool in _tools(call)}
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        tools = {tool["name"]: tools[tool["name"]] for tool in choice["tools"] if tool.get("name") in tools}
        choice = choice["mode"]
    elif isinstance(choice, dict):
        choice = f"={choice['name']}" if choice.get("name") in tools else "auto"
    form = (call.get("text") or {}).get("format") or {}
    return Facts(
        turns=tuple(_turns(call, items)),
        tools=tuple(tools.values()),
        choice=choice,
        parallel=call.get("parallel_tool_calls") is not False,
        thinking=(call.get("reasoning") or {}).get("effort") != "none",
        schema={"json_schema": form.get("schema"), "json_object": {}}.get(form.get("type", "")),
        cap=call.get("max_output_tokens"),
        search=any(str(tool["type"]).startswith("web_search") for tool in call.get("tools") or ()),
    )


def _tools(call: Json) -> Iterator[Tool]:
    for tool in call.get("tools") or ():
        if tool["type"] == "function":
            yield Tool(tool["name"], tool.get("parameters") or {})
        elif tool["type"] == "custom":
            yield Tool(tool["name"], FREE_TEXT)


def _turns(call: Json, items: list[Json]) -> list[Turn]:
    turns = [Turn("system", call["instructions"])] if call.get("instructions") else []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            role = {"developer": "system"}.get(item["role"], item["role"])
            turn = Turn(role, _text(item["content"]), tuple(_media(item["content"])))
        elif kind in CALLS:
            turn = Turn("assistant", "", (), 1)
        elif kind in RESULTS:
            turn = Turn("tool", _text(item["output"]), tuple(_media(item["output"])))
        else:
            continue
        if turn.role == "assistant" and turns and turns[-1].role == "assistant":
            last = turns.pop()
            turn = Turn("assistant", last.text + turn.text, (), last.calls + turn.calls)
        turns.append(turn)
    return turns


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _media(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        match part["type"]:
            case "input_image":
                yield media_of_data_url(part.get("image_url") or "")
            case "input_file":
                yield media_of_data_url(part.get("file_data") or "")
            case "input_audio":
                yield f"audio/{part['input_audio']['format']}"


def usage_of(usage: Usage) -> Json:
    """Cached tokens are part of the input, reasoning of the output."""
    return {
        "input_tokens": usage.input_all,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output_all,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input_all + usage.output_all,
    }


def whole(call: Json, answer: Answer, reply_id: str) -> Json:
    """The response at its end."""
    output = output_of(call, answer, reply_id)
    reason = {"length": "max_output_tokens", "block": "content_filter"}.get(answer.finish)
    end: Json = {"status": "incomplete" if reason else "completed", "output": output}
    end["incomplete_details"] = {"reason": reason} if reason else None
    end["usage"] = usage_of(answer.usage)
    end["completed_at"] = None if reason else replies.CREATED + 1
    return begun(call, reply_id) | end


def begun(call: Json, reply_id: str, status: str = "in_progress") -> Json:
    """The response before anything of it is there."""
    echoed = {name: default if call.get(name) is None else call[name] for name, default in ECHOED.items()}
    reasoning = {"effort": None, "summary": None} | (call.get("reasoning") or {})
    text = {"format": {"type": "text"}, "verbosity": "medium"} | (call.get("text") or {})
    return echoed | {
        "id": f"resp_{reply_id}",
        "object": "response",
        "created_at": replies.CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": call["model"],
        "output": [],
        "reasoning": reasoning,
        "service_tier": "default",
        "text": text,
        "usage": None,
    }


def output_of(call: Json, answer: Answer, reply_id: str) -> list[Json]:
    items: list[Json] = []
    if answer.reasoning:
        items.append(_reasoning_item(call, answer, reply_id))
    if answer.usage.searches:
        action: Json = {"type": "search", "query": SEARCH_QUERY, "queries": [SEARCH_QUERY]}
        if "web_search_call.action.sources" in (call.get("include") or ()):
            action["sources"] = [{"type": "url", "url": "https://example.com/france"}]
        items.append(
            {"id": f"ws_{reply_id}", "type": "web_search_call", "status": "completed", "action": action}
        )
    if answer.text:
        status = "incomplete" if answer.finish == "length" else "completed"
        message: Json = {"id": f"msg_{reply_id}", "type": "message", "role": "assistant", "status": status}
        items.append(message | {"content": [_part(call, answer)]})
    return items + [_call_item(call, made, f"{reply_id}_{at}") for at, made in enumerate(answer.calls, 1)]


def _reasoning_item(call: Json, answer: Answer, reply_id: str) -> Json:
    text = answer.whole_reasoning
    shown = (call.get("reasoning") or {}).get("summary") and not answer.redacted
    item: Json = {"id": f"rs_{reply_id}", "type": "reasoning"}
    item["summary"] = [{"type": "summary_text", "text": text}] if shown else []
    if "reasoning.encrypted_content" in (call.get("include") or ()):
        item["encrypted_content"] = seal.seal("responses", text)
    return item


def _part(call: Json, answer: Answer) -> Json:
    if answer.finish == "refusal":
        return {"type": "refusal", "refusal": answer.whole_text}
    cited = answer.citation
    annotations = [] if cited is None else [_annotation(answer)]
    logprobs: list[Json] = []
    if "message.output_text.logprobs" in (call.get("include") or ()):
        logprobs = [token_logprob(token, call.get("top_logprobs") or 0) for token in answer.text]
    text = {"type": "output_text", "text": answer.whole_text}
    return text | {"annotations": annotations, "logprobs": logprobs}


def _annotation(answer: Answer) -> Json:
    cited = answer.citation
    assert cited is not None
    where = {"start_index": cited.start, "end_index": cited.end}
    return {"type": "url_citation", "url": cited.url, "title": cited.title} | where


def _call_item(call: Json, made: Any, end: str) -> Json:
    custom = {tool["name"] for tool in call.get("tools") or () if tool["type"] == "custom"}
    kind = "custom_tool_call" if made.name in custom else "function_call"
    item = {"type": kind, "status": "completed", "call_id": f"call_{end}", "name": made.name}
    if made.name in custom:
        return {"id": f"ctc_{end}"} | item | {"input": made.arguments["input"]}
    return {"id": f"fc_{end}"} | item | {"arguments": compact(made.arguments)}


def events(call: Json, answer: Answer, reply_id: str) -> list[Json]:
    """The objects of the stream in their order, numbered over all."""
    last = whole(call, answer, reply_id)
    found: list[Json] = [{"type": "response.created", "response": begun(call, reply_id)}]
    if call.get("background"):
        found[0]["response"]["status"] = "queued"
        found.append({"type": "response.queued", "response": begun(call, reply_id, "queued")})
    found.append({"type": "response.in_progress", "response": begun(call, reply_id)})
    for index, item in enumerate(last["output"]):
        at = {"output_index": index}
        found.append({"type": "response.output_item.added", "item": _skeleton(item)} | at)
        found += [{"item_id": item["id"]} | at | event for event in _item_events(item)]
        found.append({"type": "response.output_item.done", "item": item} | at)
    found.append({"type": f"response.{last['status']}", "response": last})
    return [{"sequence_number": number} | item for number, item in enumerate(found)]


def _skeleton(item: Json) -> Json:
    empty: Json = {
        "message": {"status": "in_progress", "content": []},
        "function_call": {"status": "in_progress", "arguments": ""},
        "custom_tool_call": {"status": "in_progress", "input": ""},
        "web_search_call": {"status": "in_progress", "action": {"type": "search", "query": ""}},
        "reasoning": {"summary": []},
    }
    return item | empty[item["type"]]


def _item_events(item: Json) -> Iterator[Json]:
    match item["type"]:
        case "message":
            yield from _part_events(item["content"][0])
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _summary_events(part, {"summary_index": index})
        case "function_call":
            text, kind = item["arguments"], "response.function_call_arguments"
            for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
                yield {"type": f"{kind}.delta", "delta": piece}
            yield {"type": f"{kind}.done", "arguments": text, "name": item["name"]}
        case "custom_tool_call":
            for piece in deltas(item["input"]):
                yield {"type": "response.custom_tool_call_input.delta", "delta": piece}
            yield {"type": "response.custom_tool_call_input.done", "input": item["input"]}
        case "web_search_call":
            for state in ("in_progress", "searching", "completed"):
                yield {"type": f"response.web_search_call.{state}"}


def _part_events(part: Json) -> Iterator[Json]:
    at = {"content_index": 0}
    field, kind = ("refusal", "refusal") if part["type"] == "refusal" else ("text", "output_text")
    known = part.get("logprobs") or []
    more = {} if kind == "refusal" else {"logprobs": known}
    empty = part | ({"refusal": ""} if kind == "refusal" else {"text": "", "annotations": [], "logprobs": []})
    yield {"type": "response.content_part.added", "part": empty} | at
    for number, piece in enumerate(deltas(part[field])):
        own = more and {"logprobs": known[number : number + 1]}
        yield {"type": f"response.{kind}.delta", "delta": piece} | at | own
    for number, annotation in enumerate(part.get("annotations", ())):
        added = {"annotation_index": number, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added"} | at | added
    yield {"type": f"response.{kind}.done", field: part[field]} | at | more
    yield {"type": "response.content_part.done", "part": part} | at


def _summary_events(part: Json, at: Json) -> Iterator[Json]:
    kind = "response.reasoning_summary"
    yield {"type": f"{kind}_part.added", "part": part | {"text": ""}} | at
    for piece in deltas(part["text"]):
        yield {"type": f"{kind}_text.delta", "delta": piece} | at
    yield {"type": f"{kind}_text.done", "text": part["text"]} | at
    yield {"type": f"{kind}_part.done", "part": part} | at


def failed_event(call: Json, reply_id: str, number: int) -> Json:
    """What ends a stream that breaks in the middle."""
    error = {"code": "server_error", "message": "The server had an error."}
    response = begun(call, reply_id, "failed") | {"error": error}
    return {"sequence_number": number, "type": "response.failed", "response": response}


def frame(item: Json) -> bytes:
    return f"event: {item['type']}\ndata: {compact(item)}\n\n".encode()
