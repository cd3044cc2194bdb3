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
from switchgear.relay.secret_forms import STARS, forms_of, without_pieces
from switchgear.wire.faults.upstream_error import UpstreamError

_ESCAPED = re.compile(rb"\\+u00([0-9A-Fa-f]{2})|%(?:25)?([0-9A-Fa-f]{2})|\\+(?=/)")
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
        escaped = [_with_escapes(form) for form in self._forms]
        self._escaped = re.compile(b"|".join(escaped)) if escaped else None

    def __bool__(self) -> bool:
        return bool(self._forms)

    def clean(self, data: bytes) -> bytes:
        """The bytes with stars for each form."""
        if not self._may_hold(data):
            return data
        for form in self._forms:
            data = data.replace(form, STARS.encode())
        plain = _ESCAPED.sub(_plain, data)
        if self._escaped is not None and any(plain.find(form) >= 0 for form in self._forms):
            data = self._escaped.sub(STARS.encode(), data)
        return data

    def _may_hold(self, data: bytes) -> bool:
        """Runs for each chunk of each stream: text is searched in half the time of bytes."""
        text = data.decode("latin-1")
        for form in self._texts:
            if form in text:
                return True
        # Few answers escape a plain letter.
        return "%" in text or ("\\" in text and ("\\u00" in text or "\\/" in text))

    def begun(self, data: bytes) -> int:
        """How many bytes at the end may be the beginning of a form. The end of a line is none."""
        if data.endswith(b"\n"):
            return 0
        tail = data[-self._longest :]
        for size in range(min(len(tail), self._longest - 1), 0, -1):
            if any(form.startswith(tail[-size:]) for form in self._forms if len(form) > size):
                return size
        return 0


class StreamRedactor:
    """Stands before whatever takes a stream's chunks. What may be half a secret waits for the next chunk."""

    __slots__ = ("_held", "_redactor", "_sink")

    def __init__(self, redactor: Redactor, sink: Callable[[bytes], bool]) -> None:
        self._redactor = redactor
        self._sink = sink
        self._held = b""

    def take(self, chunk: bytes) -> bool:
        """As the sink."""
        data = self._redactor.clean(self._held + chunk if self._held else chunk)
        self._held = b""
        if begun := self._redactor.begun(data):
            data, self._held = data[:-begun], data[-begun:]
            if not data:
                return True
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


def _plain(match: re.Match[bytes]) -> bytes:
    code = match[1] or match[2]
    return bytes([int(code, 16)]) if code else b""


def _with_escapes(form: bytes) -> bytes:
    """A pattern of the form with any of its characters escaped for JSON or a URL."""
    return b"".join(
        b"(?:\\\\{0,2}%s|\\\\{1,2}u00(?i:%02x)|%%(?:25)?(?i:%02X))" % (re.escape(bytes([code])), code, code)
        for code in form
    )
