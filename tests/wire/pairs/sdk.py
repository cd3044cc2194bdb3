"""What each vendor's own SDK makes of a reply: it reads the bytes through its own decoder, and every object
has to fit its published types. What it gathers of a stream is given back, as its user would see it."""

from collections.abc import Iterator, Sequence
from typing import Any

import anthropic
import httpx2 as httpx
import openai
from anthropic.types import Message, RawMessageStreamEvent
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from switchgear.kernel.dialects import DialectName

Json = dict[str, Any]
Failure = (openai.APIError, anthropic.APIError, genai_errors.APIError)
_RESPONSES_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_MESSAGES_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_ASK: list[Any] = [{"role": "user", "content": "x"}]


class Broke(Exception):
    """The SDK told its user of an error. ``status``: 0 in the middle of a stream, where it knows none."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Frames(httpx.SyncByteStream):
    def __init__(self, frames: Sequence[bytes]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[bytes]:
        yield from self._frames


class Sdks:
    """One client of each SDK; they hear whatever is put into ``reply``."""

    def __init__(self) -> None:
        self.reply: tuple[int, Sequence[tuple[str, str]], Sequence[bytes]] = (200, (), ())
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.openai = openai.OpenAI(api_key="x", base_url="http://relay/v1", max_retries=0, http_client=http)
        self.anthropic = anthropic.Anthropic(
            api_key="x", base_url="http://relay", max_retries=0, http_client=http
        )
        options = types.HttpOptions(base_url="http://relay", httpx_client=http)
        self.gemini = genai.Client(api_key="x", http_options=options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        status, headers, frames = self.reply
        return httpx.Response(status, headers=list(headers), stream=_Frames(frames))

    def hear(self, dialect: DialectName, stream: bool) -> Json:
        """The reply as the SDK's user has it. Raises Broke for what the SDK raises, and for a failed
        response; pydantic's ValidationError for what its types do not allow."""
        heard = {
            "openai_chat": self._chat,
            "openai_responses": self._responses,
            "anthropic_messages": self._messages,
            "gemini_generate": self._gemini,
        }[dialect]
        try:
            return heard(stream)
        except Failure as failure:
            status = getattr(failure, "status_code", None) or getattr(failure, "code", None)
            raise Broke(status if isinstance(status, int) else 0, str(failure)) from failure

    def _chat(self, stream: bool) -> Json:
        create = self.openai.chat.completions.create
        if not stream:
            return _fits(ChatCompletion, create(model="m", messages=_ASK))
        state: Any = ChatCompletionStreamState()
        for chunk in create(model="m", messages=_ASK, stream=True):
            _fits(ChatCompletionChunk, chunk)
            state.handle_chunk(chunk)
        snapshot: Json = state.current_completion_snapshot.to_dict()
        for choice in snapshot["choices"]:
            choice["message"].pop("parsed", None)
            for call in choice["message"].get("tool_calls") or ():
                call.pop("index", None)
                call["function"].pop("parsed_arguments", None)
        ChatCompletion.model_validate(snapshot)
        return snapshot

    def _responses(self, stream: bool) -> Json:
        create = self.openai.responses.create
        if not stream:
            return _fits(Response, create(model="m", input="x"))
        last: Json = {}
        for event in create(model="m", input="x", stream=True):
            _RESPONSES_EVENT.validate_python(event.to_dict())
            last = event.to_dict()
        if last["type"] == "response.failed":
            raise Broke(0, last["response"]["error"]["message"])
        assert last["type"] in ("response.completed", "response.incomplete")
        return _fits(Response, Response.model_validate(last["response"]))

    def _messages(self, stream: bool) -> Json:
        ask: Any = {"model": "m", "max_tokens": 1, "messages": _ASK}
        if not stream:
            return _fits(Message, self.anthropic.messages.create(**ask))
        for event in self.anthropic.messages.create(**ask, stream=True):
            _MESSAGES_EVENT.validate_python(event.to_dict())
        with self.anthropic.messages.stream(**ask) as events:
            message: Json = events.get_final_message().to_dict()
        for block in message["content"]:
            block.pop("parsed_output", None)
        Message.model_validate(message)
        return message

    def _gemini(self, stream: bool) -> Json:
        if not stream:
            return _plain(self.gemini.models.generate_content(model="m", contents="x"))
        chunks = [
            _plain(chunk) for chunk in self.gemini.models.generate_content_stream(model="m", contents="x")
        ]
        candidates = [candidate for chunk in chunks for candidate in chunk.get("candidates", ())]
        parts = [part for candidate in candidates for part in candidate.get("content", {}).get("parts", ())]
        kept = [part for part in parts if part.get("text") != "" or "thoughtSignature" in part]
        return {**chunks[-1], "candidates": [{"content": {"role": "model", "parts": kept}}]}


def _fits(model: Any, found: Any) -> Json:
    """SDKs build their objects without a look at the types; here they are checked."""
    plain: Json = found.to_dict()
    model.model_validate(plain)
    return plain


def _plain(found: types.GenerateContentResponse) -> Json:
    """In the dialect's own spelling; this SDK checks what it builds."""
    return found.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response", "parsed"}
    )
