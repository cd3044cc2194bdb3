"""One conversation through each vendor's own SDK, told in words of no dialect: four can be compared.

``python -m tests.sim.speakers BASE_URL`` holds some with whatever SDKs are installed and tells what it heard.
"""

import asyncio
import base64
import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types
from openai.types.chat import ChatCompletionMessage

from tests.sim.facts import Json
from tests.sim.upstream import API_KEY

TOOLS: tuple[tuple[str, Json], ...] = (
    (
        "weather",
        {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 1},
                "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
            },
            "required": ["city", "days", "unit"],
        },
    ),
    ("clock", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}),
)
SCHEMA: Json = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name", "ages"],
    "additionalProperties": False,
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not quite a picture").decode()


@dataclass
class Ask:
    """What to switch on for a question."""

    tools: bool = False
    think: bool = False
    search: bool = False
    schema: bool = False
    image: bool = False
    stream: bool = False
    cap: int | None = None


@dataclass
class Heard:
    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Json]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    """Input, cache read, cache write, output, reasoning: disjoint."""
    citations: list[tuple[str, str]] = field(default_factory=list)
    """The cited words and the address."""
    pieces: int = 0
    """Text deltas of a stream."""


class Clients:
    """The SDKs' clients for one server, whose OpenAI base URL is given. To be closed."""

    def __init__(self, base_url: str, key: str = API_KEY) -> None:
        host = base_url.removesuffix("/v1")
        self.openai = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(base_url=host, api_key=key, max_retries=0)
        self.gemini = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=host))

    async def close(self) -> None:
        await self.openai.close()
        await self.anthropic.close()
        await self.gemini.aio.aclose()
        self.gemini.close()


class Speaker:
    """One conversation. A subclass knows one SDK; ``ids`` are those of the calls that wait for results."""

    model = ""

    def __init__(self, clients: Clients, model: str = "") -> None:
        self.clients, self.model = clients, model or self.model
        self.history: list[Any] = []
        self.ids: list[str] = []

    async def say(self, text: str, ask: Ask) -> Heard:
        self.history.append(self.question(text, ask.image))
        return await self.turn(ask)

    async def give(self, results: list[str], ask: Ask) -> Heard:
        self.history += self.results(results)
        return await self.turn(ask)

    def question(self, text: str, image: bool) -> Any:
        raise NotImplementedError

    def results(self, results: list[str]) -> list[Any]:
        raise NotImplementedError

    async def turn(self, ask: Ask) -> Heard:
        raise NotImplementedError


class ChatSpeaker(Speaker):
    model = "gpt-4.1"

    def question(self, text: str, image: bool) -> Json:
        parts: list[Json] = [{"type": "text", "text": text}]
        if image:
            parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}})
        return {"role": "user", "content": parts if image else text}

    def results(self, results: list[str]) -> list[Json]:
        pairs = zip(self.ids, results, strict=True)
        return [{"role": "tool", "tool_call_id": made, "content": result} for made, result in pairs]

    async def turn(self, ask: Ask) -> Heard:
        call: Json = {"model": self.model, "messages": self.history}
        if ask.tools:
            functions = [{"name": name, "parameters": schema} for name, schema in TOOLS]
            call["tools"] = [{"type": "function", "function": function} for function in functions]
        if ask.schema:
            form = {"name": "person", "schema": SCHEMA, "strict": True}
            call["response_format"] = {"type": "json_schema", "json_schema": form}
        if ask.search:
            call["web_search_options"] = {}
        if ask.cap:
            call["max_completion_tokens"] = ask.cap
        if not ask.stream:
            reply = await self.clients.openai.chat.completions.create(**call)
            return self._heard(reply.choices[0].message, reply.choices[0].finish_reason, reply.usage, 0)
        options = {"include_usage": True}
        stream = await self.clients.openai.chat.completions.create(
            **call, stream=True, stream_options=options
        )
        return self._heard(*_gathered([chunk async for chunk in stream]))

    def _heard(self, message: Any, finish: str, usage: Any, pieces: int) -> Heard:
        self.history.append(message.to_dict())
        made = message.tool_calls or []
        self.ids = [call.id for call in made]
        details, out = usage.prompt_tokens_details, usage.completion_tokens_details
        read, write = details.cached_tokens, details.cache_write_tokens or 0
        text = message.content or message.refusal or ""
        names = {"tool_calls": "calls", "content_filter": "block"}
        return Heard(
            text=text,
            reasoning=getattr(message, "reasoning_content", None) or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in made],
            finish="refusal" if message.refusal else names.get(finish, finish),
            usage=(
                usage.prompt_tokens - read - write,
                read,
                write,
                usage.completion_tokens - out.reasoning_tokens,
                out.reasoning_tokens,
            ),
            citations=[
                (text[item.url_citation.start_index : item.url_citation.end_index], item.url_citation.url)
                for item in message.annotations or []
            ],
            pieces=pieces,
        )


def _gathered(chunks: list[Any]) -> tuple[Any, str, Any, int]:
    """Message, finish reason, usage and number of text deltas of a stream. The SDK's own gathering raises for
    every end but a good one."""
    message: Json = {"role": "assistant", "content": None}
    finish, pieces = "", 0
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        finish = choice.finish_reason or finish
        delta = choice.delta.to_dict()
        pieces += bool(delta.get("content") or delta.get("refusal"))
        for name in ("content", "refusal", "reasoning_content"):
            if delta.get(name) is not None:
                message[name] = (message.get(name) or "") + delta[name]
        message["annotations"] = message.get("annotations") or delta.get("annotations")
        for made in delta.get("tool_calls", ()):
            calls = message.setdefault("tool_calls", [])
            if made["index"] == len(calls):
                calls.append({key: value for key, value in made.items() if key != "index"})
            else:
                calls[made["index"]]["function"]["arguments"] += made["function"]["arguments"]
    if message.get("tool_calls"):
        message["content"] = message["content"] or None
    return ChatCompletionMessage.model_validate(message), finish, chunks[-1].usage, pieces


class ResponsesSpeaker(Speaker):
    """Keeps its own history with ``store=False`` and sealed reasoning, or leaves it to the vendor."""

    model = "gpt-5.2"

    def __init__(self, clients: Clients, model: str = "", stored: bool = False) -> None:
        super().__init__(clients, model)
        self.stored, self.previous = stored, None

    def question(self, text: str, image: bool) -> Json:
        parts: list[Json] = [{"type": "input_text", "text": text}]
        if image:
            parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"})
        return {"role": "user", "content": parts}

    def results(self, results: list[str]) -> list[Json]:
        pairs = zip(self.ids, results, strict=True)
        return [{"type": "function_call_output", "call_id": made, "output": result} for made, result in pairs]

    async def turn(self, ask: Ask) -> Heard:
        call: Json = {"model": self.model, "input": self.history}
        if self.stored:
            call["previous_response_id"] = self.previous
        else:
            call |= {"store": False, "include": ["reasoning.encrypted_content"]}
        tools: list[Json] = []
        if ask.tools:
            tools += [{"type": "function", "name": name, "parameters": schema} for name, schema in TOOLS]
        if ask.search:
            tools.append({"type": "web_search"})
        if tools:
            call["tools"] = tools
        if ask.think:
            call["reasoning"] = {"effort": "high", "summary": "auto"}
        if ask.schema:
            form = {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}
            call["text"] = {"format": form}
        if ask.cap:
            call["max_output_tokens"] = ask.cap
        pieces = 0
        if not ask.stream:
            return self._heard(await self.clients.openai.responses.create(**call), 0)
        final = None
        async with self.clients.openai.responses.stream(**call) as stream:
            async for event in stream:
                pieces += event.type in ("response.output_text.delta", "response.refusal.delta")
                # The SDK's own way to the end knows a completed response only.
                if event.type in ("response.completed", "response.incomplete"):
                    final = event.response
        if final is None:
            raise ConnectionError("The stream ended without an end of the response.")
        return self._heard(final, pieces)

    def _heard(self, reply: Any, pieces: int) -> Heard:
        output = [item.to_dict() for item in reply.output]
        self.previous = reply.id
        self.history = [] if self.stored else self.history + [_sendable(item) for item in output]
        heard = Heard(pieces=pieces)
        made = [item for item in output if item["type"] == "function_call"]
        self.ids = [item["call_id"] for item in made]
        heard.calls = [(item["name"], json.loads(item["arguments"])) for item in made]
        parts = [part for item in output if item["type"] == "message" for part in item["content"]]
        heard.text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
        for item in (note for part in parts for note in part.get("annotations", ())):
            heard.citations.append((heard.text[item["start_index"] : item["end_index"]], item["url"]))
        summaries = [part for item in output if item["type"] == "reasoning" for part in item["summary"]]
        heard.reasoning = "".join(part["text"] for part in summaries)
        refused = any(part["type"] == "refusal" for part in parts)
        reason = reply.incomplete_details.reason if reply.incomplete_details else None
        ends = {"max_output_tokens": "length", "content_filter": "block"}
        heard.finish = ends.get(reason, "refusal" if refused else "calls" if made else "stop")
        usage = reply.usage
        read = usage.input_tokens_details.cached_tokens
        write = usage.input_tokens_details.cache_write_tokens
        thought = usage.output_tokens_details.reasoning_tokens
        heard.usage = (usage.input_tokens - read - write, read, write, usage.output_tokens - thought, thought)
        return heard


def _sendable(item: Json) -> Json:
    """An output item as input: without what the SDK's parser adds."""
    kept = {key: value for key, value in item.items() if key not in ("parsed_arguments",)}
    if item["type"] == "message":
        parts = [{key: value for key, value in part.items() if key != "parsed"} for part in item["content"]]
        return kept | {"content": parts}
    return kept


class MessagesSpeaker(Speaker):
    model = "sim-claude-4-5"

    def question(self, text: str, image: bool) -> Json:
        blocks: list[Json] = [{"type": "text", "text": text}]
        if image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            blocks.append({"type": "image", "source": source})
        return {"role": "user", "content": blocks}

    def results(self, results: list[str]) -> list[Json]:
        pairs = zip(self.ids, results, strict=True)
        blocks = [{"type": "tool_result", "tool_use_id": made, "content": result} for made, result in pairs]
        return [{"role": "user", "content": blocks}]

    async def turn(self, ask: Ask) -> Heard:
        call: Json = {"model": self.model, "messages": self.history, "max_tokens": ask.cap or 8192}
        tools: list[Json] = []
        if ask.tools:
            tools += [{"name": name, "input_schema": schema} for name, schema in TOOLS]
        if ask.search:
            tools.append({"type": "web_search_20250305", "name": "web_search"})
        if tools:
            call["tools"] = tools
        if ask.think:
            call["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if ask.schema:
            call["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        pieces = 0
        if not ask.stream:
            return self._heard(await self.clients.anthropic.messages.create(**call), 0)
        async with self.clients.anthropic.messages.stream(**call) as stream:
            async for event in stream:
                pieces += event.type == "content_block_delta" and event.delta.type == "text_delta"
            return self._heard(await stream.get_final_message(), pieces)

    def _heard(self, reply: Any, pieces: int) -> Heard:
        content = [block.to_dict() for block in reply.content]
        for block in content:
            block.pop("parsed_output", None)
        if content:
            self.history.append({"role": "assistant", "content": content})
        made = [block for block in content if block["type"] == "tool_use"]
        self.ids = [block["id"] for block in made]
        texts = [block for block in content if block["type"] == "text"]
        names = {"end_turn": "stop", "max_tokens": "length", "tool_use": "calls"}
        finish = names.get(reply.stop_reason, reply.stop_reason)
        usage = reply.usage
        thought = usage.output_tokens_details.thinking_tokens
        return Heard(
            text="".join(block["text"] for block in texts),
            reasoning="".join(block["thinking"] for block in content if block["type"] == "thinking"),
            calls=[(block["name"], block["input"]) for block in made],
            finish="block" if finish == "refusal" and not content else finish,
            usage=(
                usage.input_tokens,
                usage.cache_read_input_tokens or 0,
                usage.cache_creation_input_tokens or 0,
                usage.output_tokens - thought,
                thought,
            ),
            citations=[
                (item["cited_text"], item["url"]) for block in texts for item in block.get("citations") or ()
            ],
            pieces=pieces,
        )


class GeminiSpeaker(Speaker):
    model = "gemini-3-flash-preview"

    def question(self, text: str, image: bool) -> Any:
        parts = [types.Part(text=text)]
        if image:
            parts.append(types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png"))
        return types.Content(role="user", parts=parts)

    def results(self, results: list[str]) -> list[Any]:
        answers = [
            types.Part(
                function_response=types.FunctionResponse(id=made, name=name, response={"output": result})
            )
            for (made, name), result in zip(self.ids, results, strict=True)
        ]
        return [types.Content(role="user", parts=answers)]

    async def turn(self, ask: Ask) -> Heard:
        config: Json = {}
        if ask.tools:
            declared = [{"name": name, "parameters_json_schema": schema} for name, schema in TOOLS]
            config["tools"] = [{"function_declarations": declared}]
        if ask.search:
            config["tools"] = [{"google_search": {}}]
        if ask.think:
            config["thinking_config"] = {"include_thoughts": True}
        if ask.schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
        if ask.cap:
            config["max_output_tokens"] = ask.cap
        call: Json = {"model": self.model, "contents": self.history, "config": config}
        if not ask.stream:
            return self._heard([await self.clients.gemini.aio.models.generate_content(**call)], 0)
        stream = await self.clients.gemini.aio.models.generate_content_stream(**call)
        chunks = [chunk async for chunk in stream]
        return self._heard(chunks, 1)

    def _heard(self, chunks: list[Any], streamed: int) -> Heard:
        candidates = [candidate for chunk in chunks for candidate in chunk.candidates or ()]
        contents = [candidate.content for candidate in candidates if candidate.content]
        parts = [part for content in contents for part in content.parts or ()]
        kept = [part for part in parts if part.text != "" or part.thought_signature]
        if kept:
            self.history.append(types.Content(role="model", parts=kept))
        made = [part.function_call for part in parts if part.function_call]
        self.ids = [(call.id, call.name) for call in made]
        said = [part.text for part in parts if part.text and not part.thought]
        usage = chunks[-1].usage_metadata
        read, thought = usage.cached_content_token_count or 0, usage.thoughts_token_count or 0
        names = {"STOP": "calls" if made else "stop", "MAX_TOKENS": "length", "SAFETY": "refusal"}
        blocked = chunks[-1].prompt_feedback is not None
        text = "".join(said)
        return Heard(
            text=text,
            reasoning="".join(part.text for part in parts if part.text and part.thought),
            calls=[(call.name, call.args) for call in made],
            finish="block" if blocked else names[candidates[-1].finish_reason.value],
            usage=(usage.prompt_token_count - read, read, 0, usage.candidates_token_count or 0, thought),
            citations=_grounded(candidates[-1], text) if candidates else [],
            pieces=len(said) * streamed,
        )


def _grounded(candidate: Any, text: str) -> list[tuple[str, str]]:
    found = candidate.grounding_metadata
    return [
        (
            text.encode()[support.segment.start_index : support.segment.end_index].decode(),
            found.grounding_chunks[support.grounding_chunk_indices[0]].web.uri,
        )
        for support in (found.grounding_supports if found else None) or ()
    ]


SPEAKERS: dict[str, type[Speaker]] = {
    "chat": ChatSpeaker,
    "responses": ResponsesSpeaker,
    "messages": MessagesSpeaker,
    "gemini": GeminiSpeaker,
}


async def hold_conversations(clients: Clients) -> dict[str, list[Any]]:
    """What each dialect hears in the same conversation, in one piece and streamed."""
    heard: dict[str, list[Any]] = {}
    for name, speaker in SPEAKERS.items():
        for stream in (False, True):
            ask = Ask(tools=True, think=True, stream=stream)
            talk = speaker(clients)
            found = [await talk.say("[think] [tools]", ask), await talk.give(["one", "two"], ask)]
            found.append(await talk.say("Who?", Ask(schema=True, stream=stream)))
            heard[f"{name} {'stream' if stream else 'json'}"] = [asdict(item) for item in found]
    return heard


async def _main() -> None:
    clients = Clients(sys.argv[1])
    heard = await hold_conversations(clients)
    await clients.close()
    versions = [openai.__version__, anthropic.__version__, genai.__version__]
    print(json.dumps({"versions": versions, "heard": heard}))


if __name__ == "__main__":
    asyncio.run(_main())
