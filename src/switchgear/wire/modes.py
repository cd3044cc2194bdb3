"""Modes: what a request may ask for that changes the price of its tokens, such as a faster service.

A mode is named by its field and value: ``service_tier:flex``. A price knows what it costs, as a factor.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import MODE_TAIL_BYTES
from switchgear.wire.call import Operation
from switchgear.wire.framing.splice import NULL, any_of

_OPENAI = {"service_tier": "service_tier"}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "openai_chat": _OPENAI,
    "openai_completions": _OPENAI,
    "openai_embeddings": _OPENAI,
    "openai_responses": _OPENAI,
    "anthropic_messages": {
        "service_tier": "service_tier",
        "speed": "speed",
        "inference_geo": "inference_geo",
    },
    "gemini_generate": {"serviceTier": "service_tier", "service_tier": "service_tier"},
}
"""Operation → field of its body → the field as a mode names it."""
_NO_FIELDS: Mapping[str, str] = {}
_USUAL = frozenset(
    (
        "",
        "auto",
        "default",
        "standard",
        "standard_only",
        "on_demand",
        "unspecified",
        "global",
        "not_available",
    )
)
"""Values that ask for nothing beyond the price of the model."""
_SAME = {"service_tier:fast": "service_tier:priority"}
_BINDING = frozenset({"inference_geo"})
"""Left out, the call would be another one, not only a slower one."""
_REPORT = re.compile(rb'"(service_?[tT]ier|speed|inference_geo)"\s*:\s*"([^"\\]{0,64})"')
_HEADERS = {"x-gemini-service-tier": "service_tier"}


class Mode(msgspec.Struct, frozen=True):
    """One that a request asks for."""

    field: str
    """Of its body."""
    name: str

    @property
    def is_binding(self) -> bool:
        """A request that asks for it can't do without."""
        return self.name.partition(":")[0] in _BINDING


def modes_of(operation: Operation, fields: Mapping[str, Raw]) -> tuple[Mode, ...]:
    """Those that a body asks for."""
    known = _FIELDS.get(operation, _NO_FIELDS)
    if known.keys().isdisjoint(fields):
        return ()
    found = []
    for field, concept in known.items():
        raw = fields.get(field, NULL)
        if raw != NULL and (value := _word(any_of(raw))) not in _USUAL:
            found.append(Mode(field, _named(concept, value)))
    return tuple(found)


def _named(concept: str, value: str) -> str:
    name = f"{concept}:{value}"
    return _SAME.get(name, name)


def _word(value: object) -> str:
    """In the one spelling; Google's library writes ``SERVICE_TIER_FLEX``."""
    return value.lower().removeprefix("service_tier_") if isinstance(value, str) else "?"


class ModeReports:
    """Learns from the bytes of an answer which modes its upstream says it served."""

    __slots__ = ("_tail", "served")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._tail = b""
        self.served: dict[str, str] = {}
        """Field of a mode → the mode, or the field with nothing behind the colon for the usual price. The
        last report counts."""
        for header, concept in _HEADERS.items():
            if header in headers:
                self._take(concept, headers[header])

    def feed(self, chunk: bytes) -> None:
        """Any next piece. What a model writes has its quotes escaped, so it is no report."""
        data = self._tail + chunk if self._tail else chunk
        for match in _REPORT.finditer(data):
            concept = "service_tier" if match[1].startswith(b"service") else match[1].decode()
            self._take(concept, match[2].decode("utf-8", "replace"))
        self._tail = data[-MODE_TAIL_BYTES:]

    def _take(self, concept: str, value: str) -> None:
        word = _word(value)
        if word not in ("", "auto"):
            self.served[concept] = f"{concept}:" if word in _USUAL else _named(concept, word)
