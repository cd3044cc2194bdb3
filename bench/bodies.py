"""Requests of an exact size in each client's dialect, and answers of an upstream as the mock gives them."""

import json
from typing import Any

TEXT = "Consider the harbour at dawn, and say plainly which boats came back and which did not. " * 5
SYSTEM = "You are terse."


def chat_body(model: str, size: int, stream: bool) -> bytes:
    """A chat request of exactly ``size`` bytes: a system line, then turns of about 500 bytes."""
    messages = [{"role": "system", "content": SYSTEM}]
    call: dict[str, Any] = {"model": model, "temperature": 0.7, "max_tokens": 200, "messages": messages}
    return _filled(call, messages, size, stream)


def messages_body(model: str, size: int, stream: bool) -> bytes:
    """The same of a client that speaks Messages."""
    messages: list[dict[str, str]] = []
    call: dict[str, Any] = {
        "model": model,
        "temperature": 0.7,
        "max_tokens": 200,
        "system": SYSTEM,
        "messages": messages,
    }
    return _filled(call, messages, size, stream)


def responses_body(model: str, size: int, stream: bool) -> bytes:
    """The same of a client that speaks Responses, and wants nothing kept."""
    items: list[dict[str, str]] = []
    call: dict[str, Any] = {
        "model": model,
        "temperature": 0.7,
        "max_output_tokens": 200,
        "store": False,
        "instructions": SYSTEM,
        "input": items,
    }
    return _filled(call, items, size, stream)


def _filled(call: dict[str, Any], turns: list[dict[str, str]], size: int, stream: bool) -> bytes:
    """The call with turns until it has its size; the last is the user's, of what is left."""
    if stream:
        call["stream"] = True
    roles = ("user", "assistant")
    begun = len(turns)
    while len(json.dumps(call)) < size - 600:
        turns.append({"role": roles[(len(turns) - begun) % 2], "content": TEXT})
    turns.append({"role": "user", "content": ""})
    turns[-1]["content"] = (TEXT * 3)[: size - len(json.dumps(call))]
    return json.dumps(call).encode()
