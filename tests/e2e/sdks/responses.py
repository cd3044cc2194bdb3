"""The OpenAI SDK's responses against every kind of upstream; see ``asked``."""

from typing import Any

import asked
import openai
from asked import Case, Finding
from pydantic import BaseModel

SPEC = asked.Spec()
DECLARED: list[Any] = [
    {"type": "function", "name": name, "description": f"The {name}", "parameters": schema, "strict": True}
    for name, schema in asked.TOOLS.items()
]
EFFORT: Any = {"effort": "medium", "summary": "auto"}


class City(BaseModel):
    city: str
    people: int


def client(key: str = "good") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{SPEC.origin}/v1", api_key=SPEC.keys[key], max_retries=0, timeout=30)


CLIENT = client()


def ask(model: str, said: Any, **more: Any) -> Any:
    return CLIENT.responses.create(**{"model": model, "input": said, "store": False} | more)


def told(reply: Any) -> Finding:
    return {
        "text": reply.output_text,
        "finish": reply.status,
        "usage": [reply.usage.input_tokens, reply.usage.output_tokens],
    }


def calls_of(reply: Any) -> list[Any]:
    return [item for item in reply.output if item.type == "function_call"]


def reasoning_of(reply: Any) -> str:
    found = [item for item in reply.output if item.type == "reasoning"]
    return "".join(part.text for item in found for part in item.summary)


def results(calls: list[Any]) -> list[Any]:
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": asked.RESULTS[call.name]}
        for call in calls
    ]


def text(model: str) -> Finding:
    raw = CLIENT.responses.with_raw_response.create(model=model, input=asked.TEXT)
    reply = raw.parse()
    return told(reply) | {"model": reply.model, "request_id": raw.headers["x-request-id"]}


def stream(model: str) -> Finding:
    pieces: list[str] = []
    numbers: list[int] = []
    last: Any = None
    for event in ask(model, asked.LONG_CUE, stream=True):
        numbers.append(event.sequence_number)
        if event.type == "response.output_text.delta":
            pieces.append(event.delta)
        last = event
    if numbers != list(range(len(numbers))):
        raise ValueError(f"sequence numbers: {numbers[:20]}")
    if "".join(pieces) != last.response.output_text:
        raise ValueError("the deltas are not the text")
    return told(last.response) | {"pieces": len(pieces)}


def stream_gathered(model: str) -> Finding:
    """The SDK's own accumulation of the events, which trusts every index and id."""
    with CLIENT.responses.stream(model=model, input=asked.LONG_CUE, store=False) as events:
        for _ in events:
            pass
        return told(events.get_final_response())


def history(model: str) -> Finding:
    turns: list[Any] = [{"role": role, "content": content} for role, content in asked.HISTORY]
    return told(ask(model, turns, instructions=asked.SYSTEM))


def tools(model: str) -> Finding:
    items: list[Any] = [{"role": "user", "content": asked.TOOLS_CUE}]
    first = ask(model, items, tools=DECLARED)
    made = calls_of(first)
    items += [*first.output, *results(made)]
    return {
        "calls": [[call.name, call.arguments] for call in made],
        "ids": len({call.call_id for call in made}),
        "finish": first.status,
        "answer": ask(model, items, tools=DECLARED).output_text,
    }


def tools_stream(model: str) -> Finding:
    last, arguments = None, {}
    for event in ask(model, asked.TOOLS_CUE, tools=DECLARED, stream=True):
        if event.type == "response.function_call_arguments.delta":
            arguments[event.output_index] = arguments.get(event.output_index, "") + event.delta
        last = event
    made = calls_of(last.response)  # type: ignore[attr-defined]
    if list(arguments.values()) != [call.arguments for call in made]:
        raise ValueError(f"the deltas are not the arguments: {arguments}")
    return {
        "calls": [[call.name, call.arguments] for call in made],
        "ids": len({call.call_id for call in made}),
        "finish": last.response.status,  # type: ignore[attr-defined]
    }


def forced(model: str) -> Finding:
    reply = ask(model, "Now.", tools=DECLARED, tool_choice={"type": "function", "name": "clock"})
    return [[call.name, call.arguments] for call in calls_of(reply)]


def structured(model: str) -> Finding:
    made = CLIENT.responses.parse(model=model, input=asked.JSON_CUE, text_format=City, store=False)
    return made.output_parsed.model_dump()  # type: ignore[union-attr]


def structured_schema(model: str) -> Finding:
    form = {"type": "json_schema", "name": "city", "schema": asked.CITY, "strict": True}
    return ask(model, asked.JSON_CUE, text={"format": form}).output_text


def thinking(model: str) -> Finding:
    more = {"tools": DECLARED[:1], "reasoning": EFFORT, "include": ["reasoning.encrypted_content"]}
    items: list[Any] = [{"role": "user", "content": asked.THINK_CUE}]
    first = ask(model, items, **more)
    made = calls_of(first)
    items += [*first.output, *results(made)]
    second = ask(model, items, **more)
    return {
        "reasoning": reasoning_of(first),
        "calls": [[call.name, call.arguments] for call in made],
        "reasoning_after": reasoning_of(second),
        "answer": second.output_text,
    }


def thinking_stream(model: str) -> Finding:
    reasoning, said = "", ""
    for event in ask(model, asked.THINK_ONLY, reasoning=EFFORT, stream=True):
        if event.type == "response.reasoning_summary_text.delta":
            reasoning += event.delta
        if event.type == "response.output_text.delta":
            said += event.delta
    return {"reasoning": reasoning, "text": said}


def state(model: str) -> Finding:
    """A stored response is gone back to, looked at and deleted, whoever stores it."""
    first = CLIENT.responses.create(model=model, input="[echo] one", instructions=asked.SYSTEM)
    second = CLIENT.responses.create(model=model, input="[echo] two", previous_response_id=first.id)
    kept = CLIENT.responses.input_items.list(second.id, order="asc").data
    again = CLIENT.responses.retrieve(first.id)
    CLIENT.responses.delete(first.id)
    try:
        CLIENT.responses.retrieve(first.id)
    except openai.NotFoundError:
        gone = True
    else:
        gone = False
    return {
        "texts": [first.output_text, second.output_text, again.output_text],
        "grew": second.usage.input_tokens > first.usage.input_tokens,  # type: ignore[union-attr]
        "items": len(kept) >= 1,
        "gone": gone,
    }


def state_tools(model: str) -> Finding:
    """The results of tools are sent alone: the calls, and the reasoning before them, are remembered."""
    more: dict[str, Any] = {"model": model, "tools": DECLARED[:1], "reasoning": EFFORT}
    first = CLIENT.responses.create(input=asked.THINK_CUE, **more)
    made = results(calls_of(first))
    return CLIENT.responses.create(input=made, previous_response_id=first.id, **more).output_text


def image(model: str) -> Finding:
    url = f"data:image/png;base64,{asked.PNG}"
    parts = [{"type": "input_text", "text": asked.IMAGE_CUE}, {"type": "input_image", "image_url": url}]
    return ask(model, [{"role": "user", "content": parts}]).output_text


def cache(model: str) -> Finding:
    usage = ask(model, asked.CACHE_CUE).usage
    return [usage.input_tokens, usage.input_tokens_details.cached_tokens]


def length(model: str) -> Finding:
    reply = ask(model, asked.LENGTH_CUE)
    return [reply.status, reply.incomplete_details.reason]


def refusal(model: str) -> Finding:
    reply = ask(model, asked.REFUSE_CUE)
    parts = [part for item in reply.output if item.type == "message" for part in item.content]
    said = "".join(getattr(part, "refusal", None) or getattr(part, "text", "") for part in parts)
    why = reply.incomplete_details and reply.incomplete_details.reason
    return {"finish": [reply.status, why], "text": said}


def count(model: str) -> Finding:
    return CLIENT.responses.input_tokens.count(model=model, input=asked.TEXT).input_tokens


def charge(model: str) -> Finding:
    """The request's id, to find what it cost."""
    raw = CLIENT.responses.with_raw_response.create(
        model=model, input=asked.CHARGE_CUE, reasoning=EFFORT, store=False
    )
    return raw.headers["x-request-id"]


def cut(model: str, word: str) -> Finding:
    """What the SDK raises; a failed response at the end counts as raised too, as it is told in an event."""
    last: Any = None
    for event in ask(model, f"[{word}] [long]", stream=True):
        last = event
    if last.type in ("response.failed", "error"):
        raise openai.APIError("told by an event", request=None, body=None)  # type: ignore[arg-type]
    return last.type


def refused(key: str, question: str = asked.TEXT) -> Case:
    return lambda model: client(key).responses.create(model=model, input=question)


ERRORS: dict[str, Case] = {
    "key_wrong": refused("wrong"),
    "model_unknown": lambda _: refused("good")("no-such-model"),
    "model_not_allowed": refused("narrow"),
    "rate": lambda model: [refused("slow")(model) for _ in range(3)],
    "response_unknown": lambda _: CLIENT.responses.retrieve("resp_0123456789abcdef"),
    "upstream_400": refused("good", "[error-400] Say a few words."),
    "upstream_cut": lambda model: cut(model, "cut"),
    "upstream_midstream": lambda model: cut(model, "error-midstream"),
    "upstream_500": refused("good", "[error-500] Say a few words."),
    "upstream_429": refused("good", "[error-429] Say a few words."),
}
CASES: list[Case] = [
    text,
    stream,
    stream_gathered,
    history,
    tools,
    tools_stream,
    forced,
    structured,
    structured_schema,
    thinking,
    thinking_stream,
    state,
    state_tools,
    image,
    cache,
    length,
    refusal,
    count,
    charge,
]

if __name__ == "__main__":
    asked.tell(openai.__version__, SPEC, CASES, ERRORS)
