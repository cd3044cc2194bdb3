"""Everything a worker answers on its public port: relayed calls, model lists, and the operator's probes."""

import base64
import binascii
from collections.abc import Awaitable, Callable

from switchgear.kernel.errors import (
    BAD_LOGIN,
    INTERNAL,
    LOGIN_THROTTLED,
    METHOD_NOT_ALLOWED,
    MODEL_UNKNOWN,
    NO_WEBSOCKET,
    PATH_UNKNOWN,
    STORE_AWAY,
    ApiError,
)
from switchgear.kernel.ids import new_id
from switchgear.link.protocol import CheckAdmin, MetricsPage, Ok, Text, Throttled, WorkerCall
from switchgear.link.snapshot import ModelView
from switchgear.relay.admit import identify, may_use
from switchgear.relay.counting import TokenCounter
from switchgear.relay.directory import Directory
from switchgear.relay.http import ClientGone, Headers, Inbound, Reply
from switchgear.relay.http1.exchange import Exchange
from switchgear.relay.pipeline import Pipeline
from switchgear.relay.query import query_fields
from switchgear.relay.refusals import OF_CREDENTIALS, address_of, network_of
from switchgear.relay.replies import base_headers, preflight_headers
from switchgear.relay.routes import Route, dialect_of_path, find_route
from switchgear.relay.stored_responses import StoredResponses
from switchgear.relay.tools import Tools
from switchgear.wire.dialect import Dialect
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.neutral.model_card import ModelCard

Ask = Callable[[WorkerCall], Awaitable[object]]

_JSON: Headers = [("content-type", "application/json")]
_TEXT: Headers = [("content-type", "text/plain; charset=utf-8")]


class App:
    """What one worker answers."""

    def __init__(self, tools: Tools, pipeline: Pipeline, ask: Ask, why_not_ready: Callable[[], str]) -> None:
        self._tools = tools
        self._pipeline = pipeline
        self._ask = ask
        self._why_not_ready = why_not_ready
        self._counter = TokenCounter(tools)
        self._stored = StoredResponses(tools)

    async def handle(self, exchange: Exchange) -> None:
        """Answers one request."""
        route = find_route(exchange.path, exchange.query)
        if route is not None and route.relayed and exchange.method == "POST":
            await self._pipeline.serve(exchange, exchange, route.relayed, route.in_path)
        else:
            await self._answer(exchange, exchange, route)

    async def _answer(self, request: Inbound, reply: Reply, route: Route | None) -> None:
        request_id = new_id()
        if request.method == "OPTIONS":
            allowed = preflight_headers(request_id, request.header("access-control-request-headers"))
            reply.send_whole(204, allowed, b"")
            return
        dialect = _dialect_for(request, route)
        headers = base_headers(request_id, dialect.name)
        try:
            if route is not None and self._stored.wants_stream(request, route):
                await self._stored.stream(request, reply, route, headers)
                return
            status, more, body = await self._own_answer(request, route, dialect)
        except ApiError as error:
            status, more, body = dialect.render_error(error, request_id)
            self._tools.books.meters.refused(error.row.name)
            if error.row.name in OF_CREDENTIALS:
                trusted = self._tools.view().trusted
                self._tools.refusal_lines.add(request, request_id, error, status, trusted)
        except ClientGone:
            return
        except Exception:
            fault = ApiError(INTERNAL, "Something went wrong in the relay itself.")
            status, more, body = dialect.render_error(fault, request_id)
            reply.send_whole(status, headers + more, body)
            raise
        reply.send_whole(status, headers + more, body)

    async def _own_answer(
        self, request: Inbound, route: Route | None, dialect: Dialect
    ) -> tuple[int, Headers, bytes]:
        if "websocket" in (request.header("upgrade") or "").lower():
            # Clients that try a WebSocket first go on with plain HTTP after this status, and at once; after a
            # 404 some try again and again before they do.
            raise ApiError(
                NO_WEBSOCKET,
                f"There is no WebSocket at {request.path[:256]}.",
                headers=(("upgrade", "HTTP/1.1"),),
            )
        if route is None or (route.page == "model" and request.method == "POST"):  # an unknown verb behind it
            raise ApiError(PATH_UNKNOWN, f"Unknown request URL: {request.method} {request.path[:256]}.")
        if request.method not in route.methods:
            raise ApiError(
                METHOD_NOT_ALLOWED,
                f"{request.method} is not allowed here; use {' or '.join(route.methods)}.",
                headers=(("allow", ", ".join((*route.methods, "OPTIONS"))),),
            )
        match route.page:
            case "models":
                return 200, _JSON, await self._models(request, dialect)
            case "model":
                return 200, _JSON, await self._model(request, route.model, dialect)
            case "count" if route.counts:
                return 200, _JSON, await self._counter.count(request, route.counts, route.in_path)
            case "response":
                return 200, _JSON, await self._stored.answer(request, route)
            case "readyz":
                reason = self._why_not_ready()
                return (503, _TEXT, reason.encode() + b"\n") if reason else (200, _TEXT, b"ready\n")
            case "metrics":
                return 200, _TEXT, await self._metrics(request)
            case "livez":
                return 200, _TEXT, b"live\n"
            case _:
                return 200, _TEXT, b"switchgear\n"

    async def _models(self, request: Inbound, dialect: Dialect) -> bytes:
        view = self._tools.view()
        caller = await identify(request, self._directory, view.trusted, self._tools.books.clock)
        shown = [
            model for model in view.snapshot.models.values() if may_use(caller.known, view.snapshot, model.id)
        ]
        cards = [_card(model) for model in sorted(shown, key=lambda model: model.id)]
        return dialect.render_models(cards, dict(query_fields(request.query)))

    async def _model(self, request: Inbound, name: str, dialect: Dialect) -> bytes:
        view = self._tools.view()
        caller = await identify(request, self._directory, view.trusted, self._tools.books.clock)
        model = view.snapshot.models.get(name)
        if model is None or not may_use(caller.known, view.snapshot, name):
            raise ApiError(
                MODEL_UNKNOWN,
                f"The model '{name[:256]}' does not exist or is not served here.",
                param="model",
            )
        return dialect.render_model(_card(model))

    async def _metrics(self, request: Inbound) -> bytes:
        """For operators alone, wherever they ask from: a proxy on this machine makes everybody local."""
        await self._check_admin(request)
        try:
            page = await self._ask(MetricsPage())
        except ConnectionError:
            raise ApiError(
                STORE_AWAY, "The controller is away, so there are no metrics right now.", retry_after_s=1
            ) from None
        return page.text.encode() if isinstance(page, Text) else b""

    async def _check_admin(self, request: Inbound) -> None:
        authorization = request.header("authorization") or ""
        name, password = _basic(authorization)
        token = _bearer(authorization)
        if not name and not token:
            raise _bad_login()
        address = network_of(address_of(request, self._tools.view().trusted))
        try:
            answer = await self._ask(CheckAdmin(name, password, address, token))
        except ConnectionError:
            raise ApiError(STORE_AWAY, "Logins can't be checked right now.", retry_after_s=1) from None
        if isinstance(answer, Throttled):
            raise ApiError(
                LOGIN_THROTTLED,
                f"Too many wrong logins. Please try again in {answer.retry_after_s}s.",
                retry_after_s=answer.retry_after_s,
            )
        if not isinstance(answer, Ok):
            raise _bad_login()

    @property
    def _directory(self) -> Directory:
        return self._tools.directory


def _card(model: ModelView) -> ModelCard:
    return ModelCard(model.id, model.created, model.owned_by, model.context_tokens, model.output_tokens_max)


def _dialect_for(request: Inbound, route: Route | None) -> Dialect:
    """The dialect of an answer of our own. The model lists of three dialects share one path, and so do the
    paths that nobody serves, so where the path does not say it the headers tell whose is wanted."""
    if route is not None and route.page not in ("models", "model"):
        return DIALECT_OF[route.dialect]
    if (named := dialect_of_path(request.path)) is not None:
        return DIALECT_OF[named]
    agent = request.header("user-agent") or ""
    if request.header("x-goog-api-key") or "key=" in request.query or agent.startswith("google-genai-sdk"):
        return DIALECT_OF["gemini_generate"]
    return DIALECT_OF["anthropic_messages" if request.header("anthropic-version") else "openai_chat"]


def _bad_login() -> ApiError:
    return ApiError(
        BAD_LOGIN,
        "Metrics need the admin login as HTTP Basic, or the metrics token as a Bearer token.",
        headers=(("www-authenticate", 'Basic realm="switchgear"'),),
    )


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
