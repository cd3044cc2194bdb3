"""URLs that a client names for the relay to fetch: checked, written in one way, and shown without secrets.
Pure."""

import re
from collections.abc import Collection
from urllib.parse import quote, urljoin, urlsplit

from switchgear.kernel.limits import FETCH_PORTS, FETCH_URL_CHARS_MAX, FETCH_URL_SHOWN_CHARS_MAX
from switchgear.net.guard import UrlRefused

_HOST = re.compile(r"[0-9A-Za-z._-]{1,253}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+")
_SHOWN_HOST = re.compile(r"(?:[^:]*|\[[0-9A-Fa-f:.]*\])(?::[0-9]{0,5})?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_PORT_OF = {"http": 80, "https": 443}
_KEPT = "%/:@!$&'()*+,;=~-._"
"""Stays as it is in a path; everything else is percent-coded."""


def check_fetch_url(url: str, ports: Collection[int] = FETCH_PORTS) -> str:
    """The URL put together anew from its parts, so that all who read it later see the same host.

    Letters beyond ASCII are coded, the fragment is dropped. UrlRefused for other schemes and ports, user
    info, no host, control characters, or more than FETCH_URL_CHARS_MAX. Says nothing of addresses:
    those are judged when the host is resolved.
    """
    url = url.strip(" ")
    if len(url) > FETCH_URL_CHARS_MAX:
        raise UrlRefused(f"it is longer than {FETCH_URL_CHARS_MAX} characters")
    if _CONTROLS.search(url):
        raise UrlRefused("it has control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
        path = quote(parts.path or "/", safe=_KEPT)
        query = quote(parts.query, safe=_KEPT + "?")
    except ValueError:
        raise UrlRefused("it can't be parsed") from None
    if parts.scheme not in ("http", "https"):
        raise UrlRefused("only http and https are fetched")
    if "@" in parts.netloc:
        raise UrlRefused("it carries a user or password")
    if port == 0:
        raise UrlRefused("it names no port that exists")
    if (port or _PORT_OF[parts.scheme]) not in ports:
        allowed = ", ".join(map(str, sorted(ports))) or "none"
        raise UrlRefused(f"port {port or _PORT_OF[parts.scheme]} is not fetched from (allowed: {allowed})")
    place = _host(parts.hostname or "") + (f":{port}" if port is not None else "")
    return f"{parts.scheme}://{place}{path}" + (f"?{query}" if query else "")


def redirect_target(url: str, location: str, ports: Collection[int] = FETCH_PORTS) -> str:
    """Where a checked URL's reply sends its reader. UrlRefused also for a step from https to http."""
    try:
        target = check_fetch_url(urljoin(url, location), ports)
    except ValueError as fault:
        why = str(fault) if isinstance(fault, UrlRefused) else "it can't be parsed"
        raise UrlRefused(f"it leads to another one, and {why}") from None
    if url.startswith("https:") and not target.startswith("https:"):
        raise UrlRefused("it leads from https to http")
    return target


def shown(url: str) -> str:
    """What an error may say of a URL: scheme, host and path, without user, query and fragment, cut."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, mark, rest = bare.partition("://")
    if not mark:
        return bare.partition(":")[0][:16] + ":…" if ":" in bare else "…"
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    if not _SHOWN_HOST.fullmatch(host):
        return f"{scheme[:16]}://…"  # what looks like a port may be a password's beginning
    text = f"{scheme[:16]}://{host}{slash}{path}"
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= FETCH_URL_SHOWN_CHARS_MAX else text[: FETCH_URL_SHOWN_CHARS_MAX - 1] + "…"


def _host(host: str) -> str:
    if ":" in host:
        if not _ADDRESS.fullmatch(host):
            raise UrlRefused("its host is no address")
        return f"[{host}]"
    try:
        name = host.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        raise UrlRefused("it names no host")
    return name
