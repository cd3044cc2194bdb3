"""From a vendor and an operator's base URL to the absolute URLs and edits that a channel needs.

How a base URL is read, so that the usual ways of writing it all work:

- nothing given: the vendor's own;
- a bare host (``http://h:9000``, ``https://h/``): the path of the vendor's own base URL is put below it,
  ``/v1`` where the vendor has none of its own;
- a path (``http://h:9000/v1``, ``https://h/relay/openai/``): taken as it stands, without slashes at its end;
  nothing is added;
- a whole endpoint (``https://h/v1/chat/completions``): its known end is cut off first.
"""

from urllib.parse import urlsplit

import msgspec

from switchgear.vendors.schema import Vendor


class BaseUrlError(ValueError):
    """A base URL that can't be used; the message says what to write instead."""


class ResolvedVendor(msgspec.Struct, frozen=True):
    """A vendor at one place: everything of a channel that is not the operator's choice."""

    vendor: str
    base_url: str
    """Normalised; empty for the embedded vendor before it runs."""
    endpoints: dict[str, str]
    """Operation → absolute URL."""
    auth_header: str
    auth_prefix: str
    headers: tuple[tuple[str, str], ...]
    drop: dict[str, tuple[str, ...]]
    rename: dict[str, dict[str, str]]
    asks_usage: bool


def resolve(vendor: Vendor, base_url: str = "") -> ResolvedVendor:
    """The vendor at its own base URL or at the operator's. Raises BaseUrlError."""
    base = _base(vendor, base_url.strip())
    return ResolvedVendor(
        vendor=vendor.name,
        base_url=base,
        endpoints={operation: base + path for operation, path in vendor.endpoints.items()} if base else {},
        auth_header=vendor.auth_header,
        auth_prefix=vendor.auth_prefix,
        headers=vendor.headers,
        drop={operation: entry.drop for operation, entry in vendor.quirks.items() if entry.drop},
        rename={operation: entry.rename for operation, entry in vendor.quirks.items() if entry.rename},
        asks_usage=vendor.asks_usage,
    )


def _base(vendor: Vendor, given: str) -> str:
    if not given:
        if not vendor.base_url and not vendor.embedded:
            raise BaseUrlError(
                f'a channel of vendor "{vendor.name}" needs a base URL such as "https://host/v1"'
            )
        return vendor.base_url
    try:
        url = urlsplit(given)
        port = url.port
    except ValueError as error:
        raise BaseUrlError(f"the base URL can't be read: {error}") from None
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise BaseUrlError(f'a base URL is "http://" or "https://" and a host: {_shown(given)!r}')
    if url.username is not None or url.password is not None:
        raise BaseUrlError("a base URL holds no user or password; put the key into the channel's secret")
    if url.query or url.fragment or any(char.isspace() or not char.isprintable() for char in given):
        raise BaseUrlError(f"a base URL has no query, fragment or spaces: {_shown(given)!r}")
    path = url.path.rstrip("/")
    for end in sorted(vendor.endpoints.values(), key=len, reverse=True):
        if path.endswith(end):
            path = path.removesuffix(end).rstrip("/")
            break
    return f"{url.scheme.lower()}://{url.netloc.lower()}{path or vendor.base_path}"


def _shown(given: str) -> str:
    """The URL for an error message, without what may be a secret in its query or user part."""
    return given.split("?", 1)[0].rsplit("@", 1)[-1]
