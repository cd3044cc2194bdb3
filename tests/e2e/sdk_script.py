"""What the official SDK makes of the server: runs in the Python that has the SDK version in question.

``python sdk_script.py BASE_URL KEYS_JSON`` prints one JSON object, a finding by case. It imports nothing of
this project, as the other major version of the SDK lives in an environment of its own.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import openai

QUESTION: list[Any] = [{"role": "user", "content": "Say a few words."}]
CUE: list[Any] = [{"role": "user", "content": "Please use the tool now."}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
MODEL = "gpt-5.2"


def main() -> None:
    base_url, keys = sys.argv[1], json.loads(sys.argv[2])
    client = openai.OpenAI(base_url=base_url, api_key=keys["good"])
    found: dict[str, Any] = {"version": openai.__version__}
    for case in (chat, stream_plain, stream_with_usage, tools, tools_stream, embeddings, models, completions):
        found[case.__name__] = case(client)
    found["errors"] = errors(base_url, keys)
    print(json.dumps(found))


def chat(client: openai.OpenAI) -> Any:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=5)
    reply = raw.parse()
    return {
        "text": reply.choices[0].message.content,
        "finish": reply.choices[0].finish_reason,
        "usage": [reply.usage.prompt_tokens, reply.usage.completion_tokens] if reply.usage else None,
        "request_id": bool(reply._request_id),
        "fingerprint": reply.system_fingerprint,
    }


def _streamed(client: openai.OpenAI, **more: Any) -> Any:
    text, usages, finishes = "", [], []
    asked = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=5, stream=True, **more)
    with asked as stream:
        for chunk in stream:
            if chunk.usage is not None:
                usages.append([chunk.usage.prompt_tokens, chunk.usage.completion_tokens, len(chunk.choices)])
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finishes += [choice.finish_reason] if choice.finish_reason else []
    return {"text": text, "usages": usages, "finishes": finishes}


def stream_plain(client: openai.OpenAI) -> Any:
    return _streamed(client)


def stream_with_usage(client: openai.OpenAI) -> Any:
    return _streamed(client, stream_options={"include_usage": True})


def tools(client: openai.OpenAI) -> Any:
    reply = client.chat.completions.create(model=MODEL, messages=CUE, tools=TOOLS, tool_choice="auto")
    (call,) = reply.choices[0].message.model_dump()["tool_calls"]
    function = call["function"]
    return [call["id"], function["name"], function["arguments"], reply.choices[0].finish_reason]


def tools_stream(client: openai.OpenAI) -> Any:
    name, arguments, finish = "", "", None
    for chunk in client.chat.completions.create(model=MODEL, messages=CUE, tools=TOOLS, stream=True):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                if call.function is not None:
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
    return [name, arguments, finish]


def embeddings(client: openai.OpenAI) -> Any:
    call: dict[str, Any] = {"model": "text-embedding-3-small", "input": ["one", "two"]}
    usual = client.embeddings.create(**call)
    floats = client.embeddings.create(**call, encoding_format="float")
    return {
        "count": len(usual.data),
        "size": len(usual.data[0].embedding),
        "same": [item.embedding for item in usual.data] == [item.embedding for item in floats.data],
        "tokens": usual.usage.prompt_tokens,
    }


def models(client: openai.OpenAI) -> Any:
    ids = sorted(model.id for model in client.models.list())
    return {"ids": ids, "one": client.models.retrieve(MODEL).id}


def completions(client: openai.OpenAI) -> Any:
    whole = client.completions.create(model=MODEL, prompt="Once", max_tokens=4)
    pieces = client.completions.create(model=MODEL, prompt="Once", max_tokens=4, stream=True)
    return [whole.choices[0].text, "".join(piece.choices[0].text for piece in pieces if piece.choices)]


def errors(base_url: str, keys: dict[str, str]) -> Any:
    """Case → class, status and code of what was raised, and how many requests it took."""
    cases: dict[str, tuple[str, Callable[[openai.OpenAI], Any]]] = {
        "bad_key": ("wrong", _ask(MODEL)),
        "model_unknown": ("good", _ask("no-such-model")),
        "model_not_allowed": ("narrow", _ask(MODEL)),
        "bad_request": ("good", _ask(MODEL, messages=[])),
        "quota": ("poor", _ask(MODEL)),
        "rate": ("slow", lambda client: [_ask(MODEL)(client) for _ in range(3)]),
        "upstream_500": ("good", _ask("fault-500")),
        "cut_stream": ("good", lambda client: list(_ask("fault-reset-mid", stream=True)(client))),
        "retrieve_unknown": ("good", lambda client: client.models.retrieve("no-such-model")),
    }
    return {name: _raised(base_url, keys[key], call, 0) for name, (key, call) in cases.items()} | {
        "quota_retried": _raised(base_url, keys["poor"], _ask(MODEL), 2),
        "upstream_500_retried": _raised(base_url, keys["good"], _ask("fault-500"), 2),
    }


def _ask(model: str, **more: Any) -> Callable[[openai.OpenAI], Any]:
    return lambda client: client.chat.completions.create(**{"model": model, "messages": QUESTION, **more})


def _raised(base_url: str, key: str, call: Callable[[openai.OpenAI], Any], retries: int) -> Any:
    sent: list[Any] = []
    http_client = openai.DefaultHttpxClient(event_hooks={"request": [sent.append]})
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=retries, http_client=http_client)
    try:
        call(client)
    except Exception as error:  # a class that is not the SDK's own is a finding too
        status, code = getattr(error, "status_code", None), getattr(error, "code", None)
        return {"class": type(error).__name__, "status": status, "code": code, "requests": len(sent)}
    finally:
        http_client.close()
    return {"class": None, "requests": len(sent)}


if __name__ == "__main__":
    main()
