"""The OpenAI SDK's chat completions against every kind of upstream; see ``asked``."""

from typing import Any

import asked
import openai
from asked import Case, Finding
from pydantic import BaseModel

SPEC = asked.Spec()
DECLARED: list[Any] = [
    {"type": "function", "function": {"name": name, "description": f"The {name}", "parameters": schema}}
    for name, schema in asked.TOOLS.items()
]


class City(BaseModel):
    city: str
    people: int


def client(key: str = "good") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{SPEC.origin}/v1", api_key=SPEC.keys[key], max_retries=0, timeout=30)


CLIENT = client()


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def ask(model: str, messages: list[Any], **more: Any) -> Any:
    return CLIENT.chat.completions.create(model=model, messages=messages, **more)


def told(reply: Any) -> Finding:
    choice, usage = reply.choices[0], reply.usage
    return {
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "usage": [usage.prompt_tokens, usage.completion_tokens],
    }


def text(model: str) -> Finding:
    raw = CLIENT.chat.completions.with_raw_response.create(model=model, messages=user(asked.TEXT))
    reply = raw.parse()
    return told(reply) | {"model": reply.model, "request_id": raw.headers["x-request-id"]}


def _gathered(stream: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"text": "", "reasoning": "", "calls": {}, "pieces": 0}
    for chunk in stream:
        if chunk.usage is not None:
            found["usage"] = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens]
        for choice in chunk.choices:
            found["finish"] = choice.finish_reason or found.get("finish")
            found["text"] += choice.delta.content or ""
            found["pieces"] += bool(choice.delta.content)
            found["reasoning"] += (choice.delta.model_extra or {}).get("reasoning_content") or ""
            for call in choice.delta.tool_calls or []:
                made = found["calls"].setdefault(call.index, {"id": "", "name": "", "arguments": ""})
                made["id"] += call.id or ""
                made["name"] += (call.function and call.function.name) or ""
                made["arguments"] += (call.function and call.function.arguments) or ""
    return found


def stream(model: str) -> Finding:
    found = _gathered(ask(model, user(asked.LONG_CUE), stream=True, stream_options={"include_usage": True}))
    return {name: found[name] for name in ("text", "pieces", "finish", "usage")}


def history(model: str) -> Finding:
    turns: list[Any] = [{"role": role, "content": content} for role, content in asked.HISTORY]
    return told(ask(model, [{"role": "system", "content": asked.SYSTEM}, *turns]))


def tools(model: str) -> Finding:
    messages = user(asked.TOOLS_CUE)
    first = ask(model, messages, tools=DECLARED)
    made = first.choices[0].message.tool_calls or []
    messages.append(first.choices[0].message)
    for call in made:
        result = asked.RESULTS[call.function.name]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    second = ask(model, messages, tools=DECLARED)
    return {
        "calls": [[call.function.name, call.function.arguments] for call in made],
        "ids": len({call.id for call in made}),
        "finish": first.choices[0].finish_reason,
        "answer": second.choices[0].message.content,
    }


def tools_stream(model: str) -> Finding:
    found = _gathered(ask(model, user(asked.TOOLS_CUE), tools=DECLARED, stream=True))
    made = list(found["calls"].values())
    return {
        "calls": [[call["name"], call["arguments"]] for call in made],
        "ids": len({call["id"] for call in made}),
        "finish": found["finish"],
    }


def forced(model: str) -> Finding:
    choice = {"type": "function", "function": {"name": "clock"}}
    reply = ask(model, user("Now."), tools=DECLARED, tool_choice=choice)
    return [[call.function.name, call.function.arguments] for call in reply.choices[0].message.tool_calls]


def structured(model: str) -> Finding:
    made = CLIENT.chat.completions.parse(model=model, messages=user(asked.JSON_CUE), response_format=City)
    return made.choices[0].message.parsed.model_dump()  # type: ignore[union-attr]


def structured_schema(model: str) -> Finding:
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": asked.CITY, "strict": True}}
    return ask(model, user(asked.JSON_CUE), response_format=form).choices[0].message.content


def thinking(model: str) -> Finding:
    messages = user(asked.THINK_CUE)
    first = ask(model, messages, tools=DECLARED[:1], reasoning_effort="medium").choices[0].message
    messages.append(first)
    for call in first.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": asked.RESULTS["weather"]})
    second = ask(model, messages, tools=DECLARED[:1], reasoning_effort="medium").choices[0].message
    return {
        "reasoning": getattr(first, "reasoning_content", None),
        "calls": [[call.function.name, call.function.arguments] for call in first.tool_calls],
        "reasoning_after": getattr(second, "reasoning_content", None),
        "answer": second.content,
    }


def thinking_stream(model: str) -> Finding:
    found = _gathered(ask(model, user(asked.THINK_ONLY), reasoning_effort="medium", stream=True))
    return {"reasoning": found["reasoning"], "text": found["text"]}


def image(model: str) -> Finding:
    parts = [{"type": "text", "text": asked.IMAGE_CUE}]
    parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{asked.PNG}"}})  # type: ignore[dict-item]
    return ask(model, user(parts)).choices[0].message.content


def cache(model: str) -> Finding:
    usage = ask(model, user(asked.CACHE_CUE)).usage
    return [usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens]


def length(model: str) -> Finding:
    return ask(model, user(asked.LENGTH_CUE)).choices[0].finish_reason


def refusal(model: str) -> Finding:
    choice = ask(model, user(asked.REFUSE_CUE)).choices[0]
    return {"finish": choice.finish_reason, "text": choice.message.refusal or choice.message.content}


def models(model: str) -> Finding:
    return [model in [found.id for found in CLIENT.models.list()], CLIENT.models.retrieve(model).id]


def embedding(model: str) -> Finding:
    return CLIENT.embeddings.create(model=model, input=asked.EMBEDDED).data[0].embedding


def charge(model: str) -> Finding:
    """The request's id, to find what it cost."""
    raw = CLIENT.chat.completions.with_raw_response.create(
        model=model, messages=user(asked.CHARGE_CUE), reasoning_effort="medium"
    )
    return raw.headers["x-request-id"]


def cut(model: str, word: str) -> Finding:
    return [chunk.id for chunk in ask(model, user(f"[{word}] [long]"), stream=True)]


def refused(key: str, question: str = asked.TEXT) -> Case:
    return lambda model: client(key).chat.completions.create(model=model, messages=user(question))


ERRORS: dict[str, Case] = {
    "key_wrong": refused("wrong"),
    "model_unknown": lambda _: refused("good")("no-such-model"),
    "model_not_allowed": refused("narrow"),
    "rate": lambda model: [refused("slow")(model) for _ in range(3)],
    "upstream_400": refused("good", "[error-400] Say a few words."),
    "upstream_cut": lambda model: cut(model, "cut"),
    "upstream_midstream": lambda model: cut(model, "error-midstream"),
    "upstream_500": refused("good", "[error-500] Say a few words."),
    "upstream_429": refused("good", "[error-429] Say a few words."),
}
CASES: list[Case] = [
    text,
    stream,
    history,
    tools,
    tools_stream,
    forced,
    structured,
    structured_schema,
    thinking,
    thinking_stream,
    image,
    cache,
    length,
    refusal,
    models,
    embedding,
    charge,
]

if __name__ == "__main__":
    asked.tell(openai.__version__, SPEC, CASES, ERRORS)
