"""Three dialects on the stage: which path is whose, whose key is good, and what is answered there.

The fourth, Responses, keeps state and has a module of its own (``tests.sim.responses_stage``).
"""

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from tests.sim import chat, faults, gemini, gemini_strict, messages, messages_strict, replies, script, strict
from tests.sim.facts import Json, input_tokens
from tests.sim.responses_stage import Responses
from tests.sim.script import Answer, Usage
from tests.sim.stage import Dialect, Scripted, perform

if TYPE_CHECKING:
    from tests.sim.upstream import Exchange, Recorded

CLAUDE_MODELS = ("claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-7")
GEMINI_MODELS = ("gemini-2.5-flash", "gemini-3-pro-preview", "gemini-embedding-001")
KINDS = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    429: "requests",
}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class Chat(Dialect):
    """OpenAI chat, completions and embeddings."""

    is_chat = True

    def error(
        self,
        exchange: "Exchange",
        status: int,
        message: str,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> Json:
        if kind is None:
            kind, code = KINDS.get(status, "server_error"), CODES.get(status)
        return replies.error_body(message, kind, code, param)

    def scripted(self, exchange: "Exchange") -> Scripted:
        call, reply_id = exchange.call, exchange.reply_id
        broken = [
            replies.frame(replies.error_body("The server had an error.", "server_error", "server_error"))
        ]
        if "prompt" in call:
            chunks = list(replies.completion_chunks(call, reply_id))
            whole, answer = replies.completion_reply(call, reply_id), Answer(Usage(0))
        elif chat.is_scripted(call, facts := chat.facts_of(call)):
            answer = script.answer(facts)
            chunks, whole = list(chat.chunks(call, answer, reply_id)), chat.whole(call, answer, reply_id)
        else:
            chunks = list(replies.chat_chunks(call, reply_id))
            whole, answer = replies.chat_reply(call, reply_id), Answer(Usage(0))
        frames = [replies.frame(item) for item in chunks] + [replies.DONE]
        return Scripted(answer, whole, frames, lambda _: broken)

    async def answer(self, exchange: "Exchange") -> None:
        path = exchange.path.removeprefix("/v1beta/openai").removeprefix("/v1")
        if not exchange.has_bearer():
            kind, code = "invalid_request_error", "invalid_api_key"
            await exchange.refuse(401, "Incorrect API key provided.", kind, code)
        elif exchange.request.method == "GET" and path == "/models":
            await exchange.send_json(200, replies.models_reply(replies.MODELS))
        elif exchange.request.method == "GET" and path.startswith("/models/"):
            await exchange.send_json(200, replies.model_reply(path.removeprefix("/models/")))
        elif path not in CHECKS:
            message = f"Unknown request URL: {exchange.path}"
            await exchange.refuse(404, message, "invalid_request_error", "unknown_url")
        elif exchange.request.method != "POST":
            kind, code = "invalid_request_error", "method_not_allowed"
            await exchange.refuse(405, "Not allowed", kind, code, allow="POST")
        elif not isinstance(exchange.request.json, dict):
            message = "We could not parse the JSON body of your request."
            await exchange.refuse(400, message, "invalid_request_error")
        else:
            await self._answer_call(exchange, path)

    async def _answer_call(self, exchange: "Exchange", path: str) -> None:
        try:
            CHECKS[path](exchange.call)
        except strict.Invalid as fault:
            await exchange.refuse(400, fault.message, "invalid_request_error", fault.code, fault.param)
            return
        if await faults.inject(exchange):
            return
        if path == "/embeddings":
            await exchange.send_json(200, replies.embeddings_reply(exchange.call))
        else:
            await perform(exchange, self.scripted(exchange), bool(exchange.call.get("stream")))


CHECKS = {
    "/chat/completions": strict.check_chat,
    "/completions": strict.check_completion,
    "/embeddings": strict.check_embeddings,
}


class Messages(Dialect):
    """Anthropic Messages."""

    request_id_header = messages.REQUEST_ID_HEADER
    statuses = {503: 529}

    def request_id(self, exchange: "Exchange") -> str:
        return f"req_{exchange.bare_id}"

    def error(
        self,
        exchange: "Exchange",
        status: int,
        message: str,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> Json:
        return messages.error_body(status, message, self.request_id(exchange))

    def scripted(self, exchange: "Exchange") -> Scripted:
        call, reply_id = exchange.call, exchange.bare_id
        answer = script.answer(messages.facts_of(call))
        frames = messages.frames(call, answer, reply_id)
        whole = messages.whole(call, answer, reply_id)
        return Scripted(answer, whole, frames, lambda _: [messages.error_frame(self.request_id(exchange))])

    async def answer(self, exchange: "Exchange") -> None:
        method, path = exchange.request.method, exchange.path
        if not (exchange.has_key("x-api-key") or exchange.has_bearer()):
            await exchange.refuse(401, "invalid x-api-key")
        elif method == "GET" and path == "/v1/models":
            await exchange.send_json(200, messages.models_reply(CLAUDE_MODELS))
        elif method == "GET" and path.startswith("/v1/models/"):
            await exchange.send_json(200, messages.model_reply(path.removeprefix("/v1/models/")))
        elif path not in ("/v1/messages", "/v1/messages/count_tokens"):
            await exchange.refuse(404, "Not Found")
        elif method != "POST":
            await exchange.refuse(405, "Method Not Allowed", allow="POST")
        elif not isinstance(exchange.request.json, dict):
            await exchange.refuse(400, "The request body is not valid JSON.")
        else:
            await self._answer_call(exchange, path.endswith("/count_tokens"))

    async def _answer_call(self, exchange: "Exchange", counting: bool) -> None:
        call = exchange.call
        try:
            messages_strict.check(call, exchange.request.headers, counting)
        except strict.Invalid as fault:
            await exchange.refuse(400, fault.message)
            return
        if await faults.inject(exchange):
            return
        if counting:
            tokens = input_tokens(messages.facts_of(call).turns)
            await exchange.send_json(200, {"input_tokens": tokens})
        else:
            await perform(exchange, self.scripted(exchange), bool(call.get("stream")))


class Gemini(Dialect):
    """Gemini generateContent and its companions. ``exchange.call`` has camelCase names."""

    def model_of(self, request: "Recorded") -> str:
        match = re.search(r"/models/(.+):\w+$", unquote(urlsplit(request.path).path))
        return match[1] if match else ""

    def error(
        self,
        exchange: "Exchange",
        status: int,
        message: str,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> Json:
        return gemini.error_body(status, message, code if code == "API_KEY_INVALID" else None)

    def scripted(self, exchange: "Exchange") -> Scripted:
        call, model, reply_id = exchange.call, exchange.model, exchange.bare_id
        answer = script.answer(gemini.facts_of(call, model))
        chunks = gemini.chunks(call, model, answer, reply_id)
        whole = gemini.whole(call, model, answer, reply_id)
        error = gemini.error_body(503, "The model is overloaded.")
        if self._as_events(exchange):
            return Scripted(
                answer, whole, [gemini.frame(it) for it in chunks], lambda _: [gemini.frame(error)]
            )
        return Scripted(
            answer, whole, gemini.array_pieces(chunks), lambda sent: [gemini.array_end(error, sent)]
        )

    async def answer(self, exchange: "Exchange") -> None:
        exchange.call = gemini_strict.camel(exchange.call)
        self.stream_type = "text/event-stream" if self._as_events(exchange) else "application/json"
        query = parse_qs(urlsplit(exchange.request.path).query)
        admitted = exchange.has_key("x-goog-api-key") or exchange.has_bearer()
        verb = exchange.path.rpartition(":")[2]
        if not (admitted or exchange.is_key((query.get("key") or [""])[0])):
            message = "API key not valid. Please pass a valid API key."
            await exchange.refuse(400, message, code="API_KEY_INVALID")
        elif exchange.request.method == "GET":
            await self._list(exchange)
        elif verb not in VERBS:
            await exchange.refuse(404, f"Unknown method: {verb}")
        elif not isinstance(exchange.request.json, dict):
            await exchange.refuse(400, "Invalid JSON payload received. Unexpected token.")
        else:
            await self._answer_call(exchange, verb)

    async def _list(self, exchange: "Exchange") -> None:
        name = exchange.path.partition("/models/")[2]
        if name:
            await exchange.send_json(200, gemini.model_reply(name))
        else:
            await exchange.send_json(200, gemini.models_reply(GEMINI_MODELS))

    async def _answer_call(self, exchange: "Exchange", verb: str) -> None:
        call, model = exchange.call, exchange.model
        try:
            VERBS[verb](call, model)
        except strict.Invalid as fault:
            await exchange.refuse(400, fault.message)
            return
        if await faults.inject(exchange):
            return
        match verb:
            case "countTokens":
                inner = call.get("generateContentRequest") or call
                total = input_tokens(gemini.facts_of(inner, model).turns)
                await exchange.send_json(200, {"totalTokens": total})
            case "embedContent":
                await exchange.send_json(200, {"embedding": gemini.embedding(call)})
            case "batchEmbedContents":
                found = [gemini.embedding(request) for request in call["requests"]]
                await exchange.send_json(200, {"embeddings": found})
            case _:
                await perform(exchange, self.scripted(exchange), verb == "streamGenerateContent")

    def _as_events(self, exchange: "Exchange") -> bool:
        return "alt=sse" in urlsplit(exchange.request.path).query


def _check_batch(call: Json, model: str) -> None:
    if not isinstance(call.get("requests"), list) or not call["requests"]:
        raise strict.Invalid("* BatchEmbedContentsRequest.requests: at least one request is required")
    for request in call["requests"]:
        gemini_strict.check_embed(request, model, needs_model=True)


VERBS = {
    "generateContent": gemini_strict.check,
    "streamGenerateContent": gemini_strict.check,
    "countTokens": gemini_strict.check_count,
    "embedContent": gemini_strict.check_embed,
    "batchEmbedContents": _check_batch,
}


def dialect_of(request: "Recorded") -> Dialect:
    """Whose path it is; the list of models is told in the dialect that the headers speak."""
    parts = urlsplit(request.path)
    if parts.path.startswith("/v1beta/openai/"):
        return Chat()
    if parts.path.startswith("/v1/messages"):
        return Messages()
    if parts.path.startswith("/v1/responses"):
        return Responses()
    if parts.path.startswith(("/v1beta/", "/v1alpha/")) or re.search(r"/models/.+:\w+$", parts.path):
        return Gemini()
    if parts.path.startswith("/v1/models"):
        if "x-goog-api-key" in request.headers or "key=" in parts.query:
            return Gemini()
        if "anthropic-version" in request.headers:
            return Messages()
    return Chat()
