"""Which operation a method and path ask for: one table, tolerant of how clients spell base URLs.

``/v1/x``, ``/x``, ``/v1/v1/x``, doubled slashes and a trailing slash all reach the same handler, without a
redirect. Gemini's paths name the model and what to do with it: ``/v1beta/models/{model}:{verb}``, under any
version or none.
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
_VERSIONS = ("v1", "v1beta", "v1alpha")
_VERSIONS_MAX = 2
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
}
_EXACT: dict[str, Route] = {f"/v1/{path}": route for path, route in _PATHS.items()}


def find_route(path: str, query: str = "") -> Route | None:
    """The route of a request path, or None for an unknown one."""
    return _EXACT.get(path) or _tolerant(path, query)


def dialect_of_path(path: str) -> DialectName:
    """In which dialect an error is told when the path is unknown, as far as the path shows it."""
    parts = [part for part in path.split("/") if part]
    if parts and parts[0] in ("v1beta", "v1alpha"):
        return "gemini_generate"
    return "anthropic_messages" if "messages" in parts[:_VERSIONS_MAX] else "openai_chat"


def _tolerant(path: str, query: str) -> Route | None:
    parts = [part for part in path.split("/") if part]
    versions = 0
    while versions < _VERSIONS_MAX and parts and parts[0] in _VERSIONS:
        parts.pop(0)
        versions += 1
    name = "/".join(parts)
    route = _PATHS.get(name)
    if route is None and not versions:
        route = _PLAIN.get(name)
    if route is None and len(parts) > 1 and parts[0] in ("models", "tunedModels"):
        return _of_model(parts, query, dialect_of_path(path))
    if route is None and len(parts) in (2, 3) and parts[0] == "responses":
        return _of_response(unquote(parts[1]), parts[2] if len(parts) == 3 else "")
    if route is not None and route.page == "models":
        return msgspec.structs.replace(route, dialect=dialect_of_path(path))
    return route


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
        return Route(_GET, page="model", model=rest, dialect=dialect)
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
