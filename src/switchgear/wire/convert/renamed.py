"""The client's name of a model in answers that pass through, where the upstream knows it by another.

Names stand in few places: in each chunk of chat and Gemini, in the first and last events of the others. What
a name looks like there is found out once, then it is a search of bytes. A quote within a string is escaped,
so no text can look like such a field.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import MODEL_SPELLINGS_MAX
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Tap
from switchgear.wire.faults.upstream_error import UpstreamError

_KEYS = (b'"model"', b'"modelVersion"')
_DATA = re.compile(rb"^(?:data:[ \t]*|[\[,\s]*)(\{.*\})", re.MULTILINE)
_FIELD = rb'"(?:model|modelVersion)"\s*:\s*%b'
_ABSENT = Raw(b"")
_encode = msgspec.json.Encoder().encode


class _Named(msgspec.Struct, gc=False):
    model: str | None = None
    model_version: str | None = msgspec.field(default=None, name="modelVersion")
    message: Raw = _ABSENT
    response: Raw = _ABSENT


_decode = msgspec.json.Decoder(_Named).decode


class Renamer:
    """Puts one name in the place of the upstream's; to be called with whole frames or a whole body."""

    __slots__ = ("_known", "_name")

    def __init__(self, name: str) -> None:
        self._name = _encode(name)
        self._known: dict[bytes, bytes] = {}
        """The field as the upstream spells it → as it is shown."""

    def __call__(self, sent: bytes) -> bytes:
        for old, new in self._known.items():
            if old in sent:
                return sent.replace(old, new)
        if len(self._known) < MODEL_SPELLINGS_MAX and any(key in sent for key in _KEYS):
            self._learn(sent)
            for old, new in self._known.items():
                sent = sent.replace(old, new)
        return sent

    def _learn(self, sent: bytes) -> None:
        documents = [sent] if sent.lstrip()[:1] == b"{" else _DATA.findall(sent)
        for document in documents:
            for name in _names_in(document):
                spelt = _encode(name)
                for field in re.findall(_FIELD % re.escape(spelt), document):
                    self._known[field] = field[: -len(spelt)] + self._name


def _names_in(document: bytes) -> list[str]:
    """The names by which an answer, an event or a chunk shows its model."""
    try:
        found = _decode(document)
        holders = [
            found,
            *(_decode(raw) for raw in (found.message, found.response) if bytes(raw)[:1] == b"{"),
        ]
    except (ValueError, RecursionError):
        return []
    return [name for holder in holders for name in (holder.model, holder.model_version) if name is not None]


class RenamedTap:
    """A tap whose stream shows the client's name of the model."""

    __slots__ = ("_rename", "feed_alike", "inner")

    def __init__(self, inner: Tap, rename: Renamer) -> None:
        self.inner = inner
        self._rename = rename
        self.feed_alike = None if inner.feed_alike is None else self._short_way(inner.feed_alike)

    def _short_way(self, take: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        def renamed(chunk: bytes) -> bytes:
            sent = take(chunk)
            return self._rename(sent) if sent else sent

        return renamed

    @property
    def ended(self) -> bool:
        return self.inner.ended

    @property
    def is_told(self) -> bool:
        return self.inner.is_told

    @property
    def fault(self) -> UpstreamError | None:
        return self.inner.fault

    @property
    def has_content(self) -> bool:
        return self.inner.has_content

    @property
    def usage(self) -> Usage | None:
        return self.inner.usage

    @property
    def text_bytes(self) -> int:
        return self.inner.text_bytes

    def feed(self, chunk: bytes) -> bytes:
        sent = self.inner.feed(chunk)
        return self._rename(sent) if sent else sent

    def finish(self) -> Literal["complete", "cut"]:
        return self.inner.finish()

    def calls(self) -> Mapping[str, int]:
        return self.inner.calls()

    def made_ids(self) -> tuple[str, ...]:
        return self.inner.made_ids()

    def take_text(self) -> str:
        return self.inner.take_text()

    def closing(self) -> bytes:
        return self._rename(self.inner.closing())

    def error_frame(self, err: ApiError, request_id: str) -> bytes:
        return self._rename(self.inner.error_frame(err, request_id))


def bare_tap(tap: Tap | None) -> Tap | None:
    """The tap that reads the upstream's stream, under whatever name it is shown."""
    return tap.inner if isinstance(tap, RenamedTap) else tap
