"""Tools that the upstream runs itself: their traces in an answer, and the sources that it cites."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.events import Event, Hosted
from switchgear.wire.neutral.request import Citation, HostedKind

_encode = msgspec.json.Encoder().encode

_KINDS: tuple[tuple[str, HostedKind], ...] = (
    ("web_search", "web_search"),
    ("web_fetch", "web_fetch"),
    ("code_execution", "code_execution"),
    ("bash_code_execution", "code_execution"),
    ("text_editor_code_execution", "code_execution"),
    ("mcp", "mcp"),
)
_HOSTED_USES = frozenset({"server_tool_use", "mcp_tool_use"})
_CITED_TEXT_CHARS_MAX = 2000


def is_hosted(block_type: str) -> bool:
    """Whether a block of an answer is a trace of such a tool. A result of a client's own tool never stands in
    an answer."""
    return block_type in _HOSTED_USES or block_type.endswith("_tool_result")


def kind_of(name: str) -> HostedKind:
    """Of a tool's or a result block's name: ``web_search``, ``web_search_tool_result`` …"""
    return next((kind for front, kind in _KINDS if name.startswith(front)), "other")


class HostedSteps:
    """Joins each use of a tool with its result, which follows it."""

    __slots__ = ("_input", "_kind", "_raw", "_use", "_use_input")

    def __init__(self) -> None:
        self._kind = ""
        self._raw = Raw(b"")
        self._input: list[str] = []
        self._use: Raw | None = None
        self._use_input: Any = None

    def start(self, block_type: str, raw: Raw, out: list[Event]) -> None:
        self._kind = block_type
        self._raw = raw
        self._input = []

    def add_input(self, piece: str) -> None:
        self._input.append(piece)

    def stop(self, out: list[Event]) -> None:
        """The open block is complete: a use waits for its result, a result makes the step."""
        found = any_of(self._raw)
        if not isinstance(found, dict):
            return
        if self._kind in _HOSTED_USES:
            given = any_of("".join(self._input).encode()) if self._input else found.get("input")
            self._use_input = given
            self._use = Raw(_encode({**found, "input": given if isinstance(given, dict) else {}}))
            return
        out.append(self._step(found))
        self._use, self._use_input = None, None

    def _step(self, result: dict[str, Any]) -> Hosted:
        given = self._use_input if isinstance(self._use_input, dict) else {}
        pieces = [bytes(self._use)] if self._use is not None else []
        query, code = given.get("query") or given.get("url"), given.get("code") or given.get("command")
        call_id = result.get("tool_use_id")
        return Hosted(
            "anthropic_messages",
            kind_of(self._kind),
            Raw(b"[" + b",".join([*pieces, bytes(self._raw)]) + b"]"),
            queries=(query,) if isinstance(query, str) else (),
            sources=_sources(result.get("content")),
            code=code if isinstance(code, str) else "",
            output=_output(result.get("content")),
            id=call_id if isinstance(call_id, str) else "",
            is_free=b'_tool_result_error"' in bytes(self._raw),
        )


def citation_of(found: Any) -> Citation | None:
    """A citation of a text block, without its place; None for what is none. A citation of the client's own
    document has no URL but its title."""
    if not isinstance(found, dict):
        return None
    url = found.get("url") or found.get("source")
    title = found.get("title") or found.get("document_title")
    cited = found.get("cited_text")
    return Citation(
        url if isinstance(url, str) else "",
        title if isinstance(title, str) else "",
        cited_text=cited[:_CITED_TEXT_CHARS_MAX] if isinstance(cited, str) else "",
    )


def _sources(content: Any) -> tuple[Citation, ...]:
    items = content if isinstance(content, list) else [content]
    return tuple(
        Citation(item["url"], title if isinstance(title := item.get("title"), str) else "")
        for item in items
        if isinstance(item, dict) and isinstance(item.get("url"), str)
    )


def _output(content: Any) -> str:
    if not isinstance(content, dict):
        return ""
    return "".join(text for key in ("stdout", "stderr") if isinstance(text := content.get(key), str))
