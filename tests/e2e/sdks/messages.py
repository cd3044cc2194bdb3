"""The Anthropic SDK against every kind of upstream; see ``asked``."""

from typing import Any

import anthropic
import asked
from asked import Case, Finding
from pydantic import BaseModel

SPEC = asked.Spec()
DECLARED: list[Any] = [
    {"name": name, "description": f"The {name}", "input_schema": schema}
    for name, schema in asked.TOOLS.items()
]
THINKING: Any = {"type": "enabled", "budget_tokens": asked.BUDGET_TOKENS}


class City(BaseModel):
    city: str
    people: int


def client(key: str = "good") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=SPEC.origin, api_key=SPEC.keys[key], max_retries=0, timeout=30)


CLIENT = client()


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def ask(model: str, messages: list[Any], **more: Any) -> Any:
    return CLIENT.messages.create(model=model, messages=messages, max_tokens=asked.OUTPUT_TOKENS, **more)


def told(reply: Any) -> Finding:
    return {
        "text": text_of(reply),
        "finish": reply.stop_reason,
        "usage": [reply.usage.input_tokens, reply.usage.output_tokens],
    }


def text_of(reply: Any) -> str:
    return "".join(block.text for block in reply.content if block.type == "text")


def reasoning_of(reply: Any) -> str:
    return "".join(block.thinking for block in reply.content if block.type == "thinking")


def calls_of(reply: Any) -> list[Any]:
    return [block for block in reply.content if block.type == "tool_use"]


def results(calls: list[Any]) -> list[Any]:
    return user(
        [
            {"type": "tool_result", "tool_use_id": call.id, "content": asked.RESULTS[call.name]}
            for call in calls
        ]
    )


def text(model: str) -> Finding:
    raw = CLIENT.messages.with_raw_response.create(
        model=model, messages=user(asked.TEXT), max_tokens=asked.OUTPUT_TOKENS
    )
    reply = raw.parse()
    return told(reply) | {"model": reply.model, "request_id": raw.headers["x-request-id"]}


def stream(model: str) -> Finding:
    pieces = 0
    with CLIENT.messages.stream(
        model=model, messages=user(asked.LONG_CUE), max_tokens=asked.OUTPUT_TOKENS
    ) as events:
        for event in events:
            pieces += event.type == "text"
        return told(events.get_final_message()) | {"pieces": pieces}


def history(model: str) -> Finding:
    turns: list[Any] = [{"role": role, "content": content} for role, content in asked.HISTORY]
    return told(ask(model, turns, system=asked.SYSTEM))


def tools(model: str) -> Finding:
    messages = user(asked.TOOLS_CUE)
    first = ask(model, messages, tools=DECLARED)
    made = calls_of(first)
    messages += [{"role": "assistant", "content": first.content}, *results(made)]
    return {
        "calls": [[call.name, call.input] for call in made],
        "ids": len({call.id for call in made}),
        "finish": first.stop_reason,
        "answer": text_of(ask(model, messages, tools=DECLARED)),
    }


def tools_stream(model: str) -> Finding:
    with CLIENT.messages.stream(
        model=model, messages=user(asked.TOOLS_CUE), max_tokens=asked.OUTPUT_TOKENS, tools=DECLARED
    ) as events:
        reply = events.get_final_message()
    made = calls_of(reply)
    return {
        "calls": [[call.name, call.input] for call in made],
        "ids": len({call.id for call in made}),
        "finish": reply.stop_reason,
    }


def forced(model: str) -> Finding:
    reply = ask(model, user("Now."), tools=DECLARED, tool_choice={"type": "tool", "name": "clock"})
    return [[call.name, call.input] for call in calls_of(reply)]


def structured(model: str) -> Finding:
    made = CLIENT.messages.parse(
        model=model, messages=user(asked.JSON_CUE), max_tokens=asked.OUTPUT_TOKENS, output_format=City
    )
    return made.parsed_output.model_dump()  # type: ignore[union-attr]


def structured_schema(model: str) -> Finding:
    form = {"format": {"type": "json_schema", "schema": asked.CITY}}
    return text_of(ask(model, user(asked.JSON_CUE), output_config=form))


def thinking(model: str) -> Finding:
    messages = user(asked.THINK_CUE)
    first = ask(model, messages, tools=DECLARED[:1], thinking=THINKING)
    made = calls_of(first)
    messages += [{"role": "assistant", "content": first.content}, *results(made)]
    second = ask(model, messages, tools=DECLARED[:1], thinking=THINKING)
    return {
        "reasoning": reasoning_of(first),
        "calls": [[call.name, call.input] for call in made],
        "reasoning_after": reasoning_of(second),
        "answer": text_of(second),
    }


def thinking_stream(model: str) -> Finding:
    with CLIENT.messages.stream(
        model=model, messages=user(asked.THINK_ONLY), max_tokens=asked.OUTPUT_TOKENS, thinking=THINKING
    ) as events:
        reply = events.get_final_message()
    return {"reasoning": reasoning_of(reply), "text": text_of(reply)}


def image(model: str) -> Finding:
    source = {"type": "base64", "media_type": "image/png", "data": asked.PNG}
    parts = [{"type": "text", "text": asked.IMAGE_CUE}, {"type": "image", "source": source}]
    return text_of(ask(model, user(parts)))


def cache(model: str) -> Finding:
    usage = ask(model, user(asked.CACHE_CUE)).usage
    return [usage.input_tokens, usage.cache_read_input_tokens]


def length(model: str) -> Finding:
    return ask(model, user(asked.LENGTH_CUE)).stop_reason


def refusal(model: str) -> Finding:
    reply = ask(model, user(asked.REFUSE_CUE))
    return {"finish": reply.stop_reason, "text": text_of(reply)}


def count(model: str) -> Finding:
    return CLIENT.messages.count_tokens(model=model, messages=user(asked.TEXT)).input_tokens


def models(model: str) -> Finding:
    return [model in [found.id for found in CLIENT.models.list(limit=1000)], CLIENT.models.retrieve(model).id]


def charge(model: str) -> Finding:
    """The request's id, to find what it cost."""
    raw = CLIENT.messages.with_raw_response.create(
        model=model,
        messages=user(asked.CHARGE_CUE),
        max_tokens=asked.OUTPUT_TOKENS,
        thinking=THINKING,
    )
    return raw.headers["x-request-id"]


def cut(model: str, word: str) -> Finding:
    with CLIENT.messages.stream(
        model=model, messages=user(f"[{word}] [long]"), max_tokens=asked.OUTPUT_TOKENS
    ) as events:
        return events.get_final_message().stop_reason


def refused(key: str, question: str = asked.TEXT) -> Case:
    return lambda model: client(key).messages.create(
        model=model, messages=user(question), max_tokens=asked.OUTPUT_TOKENS
    )


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
    count,
    models,
    charge,
]

if __name__ == "__main__":
    asked.tell(anthropic.__version__, SPEC, CASES, ERRORS)
