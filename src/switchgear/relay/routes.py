"""Which operation a method and path ask for: one table, tolerant of how clients spell base URLs.

``/v1/x``, ``/x``, ``/v1/v1/x``, doubled slashes and a trailing slash all reach the same handler, without a
redirect.
"""

from typing import Literal
from urllib.parse import unquote

import msgspec

Operation = Literal[
    "openai_chat",
    "openai_completions",
    "openai_embeddings",
    "models",
    "model",
    "root",
    "livez",
    "readyz",
    "metrics",
]
RELAYED: frozenset[str] = frozenset(("openai_chat", "openai_completions", "openai_embeddings"))


class Route(msgspec.Struct, frozen=True, gc=False):
    """What a path means. ``methods`` are those that it answers; ``model`` is set for a single model."""

    operation: Operation
    methods: tuple[str, ...]
    model: str = ""


_GET = ("GET", "HEAD")
_PATHS: dict[str, Route] = {
    "chat/completions": Route("openai_chat", ("POST",)),
    "completions": Route("openai_completions", ("POST",)),
    "embeddings": Route("openai_embeddings", ("POST",)),
    "models": Route("models", _GET),
}
_PLAIN: dict[str, Route] = {
    "": Route("root", _GET),
    "livez": Route("livez", _GET),
    "readyz": Route("readyz", _GET),
    "metrics": Route("metrics", _GET),
}
_EXACT: dict[str, Route] = {f"/v1/{path}": route for path, route in _PATHS.items()}


def find_route(path: str) -> Route | None:
    """The route of a request path, or None for an unknown one."""
    return _EXACT.get(path) or _tolerant(path)


def _tolerant(path: str) -> Route | None:
    parts = [part for part in path.split("/") if part]
    versions = 0
    while versions < 2 and parts[:1] == ["v1"]:
        parts.pop(0)
        versions += 1
    name = "/".join(parts)
    route = _PATHS.get(name)
    if route is None and not versions:
        route = _PLAIN.get(name)
    if route is None and len(parts) > 1 and parts[0] == "models":
        return Route("model", _GET, unquote("/".join(parts[1:])))
    return route
