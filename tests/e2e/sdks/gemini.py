"""The Google Gen AI SDK against every kind of upstream; see ``asked``."""

import base64
from typing import Any

import asked
from asked import Case, Finding
from google import genai
from google.genai import types
from pydantic import BaseModel

SPEC = asked.Spec()
DECLARED = [
    types.FunctionDeclaration(name=name, description=f"The {name}", parameters_json_schema=schema)
    for name, schema in asked.TOOLS.items()
]
BOTH: list[Any] = [types.Tool(function_declarations=DECLARED)]
WEATHER_ALONE: list[Any] = [types.Tool(function_declarations=DECLARED[:1])]
THINKING = types.ThinkingConfig(include_thoughts=True, thinking_budget=asked.BUDGET_TOKENS)


class City(BaseModel):
    city: str
    people: int


def client(key: str = "good") -> genai.Client:
    options = types.HttpOptions(base_url=SPEC.origin, timeout=30_000)
    return genai.Client(api_key=SPEC.keys[key], http_options=options)


CLIENT = client()


def ask(model: str, contents: Any, **config: Any) -> Any:
    made = types.GenerateContentConfig(**config) if config else None
    return CLIENT.models.generate_content(model=model, contents=contents, config=made)


def asked_stream(model: str, contents: Any, **config: Any) -> Any:
    made = types.GenerateContentConfig(**config) if config else None
    return CLIENT.models.generate_content_stream(model=model, contents=contents, config=made)


def user(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


def parts_of(reply: Any) -> list[Any]:
    content = reply.candidates[0].content if reply.candidates else None
    return (content.parts or []) if content else []


def text_of(reply: Any) -> str:
    return "".join(part.text for part in parts_of(reply) if part.text and not part.thought)


def reasoning_of(reply: Any) -> str:
    return "".join(part.text for part in parts_of(reply) if part.text and part.thought)


def calls_of(reply: Any) -> list[Any]:
    return [part.function_call for part in parts_of(reply) if part.function_call]


def results(calls: list[Any]) -> types.Content:
    made = [
        types.FunctionResponse(id=call.id, name=call.name, response={"output": asked.RESULTS[call.name]})
        for call in calls
    ]
    return types.Content(role="user", parts=[types.Part(function_response=response) for response in made])


def usage_of(reply: Any) -> list[int]:
    usage = reply.usage_metadata
    return [usage.prompt_token_count, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)]


def told(reply: Any) -> Finding:
    finish = reply.candidates[0].finish_reason
    return {"text": text_of(reply), "finish": finish and finish.value, "usage": usage_of(reply)}


def text(model: str) -> Finding:
    reply = ask(model, asked.TEXT)
    headers = {name.lower(): value for name, value in reply.sdk_http_response.headers.items()}
    return told(reply) | {"model": reply.model_version, "request_id": headers["x-request-id"]}


def stream(model: str) -> Finding:
    said, pieces, last = "", 0, None
    for chunk in asked_stream(model, asked.LONG_CUE):
        said += text_of(chunk)
        pieces += bool(text_of(chunk))
        last = chunk
    return told(last) | {"text": said, "pieces": pieces}


def history(model: str) -> Finding:
    turns = [
        types.Content(role={"assistant": "model"}.get(role, role), parts=[types.Part(text=content)])
        for role, content in asked.HISTORY
    ]
    return told(ask(model, turns, system_instruction=asked.SYSTEM))


def tools(model: str) -> Finding:
    contents = [user(asked.TOOLS_CUE)]
    first = ask(model, contents, tools=BOTH)
    made = calls_of(first)
    contents += [first.candidates[0].content, results(made)]
    return {
        "calls": [[call.name, call.args] for call in made],
        "ids": len({call.id for call in made}),
        "finish": first.candidates[0].finish_reason.value,
        "answer": text_of(ask(model, contents, tools=BOTH)),
    }


def tools_stream(model: str) -> Finding:
    made: list[Any] = []
    finish = None
    for chunk in asked_stream(model, asked.TOOLS_CUE, tools=BOTH):
        made += calls_of(chunk)
        finish = (chunk.candidates and chunk.candidates[0].finish_reason) or finish
    return {
        "calls": [[call.name, call.args] for call in made],
        "ids": len({call.id for call in made}),
        "finish": finish and finish.value,
    }


def forced(model: str) -> Finding:
    choice = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["clock"])  # type: ignore[arg-type]
    reply = ask(model, "Now.", tools=BOTH, tool_config=types.ToolConfig(function_calling_config=choice))
    return [[call.name, call.args] for call in calls_of(reply)]


def structured(model: str) -> Finding:
    reply = ask(model, asked.JSON_CUE, response_mime_type="application/json", response_schema=City)
    return reply.parsed.model_dump()


def structured_schema(model: str) -> Finding:
    return text_of(
        ask(model, asked.JSON_CUE, response_mime_type="application/json", response_json_schema=asked.CITY)
    )


def thinking(model: str) -> Finding:
    contents = [user(asked.THINK_CUE)]
    first = ask(model, contents, tools=WEATHER_ALONE, thinking_config=THINKING)
    made = calls_of(first)
    contents += [first.candidates[0].content, results(made)]
    second = ask(model, contents, tools=WEATHER_ALONE, thinking_config=THINKING)
    return {
        "reasoning": reasoning_of(first),
        "calls": [[call.name, call.args] for call in made],
        "reasoning_after": reasoning_of(second),
        "answer": text_of(second),
    }


def thinking_stream(model: str) -> Finding:
    reasoning, said = "", ""
    for chunk in asked_stream(model, asked.THINK_ONLY, thinking_config=THINKING):
        reasoning += reasoning_of(chunk)
        said += text_of(chunk)
    return {"reasoning": reasoning, "text": said}


def chat(model: str) -> Finding:
    """The SDK's own keeping of a conversation."""
    talk = CLIENT.chats.create(model=model)
    first, second = talk.send_message("[echo] one"), talk.send_message("[echo] two")
    return [text_of(first), text_of(second), usage_of(second)[0] > usage_of(first)[0]]


def image(model: str) -> Finding:
    picture = types.Part.from_bytes(data=base64.b64decode(asked.PNG), mime_type="image/png")
    return text_of(ask(model, [asked.IMAGE_CUE, picture]))


def cache(model: str) -> Finding:
    usage = ask(model, asked.CACHE_CUE).usage_metadata
    return [usage.prompt_token_count, usage.cached_content_token_count]


def length(model: str) -> Finding:
    return ask(model, asked.LENGTH_CUE).candidates[0].finish_reason.value


def refusal(model: str) -> Finding:
    reply = ask(model, asked.REFUSE_CUE)
    return {"finish": reply.candidates[0].finish_reason.value, "text": text_of(reply)}


def count(model: str) -> Finding:
    return CLIENT.models.count_tokens(model=model, contents=asked.TEXT).total_tokens


def models(model: str) -> Finding:
    names = [found.name for found in CLIENT.models.list()]
    return [f"models/{model}" in names, CLIENT.models.get(model=model).name]


def embedding(model: str) -> Finding:
    return CLIENT.models.embed_content(model=model, contents=asked.EMBEDDED).embeddings[0].values  # type: ignore[index]


def charge(model: str) -> Finding:
    """The request's id, to find what it cost."""
    reply = ask(model, asked.CHARGE_CUE, thinking_config=THINKING)
    return {name.lower(): value for name, value in reply.sdk_http_response.headers.items()}["x-request-id"]


def cut(model: str, word: str) -> Finding:
    return [text_of(chunk) for chunk in asked_stream(model, f"[{word}] [long]")]


def refused(key: str, question: str = asked.TEXT) -> Case:
    asking = client(key)  # kept: it closes its connections when nobody holds it
    return lambda model: asking.models.generate_content(model=model, contents=question)


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
    chat,
    image,
    cache,
    length,
    refusal,
    count,
    models,
    embedding,
    charge,
]

if __name__ == "__main__":
    asked.tell(genai.__version__, SPEC, CASES, ERRORS)
