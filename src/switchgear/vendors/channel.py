"""From a vendor and an operator's choices to the absolute URLs, edits and model names that a channel needs.

How a base URL is read, so that the usual ways of writing it all work:

- nothing given: the vendor's own;
- a bare host (``http://h:9000``, ``https://h/``): the vendor's base path of each dialect is put below it
  (``/v1``, and ``/v1beta`` for the Gemini dialect, where the vendor is ``compatible``);
- a path that ends in one of the vendor's base paths (``http://h:9000/v1``): the other dialects are looked for
  beside it (``http://h:9000/v1beta``), so one base URL names a server that speaks them all;
- another path (``https://h/relay/openai/``): taken as it stands for every dialect, without slashes at its
  end; nothing is added;
- a whole endpoint (``https://h/v1/chat/completions``): its known end is cut off first.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from switchgear.catalog.schema import Model
from switchgear.kernel.dialects import DIALECT_OF, MODEL_SLOT, OPERATIONS_OF, DialectName
from switchgear.vendors.schema import Door, Vendor

_NO_DOOR = Door()
_VERSION = re.compile(r"/v\d+$")


class BaseUrlError(ValueError):
    """A base URL that can't be used; the message says what to write instead."""


class ModelMapError(ValueError):
    """A model map that leads back to itself; the message names the models on the way."""


class ResolvedVendor(msgspec.Struct, frozen=True):
    """A vendor at one place: everything of a channel that is not the operator's choice."""

    vendor: str
    base_url: str
    """Normalised; of the dialects without a base path of their own. Empty: embedded and not running."""
    endpoints: dict[str, str]
    """Operation → absolute URL; ends in ``{model}`` in the Gemini dialect."""
    auth_header: str
    auth_prefix: str
    auths: dict[str, tuple[str, str]]
    """Operation → (header, prefix), where it differs from the two above."""
    headers: tuple[tuple[str, str], ...]
    headers_of: dict[str, tuple[tuple[str, str], ...]]
    """Operation → fixed headers beside ``headers``."""
    drop: dict[str, tuple[str, ...]]
    rename: dict[str, dict[str, str]]
    omit: dict[str, tuple[str, ...]]
    refuse: dict[str, tuple[str, ...]]
    asks_usage: bool


def offered(
    vendor: Vendor, dialects: Collection[str] = (), operations: Collection[str] = ()
) -> tuple[str, ...]:
    """Operations of a channel, in the vendor's order.

    ``dialects``: what its host speaks, empty = the vendor's default. ``operations`` leaves only those of them
    that it names; empty = all.
    """
    spoken = dialects or vendor.dialects
    return tuple(
        operation
        for operation in vendor.endpoints
        if (DIALECT_OF[operation] in spoken or operation in vendor.always)
        and (not operations or operation in operations)
    )


def resolve(
    vendor: Vendor, base_url: str = "", dialects: Collection[str] = (), operations: Collection[str] = ()
) -> ResolvedVendor:
    """The vendor at its own base URL or at the operator's; see ``offered``. Raises BaseUrlError."""
    origin, path = _place(vendor, base_url.strip())
    bases = _bases(vendor, path)
    names = offered(vendor, dialects, operations)
    doors = {name: vendor.doors[DIALECT_OF[name]] for name in names if DIALECT_OF[name] in vendor.doors}
    return ResolvedVendor(
        vendor=vendor.name,
        base_url=origin + path,
        endpoints={name: origin + bases[DIALECT_OF[name]] + vendor.endpoints[name] for name in names}
        if origin
        else {},
        auth_header=vendor.auth_header,
        auth_prefix=vendor.auth_prefix,
        auths={name: door.auth for name, door in doors.items() if door.auth is not None},
        headers=vendor.headers,
        headers_of={name: door.headers for name, door in doors.items() if door.headers},
        drop={operation: entry.drop for operation, entry in vendor.quirks.items() if entry.drop},
        rename={operation: entry.rename for operation, entry in vendor.quirks.items() if entry.rename},
        omit={operation: entry.omit for operation, entry in vendor.quirks.items() if entry.omit},
        refuse={operation: entry.refuse for operation, entry in vendor.quirks.items() if entry.refuse},
        asks_usage=vendor.asks_usage,
    )


def served_models(
    vendor: Vendor,
    catalogue: Mapping[str, Model],
    chosen: Iterable[str] | None = None,
    model_map: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Model as clients name it → as the upstream does, for one channel.

    ``chosen`` None: all that the catalogue lists under the vendor. ``model_map`` is the operator's and
    may chain (a → b → c); what it does not name goes out under the vendor's own name in the catalogue,
    else unchanged. Raises ModelMapError on a circle.
    """
    renamed = model_map or {}
    if chosen is None:
        listed = (model.id for model in catalogue.values() if model.vendor == vendor.name)
        chosen = (*listed, *renamed)
    return {name: _upstream_name(vendor, catalogue, renamed, name) for name in dict.fromkeys(chosen)}


def _upstream_name(
    vendor: Vendor, catalogue: Mapping[str, Model], renamed: Mapping[str, str], asked: str
) -> str:
    way = [asked]
    while (following := renamed.get(way[-1], way[-1])) != way[-1]:
        if following in way:
            raise ModelMapError(f"the model map leads in a circle: {' → '.join((*way, following))}")
        way.append(following)
    if len(way) > 1:
        return way[-1]
    model = catalogue.get(asked)
    if model is None or model.vendor != vendor.name:
        return asked
    return model.upstream_id or asked


def _place(vendor: Vendor, given: str) -> tuple[str, str]:
    """(scheme and host, base path) of the dialects without a door; both empty for an embedded vendor."""
    if not given:
        if not vendor.base_url and not vendor.embedded:
            raise BaseUrlError(
                f'a channel of vendor "{vendor.name}" needs a base URL such as "https://host/v1"'
            )
        return vendor.base_url.removesuffix(vendor.base_path), vendor.base_path if vendor.base_url else ""
    origin, path = _parts(given)
    path = _without_endpoint(vendor, path)
    known = _known_end(vendor, path)
    if not path or known is None or known in (vendor.base_path, *vendor.other_base_paths):
        return origin, path or vendor.base_path
    return origin, path.removesuffix(known) + vendor.base_path


def _parts(given: str) -> tuple[str, str]:
    """(scheme and host, path without slashes at its end) of an operator's base URL, checked."""
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
    return f"{url.scheme.lower()}://{url.netloc.lower()}", url.path.rstrip("/")


def _without_endpoint(vendor: Vendor, path: str) -> str:
    ends = {end.removesuffix(f"/{MODEL_SLOT}") for end in vendor.endpoints.values()}
    for end in sorted(ends, key=len, reverse=True):
        if path.endswith(end):
            return path.removesuffix(end).rstrip("/")
    return path


def _known_end(vendor: Vendor, path: str) -> str | None:
    """The longest of the vendor's base paths in which the path ends; None when it is a path of its own."""
    own = {door.base_path for door in vendor.doors.values() if door.base_path is not None}
    # Guides of Messages clients write such a door without its version: https://api.deepseek.com/anthropic.
    bare = {_VERSION.sub("", end) for end in own} - {""}
    known = sorted({vendor.base_path, *vendor.other_base_paths, *own, *bare}, key=len, reverse=True)
    return next((end for end in known if path.endswith(end)), None)


def _bases(vendor: Vendor, path: str) -> dict[DialectName, str]:
    """Dialect → base path, when ``path`` is that of the dialects without a door."""
    known = _known_end(vendor, path)
    bases: dict[DialectName, str] = {}
    for dialect in OPERATIONS_OF:
        own = vendor.doors.get(dialect, _NO_DOOR).base_path
        bases[dialect] = path if own is None or known is None else path.removesuffix(known) + own
    return bases


def _shown(given: str) -> str:
    """The URL for an error message, without what may be a secret in its query or user part."""
    return given.split("?", 1)[0].rsplit("@", 1)[-1]
