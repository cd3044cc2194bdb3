"""Which operation a method and path ask for: one table, tolerant of how clients spell base URLs.

``/v1/x``, ``/x``, ``/v1/v1/x``, doubled slashes and a trailing slash all reach the same handler, without a
redirect, and so do the places at which gateways and vendors serve a dialect: ``/openai/v1/x``,
``/v1beta/openai/x``, ``/anthropic/v1/x``, ``/api/v1/x``. Gemini's paths name the model and what to do with
it: ``/v1beta/models/{model}:{verb}``, under any version or none. ``/openai/deployments/{model}/x`` names the
model as well.
"""

from typing import Literal
from urllib.parse import unquote

import msgspec

from switchgear.kernel.dialects import DialectName
from switchgear.wire.call import NOTHING_IN_PATH, InPath, Operation

Page = Literal["models", "model", "root", "livez", "readyz", "metrics", "count", "response"]


class Route(msgspec.Struct, frozen=True, gc=False):
    """What a path means: a relayed operation, or a page of our own; and the methods that it answers."""

    methods: tuple[str, ...]
    relayed: Operation | None = None
    page: Page = "root"
    model: str = ""
    """Of the page ``model``."""
    dialect: DialectName = "openai_chat"
    """In which errors are told; model lists look at the client's headers, too."""
    in_path: InPath = NOTHING_IN_PATH
    counts: Operation | None = None
    """Of the page ``count``: tokens are counted, nothing is generated."""
    response_id: str = ""
    """Of the page ``response``."""
    below: Literal["", "cancel", "input_items"] = ""
    """What of it is asked for; empty: itself."""


_GET = ("GET", "HEAD")
_POST = ("POST",)
_VERSIONS = frozenset(("v1", "v1beta", "v1alpha"))
_VERSIONS_MAX = 2
_PLACES: dict[str, DialectName | None] = {
    "api": None,
    "openai": "openai_chat",
    "anthropic": "anthropic_messages",
    "gemini": "gemini_generate",
    "google": "gemini_generate",
}
"""Words before a path → the dialect that they announce."""
_PLACES_MAX = 2
_OF_DEPLOYMENT = (("chat", "completions"), ("completions",), ("embeddings",))
_PATHS: dict[str, Route] = {
    "chat/completions": Route(_POST, "openai_chat"),
    "completions": Route(_POST, "openai_completions"),
    "embeddings": Route(_POST, "openai_embeddings"),
    "responses": Route(_POST, "openai_responses", dialect="openai_responses"),
    "responses/compact": Route(
        _POST, "openai_responses", dialect="openai_responses", in_path=InPath(verb="compact")
    ),
    "responses/input_tokens": Route(
        _POST,
        page="count",
        dialect="openai_responses",
        counts="openai_responses",
        in_path=InPath(verb="input_tokens"),
    ),
    "messages": Route(_POST, "anthropic_messages", dialect="anthropic_messages"),
    "messages/count_tokens": Route(
        _POST, page="count", dialect="anthropic_messages", counts="anthropic_count_tokens"
    ),
    "models": Route(_GET, page="models"),
}
_PLAIN: dict[str, Route] = {
    "": Route(_GET, page="root"),
    "livez": Route(_GET, page="livez"),
    "readyz": Route(_GET, page="readyz"),
    "metrics": Route(_GET, page="metrics"),
    "health": Route(_GET, page="readyz"),
    "healthz": Route(_GET, page="readyz"),
}
_EXACT: dict[str, Route] = {f"/v1/{path}": route for path, route in _PATHS.items()}


def find_route(path: str, query: str = "") -> Route | None:
    """The route of a request path, or None for an unknown one."""
    return _EXACT.get(path) or _tolerant(path, query)


def dialect_of_path(path: str) -> DialectName | None:
    """In which dialect a path speaks, as far as it shows: for errors of unknown paths and for model lists."""
    parts = _parts_of(path)
    front, rest = _split_front(parts)
    if announced := next((dialect for part in front if (dialect := _PLACES.get(part))), None):
        return announced
    if parts and parts[0] in ("v1beta", "v1alpha"):
        return "gemini_generate"
    return "anthropic_messages" if rest[:1] == ["messages"] else None


def _parts_of(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _split_front(parts: list[str]) -> tuple[list[str], list[str]]:
    """Versions and places before a path, and the path itself."""
    versions = places = at = 0
    while at < len(parts):
        if parts[at] in _VERSIONS and versions < _VERSIONS_MAX:
            versions += 1
        elif parts[at] in _PLACES and places < _PLACES_MAX:
            places += 1
        else:
            break
        at += 1
    return parts[:at], parts[at:]


def _tolerant(path: str, query: str) -> Route | None:
    front, parts = _split_front(_parts_of(path))
    name = "/".join(parts)
    route = _PATHS.get(name)
    if route is None and not front:
        route = _PLAIN.get(name)
    if route is None and len(parts) > 1 and parts[0] in ("models", "tunedModels"):
        return _of_model(parts, query, dialect_of_path(path) or "openai_chat")
    if route is None and len(parts) > 2 and parts[0] == "deployments":
        return _of_deployment(parts[1:])
    if route is None and len(parts) in (2, 3) and parts[0] == "responses":
        return _of_response(unquote(parts[1]), parts[2] if len(parts) == 3 else "")
    if route is not None and route.page == "models":
        return msgspec.structs.replace(route, dialect=dialect_of_path(path) or "openai_chat")
    return route


def _of_deployment(parts: list[str]) -> Route | None:
    """``{model}/chat/completions``: the path decides the model, whatever the body says."""
    for below in _OF_DEPLOYMENT:
        model = parts[: -len(below)]
        if model and tuple(parts[-len(below) :]) == below:
            return msgspec.structs.replace(
                _PATHS["/".join(below)], in_path=InPath(model=unquote("/".join(model)))
            )
    return None


def _of_response(id: str, below: str) -> Route | None:
    if below == "cancel":
        return Route(_POST, page="response", dialect="openai_responses", response_id=id, below="cancel")
    if below == "input_items":
        return Route(_GET, page="response", dialect="openai_responses", response_id=id, below="input_items")
    if below:
        return None
    return Route((*_GET, "DELETE"), page="response", dialect="openai_responses", response_id=id)


def _of_model(parts: list[str], query: str, dialect: DialectName) -> Route:
    rest = unquote("/".join(parts[1:] if parts[0] == "models" else parts))
    model, colon, verb = rest.rpartition(":")
    if not colon or verb not in _VERBS:
        # Clients put a listed name, ``models/x``, behind ``models/``.
        return Route(_GET, page="model", model=rest.removeprefix("models/"), dialect=dialect)
    relayed, counts = _VERBS[verb]
    stream = verb == "streamGenerateContent"
    return Route(
        _POST,
        relayed,
        page="count" if counts else "root",
        dialect="gemini_generate",
        in_path=InPath(
            model,
            stream,
            array=stream and "alt=sse" not in query.split("&"),
            batch=verb == "batchEmbedContents",
        ),
        counts=counts,
    )


_VERBS: dict[str, tuple[Operation | None, Operation | None]] = {
    "generateContent": ("gemini_generate", None),
    "streamGenerateContent": ("gemini_generate", None),
    "embedContent": ("gemini_embed", None),
    "batchEmbedContents": ("gemini_embed", None),
    "countTokens": (None, "gemini_count_tokens"),
}
"""What follows a model's last colon → the relayed operation, or the counting one."""
