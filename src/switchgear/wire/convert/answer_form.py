"""In which form an upstream answered, seen by the bytes: some stream where a whole reply was asked for,
others answer whole where a stream was, and content types say anything.

``EitherReader`` reads all of them as the events of one answer.
"""

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import REPLY_BYTES_MAX
from switchgear.wire.dialect import Dialect, Reader
from switchgear.wire.faults.upstream_error import UpstreamError
from switchgear.wire.neutral.events import Event, Fault

_decode_list = msgspec.json.Decoder(list[Raw]).decode

Form = Literal["", "events", "object", "array", "other"]
"""``""``: not to be seen yet; ``other``: nothing that an answer begins with."""

_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b":", b"id:", b"retry:")


def form_of(start: bytes) -> Form:
    """``start``: the first bytes of an answer."""
    begun = start[:64].removeprefix(_BOM).lstrip(_BLANKS) or start.removeprefix(_BOM).lstrip(_BLANKS)
    if not begun:
        return ""
    if begun.startswith(b"{"):
        return "object"
    if begun.startswith(b"["):
        return "array"
    if begun.startswith(_FIELDS):
        return "events"
    is_cut = len(begun) < len(b"event:") and any(field.startswith(begun) for field in _FIELDS)
    return "" if is_cut else "other"


def is_whole(form: Form) -> bool:
    """It is JSON, not a stream of events."""
    return form in ("object", "array")


class WholeReader:
    """See ``wire.dialect.Reader``: a whole reply that comes in pieces. An array holds the events of a stream,
    as Google sends them where it is not asked for server-sent events."""

    def __init__(self, dialect: Dialect, form: Form) -> None:
        self._dialect = dialect
        self._form = form
        self._body = bytearray()
        self._over = False

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._over

    def feed(self, chunk: bytes) -> list[Event]:
        if self._over:
            return []
        self._body += chunk
        if len(self._body) > REPLY_BYTES_MAX:
            self._over = True
            return [Fault(UpstreamError("transient", 200, "the answer is too long", "server_error"))]
        return []

    def finish(self) -> list[Event]:
        if self._over:
            return []
        self._over = True
        body = bytes(self._body).removeprefix(_BOM)
        if self._form == "array" and (items := _items(body)) is not None:
            reader = self._dialect.reader()
            frames = b"".join(b"data: " + bytes(item).replace(b"\n", b" ") + b"\n\n" for item in items)
            return reader.feed(frames) + reader.finish()
        return self._dialect.read_events(body)


class EitherReader:
    """See ``wire.dialect.Reader``: a stream of the dialect, or a whole reply in its place."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._start = b""
        self._reader: Reader | None = None
        self.feed: Callable[[bytes], list[Event]] = self._feed_start
        """Once the form is seen, that of the reader itself."""

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return self._reader is not None and self._reader.is_told

    def finish(self) -> list[Event]:
        reader = self._reader
        if reader is None:
            reader = self._dialect.reader()
            return reader.feed(self._start) + reader.finish()
        return reader.finish()

    def _feed_start(self, chunk: bytes) -> list[Event]:
        start = self._start + chunk
        form = form_of(start)
        if not form:
            self._start = start.lstrip(_BLANKS)
            return []
        self._reader = WholeReader(self._dialect, form) if is_whole(form) else self._dialect.reader()
        self.feed = self._reader.feed
        return self._reader.feed(start)


def read_answer(dialect: Dialect, body: bytes) -> list[Event]:
    """A whole body in whatever form as events, ``End`` or ``Fault`` last. Never raises."""
    if form_of(body) not in ("events", "array"):
        return dialect.read_events(body)
    reader = EitherReader(dialect)
    return reader.feed(body) + reader.finish()


def _items(body: bytes) -> list[Raw] | None:
    try:
        return _decode_list(body)
    except (ValueError, RecursionError):
        return None
