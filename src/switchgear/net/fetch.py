"""The one door by which the relay downloads what a client names by URL: pictures, documents, sound.

Every host is resolved once, every address it has must be allowed, and the connection goes to one of them; so
at each redirect. No cookies, no credentials, no proxies, no connection kept. Sizes, times and numbers are
bounded; errors are fit for the client.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Literal

import msgspec

from switchgear import __version__
from switchgear.kernel.limits import (
    FETCH_ALL_TIMEOUT_S,
    FETCH_BYTES_MAX,
    FETCH_CONNECT_TIMEOUT_S,
    FETCH_FIRST_BYTE_TIMEOUT_S,
    FETCH_IDLE_CHUNK_TIMEOUT_S,
    FETCH_PORTS,
    FETCH_REDIRECTS_MAX,
    FETCH_TIMEOUT_S,
    FETCH_TOTAL_BYTES_MAX,
    FETCHES_AT_ONCE,
    FETCHES_MAX,
    FETCHES_PER_KEY_MAX,
    FETCHES_RUNNING_MAX,
)
from switchgear.net.fetch_url import check_fetch_url, redirect_target, shown
from switchgear.net.guard import Address, UrlRefused
from switchgear.net.resolve_public import NotPublic, PublicResolver, is_elsewhere
from switchgear.net.transport import Timeouts, TransportFault, UpstreamRequest, UpstreamResponse
from switchgear.net.transport_lean import LeanTransport
from switchgear.wire.framing.data_urls import media_type_of, sniff

Reason = Literal[
    "bad_url", "not_public", "unreachable", "tls", "timeout", "status", "redirects", "too_large", "broken",
    "media_type", "too_many",
]  # fmt: skip

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_HEADERS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", f"switchgear/{__version__}"))
_HTML = re.compile(rb"\s*(?:<!--.{0,400}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_HTML_HEAD_BYTES = 1024
_NEVER_HTML = ("image/", "audio/", "video/", "application/pdf")


class FetchError(Exception):
    """A file that could not be fetched. The text is fit for the client: it names the client's own URL,
    without query and user, and nothing of what our resolver or a redirect said."""

    def __init__(self, reason: Reason, url_shown: str, why: str) -> None:
        super().__init__(f"The file at {url_shown} can't be fetched: {why}.")
        self.reason: Reason = reason
        self.url_shown = url_shown


class Fetched(msgspec.Struct, frozen=True, gc=False):
    """A file, whole."""

    media_type: str
    """By its first bytes if they tell, else what the server said, else ``application/octet-stream``."""
    data: bytes


class FetchLimits(msgspec.Struct, frozen=True, gc=False):
    """Bounds of the fetches of one call; the defaults are those of ``kernel.limits``."""

    bytes_max: int = FETCH_BYTES_MAX
    total_bytes_max: int = FETCH_TOTAL_BYTES_MAX
    files_max: int = FETCHES_MAX
    timeout_s: float = FETCH_TIMEOUT_S
    total_timeout_s: float = FETCH_ALL_TIMEOUT_S
    connect_timeout_s: float = FETCH_CONNECT_TIMEOUT_S
    first_byte_timeout_s: float = FETCH_FIRST_BYTE_TIMEOUT_S
    idle_chunk_timeout_s: float = FETCH_IDLE_CHUNK_TIMEOUT_S


class _Allowance:
    """The bytes that the files of one call may still have together."""

    __slots__ = ("left",)

    def __init__(self, total: int) -> None:
        self.left = total


class _Places:
    """Who may fetch now: so many at once for each sharer, and so many in all."""

    def __init__(self, each: int, in_all: int) -> None:
        self._each = each
        self._in_all = asyncio.Semaphore(in_all)
        self._sharers: dict[str, tuple[asyncio.Semaphore, int]] = {}
        """Sharer → its places, and how many of its fetches have or want one."""

    @contextlib.asynccontextmanager
    async def taken(self, sharer: str) -> AsyncIterator[None]:
        own, wanting = self._sharers.get(sharer) or (asyncio.Semaphore(self._each), 0)
        self._sharers[sharer] = own, wanting + 1
        try:
            async with own, self._in_all:
                yield
        finally:
            own, wanting = self._sharers.pop(sharer)
            if wanting > 1:
                self._sharers[sharer] = own, wanting - 1


class Fetcher:
    """Fetches files for a worker; belongs to the event loop that first uses it.

    ``allow``: which addresses may be connected to. It has a transport of its own, as that resolves and
    connects under the guard; no other may be given to it.
    """

    def __init__(
        self,
        allow: Callable[[Address], bool] = is_elsewhere,
        ssl_context: ssl.SSLContext | None = None,
        limits: FetchLimits = FetchLimits(),
        ports: Collection[int] = FETCH_PORTS,
    ) -> None:
        self._limits = limits
        self.ports = ports
        """Ports that links may name."""
        self._resolver = PublicResolver(allow)
        self._transport = LeanTransport(
            ssl_context, idle_connections_per_origin_max=0, resolve=self._resolver
        )
        self._places = _Places(FETCHES_PER_KEY_MAX, FETCHES_RUNNING_MAX)

    async def __call__(self, urls: Sequence[str], sharer: str = "") -> dict[str, Fetched]:
        """Every file by the URL that names it. FetchError for the first that fails; the others are let go.

        ``sharer``: whose places they take.
        """
        named = list(dict.fromkeys(urls))
        if len(named) > self._limits.files_max:
            why = f"a request may name {self._limits.files_max} files and this one names {len(named)}"
            raise FetchError("too_many", shown(named[-1]), why)
        allowance = _Allowance(self._limits.total_bytes_max)
        at_once = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetch_one(url: str) -> Fetched:
            async with at_once:
                return await self._fetch(url, allowance, sharer)

        try:
            async with asyncio.timeout(self._limits.total_timeout_s), asyncio.TaskGroup() as group:
                tasks = {url: group.create_task(fetch_one(url)) for url in named}
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None
        except TimeoutError:
            raise FetchError("timeout", shown(named[-1]), "the request's files took too long") from None
        return {url: task.result() for url, task in tasks.items()}

    async def fetch(self, url: str) -> Fetched:
        """One file. Raises FetchError."""
        return await self._fetch(url, _Allowance(self._limits.total_bytes_max), "")

    async def close(self) -> None:
        """Cuts what is running."""
        await self._transport.close()
        self._resolver.close()

    async def _fetch(self, url: str, allowance: _Allowance, sharer: str) -> Fetched:
        try:
            async with asyncio.timeout(self._limits.timeout_s), self._places.taken(sharer):
                return await self._follow(url, allowance)
        except TimeoutError:
            raise FetchError("timeout", shown(url), "it took too long") from None
        except UrlRefused as fault:
            raise FetchError("bad_url", shown(url), str(fault)) from None
        except TransportFault as fault:
            raise _told(fault, shown(url)) from None

    async def _follow(self, url: str, allowance: _Allowance) -> Fetched:
        """Raises FetchError, UrlRefused, TransportFault."""
        place = check_fetch_url(url, self.ports)
        for _ in range(FETCH_REDIRECTS_MAX + 1):
            response = await self._transport.open(UpstreamRequest("GET", place, _HEADERS), self._timeouts())
            try:
                if response.status == 200:
                    return await self._read(response, url, allowance)
                location = response.headers.get("location")
                if response.status not in _REDIRECTS or not location:
                    why = f"its server answered with status {response.status}"
                    raise FetchError("status", shown(url), why)
            finally:
                response.close()
            place = redirect_target(place, _as_written(location), self.ports)
        raise FetchError("redirects", shown(url), f"it leads on more than {FETCH_REDIRECTS_MAX} times")

    def _timeouts(self) -> Timeouts:
        limits = self._limits
        return Timeouts(
            limits.connect_timeout_s,
            limits.first_byte_timeout_s,
            limits.idle_chunk_timeout_s,
            limits.timeout_s,
        )

    async def _read(self, response: UpstreamResponse, url: str, allowance: _Allowance) -> Fetched:
        declared = response.headers.get("content-length", "")
        self._check_size(int(declared) if declared.isdecimal() and len(declared) < 16 else 0, url, allowance)
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await response.next_chunk():
                size += len(piece)
                allowance.left -= len(piece)
                self._check_size(size, url, allowance)
                pieces.append(piece)
        except BaseException:
            allowance.left += size
            raise
        data = b"".join(pieces)
        return Fetched(_media_type(data, response.headers.get("content-type", ""), url), data)

    def _check_size(self, size: int, url: str, allowance: _Allowance) -> None:
        if size > self._limits.bytes_max:
            raise FetchError("too_large", shown(url), f"it has more than {self._limits.bytes_max} bytes")
        if allowance.left < 0:
            why = f"the request's files have more than {self._limits.total_bytes_max} bytes together"
            raise FetchError("too_large", shown(url), why)


def _as_written(location: str) -> str:
    """Headers are read as Latin-1; servers that send letters beyond ASCII mean UTF-8."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _media_type(data: bytes, claimed: str, url: str) -> str:
    """Raises FetchError for nothing at all, and for a web page that calls itself a picture or the like."""
    if not data:
        raise FetchError("broken", shown(url), "it is empty")
    named = media_type_of(claimed)
    if seen := sniff(data):
        return seen
    if _HTML.match(data[:_HTML_HEAD_BYTES]):
        if named.startswith(_NEVER_HTML):
            raise FetchError("media_type", shown(url), f"it says to be {named} and is a web page")
        return named or "text/html"
    return named or "application/octet-stream"


def _told(fault: TransportFault, url_shown: str) -> FetchError:
    """What a client may know of a transport's fault."""
    if isinstance(fault, NotPublic):
        return FetchError("not_public", url_shown, "its host has no public address")
    if fault.kind == "tls":
        return FetchError("tls", url_shown, "no safe connection to its host")
    if fault.kind.endswith("_timeout"):
        return FetchError("timeout", url_shown, "its server took too long")
    if fault.kind in ("connect", "reset") and fault.stage != "answered":
        return FetchError("unreachable", url_shown, "no connection to its host")
    return FetchError("broken", url_shown, "its server's answer is broken")
