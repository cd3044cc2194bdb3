"""Status lines and header blocks, as bytes; and what of a request's head could be read in two ways."""

import time
from email.utils import formatdate
from http import HTTPStatus

from switchgear.kernel.limits import SIZE_LINES_KEPT
from switchgear.relay.http import Headers

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_size_lines: dict[int, bytes] = {}
kept_size_line = _size_lines.get
"""What ``size_line`` has made already, if it was kept."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SINGLE = frozenset(("content-length", "host", "transfer-encoding"))
"""Headers that must not come twice: two readers could take different ones. Credentials that do are refused
where they are read, in the client's dialect."""

_OFFER = frozenset(("connection", "http2-settings", "upgrade"))


class Dates:
    """The date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n".encode()


def size_line(size: int) -> bytes:
    """The line before a chunk of so many bytes; kept if it is short, as those come again and again."""
    line = b"%x\r\n" % size
    if size < SIZE_LINES_KEPT:
        _size_lines[size] = line
    return line


def header_block(headers: Headers) -> bytes:
    """Header lines, without the empty one. A value can't start a line of its own: control characters go."""
    lines = list(map(": ".join, headers))
    told = "".join(lines)
    if "\n" in told or "\r" in told:
        lines = [f"{name}: {_one_line(value)}" for name, value in headers]
    block = "\r\n".join((*lines, ""))
    return block.encode("latin-1", "replace")


def fault_in(headers: dict[str, str], http_version: str) -> str:
    """Why a request's head is refused; empty when it is fine."""
    if http_version not in ("1.0", "1.1"):
        return "HTTP/1.1 is spoken here"
    if http_version == "1.1" and "host" not in headers:
        return "a host header is required"
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None and (coding.lower() != "chunked" or length is not None or http_version != "1.1"):
        return "transfer-encoding must be chunked, and alone"
    if length is not None and not (length.isascii() and length.isdigit()):
        return "content-length must be one number"
    return ""


def refusal(status: int, reason: str, date_line: bytes) -> bytes:
    """The whole answer to what is no request that could be served; the connection ends with it."""
    body = f"{reason}\n".encode()
    head = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))]
    return b"".join((status_line(status), date_line, header_block(head), b"connection: close\r\n\r\n", body))


def offers_another(headers: dict[str, str]) -> bool:
    """Whether a head offers to go on in another protocol that may be declined in silence: all do, but a
    WebSocket's, which has no meaning without."""
    return "websocket" not in headers.get("upgrade", "websocket").lower()


def head_without_offer(method: bytes, target: bytes, version: str, headers: dict[str, str]) -> bytes:
    """The same head as a client without the offer of another protocol would have sent it."""
    kept = [(name, value) for name, value in headers.items() if name not in _OFFER]
    if "close" in headers.get("connection", "").lower():
        kept.append(("connection", "close"))
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), header_block(kept))


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target; the absolute form is taken too."""
    if not target.startswith("/") and "://" in target:
        _, _, rest = target.partition("://")
        target = "/" + rest.partition("/")[2]
    path, _, query = target.partition("?")
    return path, query


def _one_line(value: str) -> str:
    return "".join(character for character in value if character >= " ")
