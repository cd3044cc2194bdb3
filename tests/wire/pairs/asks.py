"""The same question in four dialects, as clients ask it, and the next turn as the reply makes it."""

import json
from typing import Any

import msgspec
from tests.sim.speakers import PIXEL, SCHEMA, TOOLS
from tests.wire.pairs.relay import MODEL

from switchgear.kernel.dialects import DialectName

Json = dict[str, Any]
SYSTEM = "Be brief."
RESULT = '{"degrees":18}'
OUTPUT_TOKENS = 4096


class Ask(msgspec.Struct, frozen=True):
    """What to say, and what to switch on."""

    text: str
    stream: bool = False
    tools: bool = False
    think: bool = False
    schema: bool = False
    image: bool = False
    cache: bool = False
    search: bool = False


class Asker:
    """A conversation in one dialect. ``body`` is the request as it stands."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.body: Json = self.first()

    @property
    def path(self) -> str:
        raise NotImplementedError

    def first(self) -> Json:
        raise NotImplementedError

    def take(self, reply: Json) -> bool:
        """The reply and the results of its calls go into the history. False when it called nothing."""
        raise NotImplementedError


class ChatAsker(Asker):
    path = "/v1/chat/completions"

    def first(self) -> Json:
        ask = self.ask
        content: Any = ask.text
        if ask.image:
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
            content = [{"type": "text", "text": ask.text}, image]
        body: Json = {
            "model": MODEL,
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}],
            "max_completion_tokens": OUTPUT_TOKENS,
        }
        if ask.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if ask.tools:
            functions = [{"name": name, "parameters": schema} for name, schema in TOOLS]
            body["tools"] = [{"type": "function", "function": function} for function in functions]
        if ask.think:
            body["reasoning_effort"] = "high"
        if ask.schema:
            form = {"name": "person", "schema": SCHEMA, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if ask.cache:
            body["prompt_cache_key"] = "k1"
        if ask.search:
            body["web_search_options"] = {}
        return body

    def take(self, reply: Json) -> bool:
        message = reply["choices"][0]["message"]
        kept = {key: value for key, value in message.items() if value is not None}
        self.body["messages"] += [kept | {"content": message.get("content")}]
        calls = message.get("tool_calls") or []
        self.body["messages"] += [
            {"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in calls
        ]
        return bool(calls)


class ResponsesAsker(Asker):
    path = "/v1/responses"

    def first(self) -> Json:
        ask = self.ask
        content: list[Json] = [{"type": "input_text", "text": ask.text}]
        if ask.image:
            content.append({"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"})
        body: Json = {
            "model": MODEL,
            "instructions": SYSTEM,
            "input": [{"role": "user", "content": content}],
            "max_output_tokens": OUTPUT_TOKENS,
            "store": False,
        }
        if ask.stream:
            body["stream"] = True
        if ask.tools:
            body["tools"] = [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in TOOLS
            ]
        if ask.think:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        if ask.schema:
            form = {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}
            body["text"] = {"format": form}
        if ask.cache:
            body["prompt_cache_key"] = "k1"
        if ask.search:
            body["tools"] = [{"type": "web_search"}]
        return body

    def take(self, reply: Json) -> bool:
        calls = [item for item in reply["output"] if item["type"] == "function_call"]
        self.body["input"] += reply["output"]
        self.body["input"] += [
            {"type": "function_call_output", "call_id": call["call_id"], "output": RESULT} for call in calls
        ]
        return bool(calls)


class MessagesAsker(Asker):
    path = "/v1/messages"

    def first(self) -> Json:
        ask = self.ask
        mark = {"cache_control": {"type": "ephemeral"}} if ask.cache else {}
        content: list[Json] = [{"type": "text", "text": ask.text} | mark]
        if ask.image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content.append({"type": "image", "source": source})
        body: Json = {
            "model": MODEL,
            "max_tokens": OUTPUT_TOKENS,
            "system": [{"type": "text", "text": SYSTEM} | mark] if mark else SYSTEM,
            "messages": [{"role": "user", "content": content}],
        }
        if ask.stream:
            body["stream"] = True
        if ask.tools:
            body["tools"] = [{"name": name, "input_schema": schema} for name, schema in TOOLS]
        if ask.think:
            body["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if ask.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if ask.search:
            body["tools"] = [{"type": "web_search_20250305", "name": "web_search"}]
        return body

    def take(self, reply: Json) -> bool:
        calls = [block for block in reply["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": RESULT} for call in calls]
        self.body["messages"] += [
            {"role": "assistant", "content": reply["content"]},
            {"role": "user", "content": results},
        ]
        return bool(calls)


class GeminiAsker(Asker):
    @property
    def path(self) -> str:
        verb = "streamGenerateContent?alt=sse" if self.ask.stream else "generateContent"
        return f"/v1beta/models/{MODEL}:{verb}"

    def first(self) -> Json:
        ask = self.ask
        parts: list[Json] = [{"text": ask.text}]
        if ask.image:
            parts.append({"inlineData": {"mimeType": "image/png", "data": PIXEL}})
        config: Json = {"maxOutputTokens": OUTPUT_TOKENS}
        body: Json = {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": config,
        }
        if ask.tools:
            declared = [{"name": name, "parametersJsonSchema": schema} for name, schema in TOOLS]
            body["tools"] = [{"functionDeclarations": declared}]
        if ask.think:
            config["thinkingConfig"] = {"thinkingLevel": "high", "includeThoughts": True}
        if ask.schema:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
        if ask.search:
            body["tools"] = [{"googleSearch": {}}]
        return body

    def take(self, reply: Json) -> bool:
        content = reply["candidates"][0]["content"]
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        answers = [
            {"functionResponse": {**call, "response": json.loads(RESULT)}}
            for call in ({key: call[key] for key in ("id", "name") if key in call} for call in calls)
        ]
        self.body["contents"] += [content, {"role": "user", "parts": answers}]
        return bool(calls)


ASKERS: dict[DialectName, type[Asker]] = {
    "openai_chat": ChatAsker,
    "openai_responses": ResponsesAsker,
    "anthropic_messages": MessagesAsker,
    "gemini_generate": GeminiAsker,
}
