"""Turns the texts of vendor files into vendors. Pure; ``shipped.py`` reads the files."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from switchgear.catalog.document import CatalogError, read_document, suggestion
from switchgear.kernel.dialects import DIALECT_OF, MODEL_SLOT, DialectName, ResponsesState
from switchgear.vendors.quirks import by_operation
from switchgear.vendors.schema import Auth, Door, Vendor, VendorFile

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_HEADER_NAME = re.compile(r"[a-z0-9-]+")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_FRAMING_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type"})


def load_vendors(texts: Mapping[str, str]) -> dict[str, Vendor]:
    """Vendors by name from file name → text. Raises CatalogError."""
    vendors: dict[str, Vendor] = {}
    for file, text in texts.items():
        vendor = _vendor(file, read_document(file, text, VendorFile))
        if vendor.name in vendors:
            raise CatalogError(file, "name", f'the vendor "{vendor.name}" is already defined in another file')
        vendors[vendor.name] = vendor
    return vendors


def _vendor(file: str, entry: VendorFile) -> Vendor:
    if not _NAME.fullmatch(entry.name):
        raise CatalogError(file, "name", f'"{entry.name}" is not a lower-case word')
    if file != f"{entry.name}.toml":
        raise CatalogError(file, "name", f'the file of vendor "{entry.name}" is called {entry.name}.toml')
    header, prefix = _auth(file, "auth", entry.auth)
    endpoints = _endpoints(file, entry)
    for name in entry.env:
        if not _ENV_NAME.fullmatch(name):
            raise CatalogError(file, "env", f'"{name}" is not the name of an environment variable')
    for path in entry.other_base_paths:
        if not _PATH.fullmatch(path):
            raise CatalogError(file, "other_base_paths", f'"{path}" is not a path such as "/v1"')
    return Vendor(
        name=entry.name,
        title=entry.title,
        base_url=entry.base_url.rstrip("/"),
        base_path=_base_path(file, entry),
        embedded=entry.embedded,
        env=entry.env,
        auth_header=header,
        auth_prefix=prefix,
        endpoints=endpoints,
        dialects=_dialects(file, entry, endpoints),
        always=entry.always,
        doors=_doors(file, entry, endpoints, header),
        other_base_paths=entry.other_base_paths,
        headers=_headers(file, "headers", entry.headers, header),
        quirks=by_operation(file, entry.quirks, endpoints),
        asks_usage=entry.quirks.asks_usage,
        responses_state=_responses_state(file, entry),
    )


def _responses_state(file: str, entry: VendorFile) -> ResponsesState:
    if entry.responses_state != "none" and not entry.endpoints.openai_responses:
        raise CatalogError(file, "responses_state", "the vendor has no endpoint openai_responses")
    return entry.responses_state


def _endpoints(file: str, entry: VendorFile) -> dict[str, str]:
    endpoints: dict[str, str] = {}
    for operation in entry.endpoints.__struct_fields__:
        path: str = getattr(entry.endpoints, operation)
        if not path:
            continue
        place = f"endpoints.{operation}"
        fixed = path
        if DIALECT_OF[operation] == "gemini_generate":
            fixed = path.removesuffix(f"/{MODEL_SLOT}")
            if fixed == path:
                raise CatalogError(file, place, f'"{path}" does not end with "/{MODEL_SLOT}"')
        if not _PATH.fullmatch(fixed):
            raise CatalogError(file, place, f'"{path}" is not a path such as "/chat/completions"')
        endpoints[operation] = path
    if not endpoints:
        raise CatalogError(file, "endpoints", "a vendor needs at least one endpoint")
    return endpoints


def _dialects(file: str, entry: VendorFile, endpoints: Mapping[str, str]) -> tuple[DialectName, ...]:
    """The default dialects; all that have an endpoint when the file names none."""
    for place, names in (("dialects", entry.dialects), ("always", entry.always)):
        for name in names:
            if name not in endpoints:
                raise CatalogError(file, place, f'"{name}" has no endpoint{suggestion(name, endpoints)}')
    return entry.dialects or tuple(dict.fromkeys(DIALECT_OF[operation] for operation in endpoints))


def _doors(
    file: str, entry: VendorFile, endpoints: Mapping[str, str], auth_header: str
) -> dict[DialectName, Door]:
    spoken = {DIALECT_OF[operation] for operation in endpoints}
    doors: dict[DialectName, Door] = {}
    for dialect, door in entry.doors.items():
        place = f"doors.{dialect}"
        if dialect not in spoken:
            raise CatalogError(file, place, "the dialect has no endpoint; add one or remove the door")
        if door.base_path is not None and not _PATH.fullmatch(door.base_path):
            raise CatalogError(file, f"{place}.base_path", f'"{door.base_path}" is not a path such as "/v1"')
        for name in door.headers:
            if name in entry.headers:
                raise CatalogError(file, f"{place}.headers.{name}", "the vendor sends it already; keep one")
        auth = _auth(file, f"{place}.auth", door.auth) if door.auth is not None else None
        own_header = auth[0] if auth is not None else auth_header
        doors[dialect] = Door(
            base_path=door.base_path,
            auth=auth,
            headers=_headers(file, f"{place}.headers", door.headers, own_header),
        )
    return doors


def _base_path(file: str, entry: VendorFile) -> str:
    """Path below which the endpoints lie, from the base URL or, without one, as the file says."""
    if not entry.base_url:
        if entry.base_path and not _PATH.fullmatch(entry.base_path):
            raise CatalogError(file, "base_path", f'"{entry.base_path}" is not a path such as "/v1"')
        return entry.base_path
    if entry.base_path:
        raise CatalogError(file, "base_path", "for vendors without base_url only; put the path into base_url")
    url = urlsplit(entry.base_url)
    if url.scheme != "https" or not url.hostname or url.query or url.fragment or url.username:
        raise CatalogError(file, "base_url", f'"{entry.base_url}" is not a plain https URL')
    return url.path.rstrip("/")


def _auth(file: str, place: str, auth: Auth) -> tuple[str, str]:
    """(header, prefix) that carry the channel's secret; both empty when there is none."""
    if auth.scheme == "header":
        if not _HEADER_NAME.fullmatch(auth.header):
            raise CatalogError(file, f"{place}.header", f'"{auth.header}" is not a header name in lower case')
        return auth.header, auth.prefix
    if auth.header or auth.prefix:
        raise CatalogError(file, place, f'header and prefix belong to scheme "header", not "{auth.scheme}"')
    return ("authorization", "Bearer ") if auth.scheme == "bearer" else ("", "")


def _headers(
    file: str, place: str, headers: Mapping[str, str], auth_header: str
) -> tuple[tuple[str, str], ...]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name in _FRAMING_HEADERS or name == auth_header:
            raise CatalogError(file, f"{place}.{name}", "not a lower-case header that a vendor file may set")
        if not value.isascii() or not value.isprintable():
            raise CatalogError(file, f"{place}.{name}", "a header value is printable ASCII")
    return tuple(headers.items())
