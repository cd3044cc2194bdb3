"""Takes a channel's own secrets out of what its upstream says, by value: they may look like anything.

``wire.scrub`` knows credentials by their form; this knows the ones that were sent. Errors and headers are
searched for any piece of them; answers for the whole, as what a model writes must stay as it is.
"""

import asyncio
import re
from collections.abc import Callable
from functools import lru_cache

from switchgear.kernel.limits import (
    ERROR_MESSAGE_CHARS_MAX,
    REDACT_AT_ONCE_BYTES_MAX,
    REDACTORS_KEPT,
    SECRET_CHARS_MIN,
)
from switchgear.link.snapshot import ChannelView
from switchgear.relay.outline import Outline
from switchgear.relay.secret_forms import STARS, forms_of, without_pieces
from switchgear.wire.faults.upstream_error import UpstreamError

_ESCAPED = re.compile(rb"\\\\*(?:u00([0-9A-Fa-f]{2})|(?=/))|%(?:25)?([0-9A-Fa-f]{2})")
"""Each way begins with one plain character: only so does ``re`` skip fast over what holds neither."""
_HALF_ESCAPE = re.compile(rb"(?:\\+(?:u0{0,2}[0-9A-Fa-f]?)?|%(?:25[0-9A-Fa-f]?|[0-9A-Fa-f])?)\Z")
_ESCAPE_BYTES_MAX = 7
"""As in a JSON text in a JSON text: two backslashes, u and four digits."""
_OF_CREDENTIALS = re.compile(r"(?i)auth|key|token|secret|credential|cookie|session")


def redact(text: str, secrets: tuple[str, ...], headers: tuple[tuple[str, str], ...]) -> str:
    """The text with stars for each key, each header's value, and each credential behind a scheme in one."""
    for _, value in headers:
        if len(value) >= SECRET_CHARS_MIN and value in text:
            text = text.replace(value, STARS)
    for forms in _forms(secrets, headers):
        text = without_pieces(text, forms)
    return text


def redact_error(error: UpstreamError, channel: ChannelView) -> UpstreamError:
    """The same error, in words that may be shown. Before any other edit, which might hide half a secret."""

    def clean(text: str) -> str:
        # Only its beginning is shown, so no more of it need be looked at.
        return redact(text[: 2 * ERROR_MESSAGE_CHARS_MAX], channel.secrets, channel.headers)

    return UpstreamError(
        error.kind,
        error.status,
        clean(error.message),
        clean(error.type),
        clean(error.code) if error.code else error.code,
        clean(error.param) if error.param else error.param,
        error.retry_after_s,
        of_request=error.of_request,
    )


class Redactor:
    """For the bytes of answers: looks for the secret that was sent, and for credentials in fixed headers."""

    def __init__(self, secrets: tuple[str, ...], headers: tuple[tuple[str, str], ...]) -> None:
        forms = [form.encode() for several in _forms(secrets, headers) for form in several]
        self._forms = tuple(dict.fromkeys(forms))
        self._texts = tuple(form.decode("latin-1") for form in self._forms)
        self._longest = max(map(len, self._forms), default=0)
        is_quoted = any(b'"' in form for form in self._forms)
        self.shortest = 0 if is_quoted else min(map(len, self._forms), default=0)
        """A form is at least so long, and lies between two double quotes; 0 where a form holds one itself."""
        escaped = [_with_escapes(form) for form in self._forms]
        self._escaped = re.compile(b"|".join(escaped)) if escaped else None

    def __bool__(self) -> bool:
        return bool(self._forms)

    def clean(self, data: bytes) -> bytes:
        """The bytes with stars for each form."""
        if not self._may_hold(data):
            return data
        if not self.shortest:
            return self._cleaned(data)
        pieces = data.split(b'"')
        cleaned = [piece if len(piece) < self.shortest else self._cleaned(piece) for piece in pieces]
        return data if cleaned == pieces else b'"'.join(cleaned)

    def _may_hold(self, data: bytes) -> bool:
        """Text is searched in half the time of bytes."""
        text = data.decode("latin-1")
        for form in self._texts:
            if form in text:
                return True
        # Few answers escape a plain letter.
        may_escape = "%" in text or ("\\" in text and ("\\u00" in text or "\\/" in text))
        return may_escape and _ESCAPED.search(data) is not None

    def _cleaned(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form, STARS.encode())
        plain = _ESCAPED.sub(_plain, data)
        if self._escaped is not None and any(plain.find(form) >= 0 for form in self._forms):
            data = self._escaped.sub(STARS.encode(), data)
        return data

    def begun(self, data: bytes) -> int:
        """How many bytes at the end may be the beginning of a form. The end of a line is none."""
        if data.endswith(b"\n"):
            return 0
        tail = data[-_ESCAPE_BYTES_MAX * self._longest :]
        if self.shortest:
            tail = tail[tail.rfind(b'"') + 1 :]
        size = self._begun_plain(tail)
        return max(size, self._begun_escaped(tail)) if b"\\" in tail or b"%" in tail else size

    def _begun_plain(self, tail: bytes) -> int:
        return max((_overlap(tail, form) for form in self._forms), default=0)

    def _begun_escaped(self, tail: bytes) -> int:
        """All of the tail where it may be: escapes have no fixed length. Half an escape may be anything."""
        half = _HALF_ESCAPE.search(tail)
        whole = tail[: half.start()] if half else tail
        return len(tail) if self._begun_plain(_ESCAPED.sub(_plain, whole)) else len(tail) - len(whole)


class StreamRedactor:
    """Stands before whatever takes a stream's chunks. What may be half a secret waits for the next chunk."""

    __slots__ = ("_held", "_outline", "_redactor", "_sink")

    def __init__(self, redactor: Redactor, sink: Callable[[bytes], bool]) -> None:
        self._redactor = redactor
        self._sink = sink
        self._held = b""
        self._outline = Outline(redactor.shortest)

    def take(self, chunk: bytes) -> bool:
        """As the sink."""
        if not self._held and self._outline.covers(chunk):
            return self._sink(chunk)
        data = self._redactor.clean(self._held + chunk if self._held else chunk)
        self._held = b""
        if begun := self._redactor.begun(data):
            data, self._held = data[:-begun], data[-begun:]
            if not data:
                return True
        elif data is chunk:
            self._outline.learn(chunk)
        return self._sink(data)

    def finish(self) -> None:
        """The stream is over."""
        held, self._held = self._held, b""
        if held:
            self._sink(held)


async def without_secrets(body: bytes, redactor: Redactor) -> bytes:
    """A whole answer without them; a large one is searched beside the loop."""
    if not redactor:
        return body
    if len(body) > REDACT_AT_ONCE_BYTES_MAX:
        return await asyncio.to_thread(redactor.clean, body)
    return redactor.clean(body)


def redactor_of(channel: ChannelView, secret: int) -> Redactor:
    """For what was sent with this key."""
    sent = (channel.secrets[secret],) if secret >= 0 else ()
    return _redactor(sent, channel.headers)


@lru_cache(maxsize=REDACTORS_KEPT)
def _redactor(secrets: tuple[str, ...], headers: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor(secrets, headers)


@lru_cache(maxsize=REDACTORS_KEPT)
def _forms(secrets: tuple[str, ...], headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, ...], ...]:
    """Of each key, and of each credential in a header: what stands behind a scheme, or the value of a header
    whose name says what it is."""
    values = dict.fromkeys(secrets)
    for name, value in headers:
        scheme, blank, credential = value.rpartition(" ")
        if blank and " " not in scheme:
            values[credential] = None
        elif _OF_CREDENTIALS.search(name):
            values[value] = None
    return tuple(forms_of(value) for value in values if len(value) >= SECRET_CHARS_MIN)


def _overlap(tail: bytes, form: bytes) -> int:
    """How many bytes at the end of one are the beginning of the other, but not all of it."""
    at = tail.find(form[:1], max(0, len(tail) - len(form) + 1))
    while at >= 0 and not form.startswith(tail[at:]):
        at = tail.find(form[:1], at + 1)
    return len(tail) - at if at >= 0 else 0


def _plain(match: re.Match[bytes]) -> bytes:
    code = match[1] or match[2]
    return bytes([int(code, 16)]) if code else b""


def _with_escapes(form: bytes) -> bytes:
    """A pattern of the form with any of its characters escaped for JSON or a URL."""
    return b"".join(
        b"(?:\\\\{0,2}%s|\\\\{1,2}u00(?i:%02x)|%%(?:25)?(?i:%02X))" % (re.escape(bytes([code])), code, code)
        for code in form
    )
