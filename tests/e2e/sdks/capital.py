"""One real question through every SDK: ``python capital.py ORIGIN KEY MODEL`` prints what came back.

Each dialect is asked for a whole reply and for a stream. A finding is the text, the input and output tokens
that were told, and the request's id.
"""

import json
import sys
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types

ORIGIN, KEY, MODEL = sys.argv[1:4]
QUESTION = "What is the capital of France?"
OUTPUT_TOKENS = 32
USER: Any = [{"role": "user", "content": QUESTION}]
OPENAI = openai.OpenAI(base_url=f"{ORIGIN}/v1", api_key=KEY, max_retries=0, timeout=60)
ANTHROPIC = anthropic.Anthropic(base_url=ORIGIN, api_key=KEY, max_retries=0, timeout=60)
GEMINI = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=ORIGIN, timeout=60_000))
CONFIG = types.GenerateContentConfig(max_output_tokens=OUTPUT_TOKENS)


def finding(text: str, input_tokens: int, output_tokens: int, request_id: str) -> dict[str, Any]:
    return {"text": text, "usage": [input_tokens, output_tokens], "request_id": request_id}


def chat() -> Any:
    raw = OPENAI.chat.completions.with_raw_response.create(
        model=MODEL, messages=USER, max_tokens=OUTPUT_TOKENS
    )
    reply: Any = raw.parse()
    usage = reply.usage
    text = reply.choices[0].message.content
    return finding(text, usage.prompt_tokens, usage.completion_tokens, raw.headers["x-request-id"])


def chat_stream() -> Any:
    raw = OPENAI.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=USER,
        max_tokens=OUTPUT_TOKENS,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks: list[Any] = list(raw.parse())
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    usage = chunks[-1].usage
    return finding(text, usage.prompt_tokens, usage.completion_tokens, raw.headers["x-request-id"])


def responses() -> Any:
    raw = OPENAI.responses.with_raw_response.create(
        model=MODEL, input=QUESTION, max_output_tokens=OUTPUT_TOKENS, store=False
    )
    reply: Any = raw.parse()
    usage = reply.usage
    return finding(reply.output_text, usage.input_tokens, usage.output_tokens, raw.headers["x-request-id"])


def responses_stream() -> Any:
    raw = OPENAI.responses.with_raw_response.create(
        model=MODEL, input=QUESTION, max_output_tokens=OUTPUT_TOKENS, store=False, stream=True
    )
    events: list[Any] = list(raw.parse())
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    usage = events[-1].response.usage
    return finding(text, usage.input_tokens, usage.output_tokens, raw.headers["x-request-id"])


def messages() -> Any:
    raw = ANTHROPIC.messages.with_raw_response.create(model=MODEL, messages=USER, max_tokens=OUTPUT_TOKENS)
    reply: Any = raw.parse()
    return _message(reply, raw.headers["x-request-id"])


def messages_stream() -> Any:
    with ANTHROPIC.messages.stream(model=MODEL, messages=USER, max_tokens=OUTPUT_TOKENS) as events:
        return _message(events.get_final_message(), events.response.headers["x-request-id"])


def _message(reply: Any, request_id: str) -> Any:
    usage = reply.usage
    asked = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    text = "".join(block.text for block in reply.content if block.type == "text")
    return finding(text, asked, usage.output_tokens, request_id)


def gemini() -> Any:
    reply = GEMINI.models.generate_content(model=MODEL, contents=QUESTION, config=CONFIG)
    return _content([reply])


def gemini_stream() -> Any:
    return _content(
        list(GEMINI.models.generate_content_stream(model=MODEL, contents=QUESTION, config=CONFIG))
    )


def _content(chunks: list[Any]) -> Any:
    usage = chunks[-1].usage_metadata
    headers = {name.lower(): value for name, value in chunks[0].sdk_http_response.headers.items()}
    return finding(
        "".join(chunk.text or "" for chunk in chunks),
        usage.prompt_token_count,
        usage.candidates_token_count,
        headers["x-request-id"],
    )


def main() -> None:
    cases = (
        chat,
        chat_stream,
        responses,
        responses_stream,
        messages,
        messages_stream,
        gemini,
        gemini_stream,
    )
    found: dict[str, Any] = {}
    for case in cases:
        try:
            found[case.__name__] = case()
        except Exception as error:  # what the SDK makes of a wrong reply is the finding
            found[case.__name__] = {"raised": type(error).__name__, "message": str(error)[:800]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
