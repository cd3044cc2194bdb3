"""Which operation a method and path ask for: one table, tolerant of how clients spell base URLs.

``/v1/x``, ``/x``, ``/v1/v1/x``, doubled slashes and a trailing slash all reach the same handler, without a
redirect.
"""

from typing import Literal
from urllib.parse import unquote

import msgspec

from switchgear.wire.call import Operation

Page = Literal["models", "model", "root", "livez", "readyz", "metrics"]


class Route(msgspec.Struct, frozen=True, gc=False):
    """What a path means: a relayed operation, or a page of our own; and the methods that it answers."""

    methods: tuple[str, ...]
    relayed: Operation | None = None
    page: Page = "root"
    model: str = ""
    """Of the page ``model``."""


_GET = ("GET", "HEAD")
_PATHS: dict[str, Route] = {
    "chat/completions": Route(("POST",), "openai_chat"),
    "completions": Route(("POST",), "openai_completions"),
    "embeddings": Route(("POST",), "openai_embeddings"),
    "models": Route(_GET, page="models"),
}
_PLAIN: dict[str, Route] = {
    "": Route(_GET, page="root"),
    "livez": Route(_GET, page="livez"),
    "readyz": Route(_GET, page="readyz"),
    "metrics": Route(_GET, page="metrics"),
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
        return Route(_GET, page="model", model=unquote("/".join(parts[1:])))
    return route
