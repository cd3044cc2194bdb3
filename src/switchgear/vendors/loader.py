"""Turns the texts of vendor files into vendors. Pure; ``shipped.py`` reads the files."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from switchgear.catalog.document import CatalogError, read_document
from switchgear.vendors.quirks import by_operation
from switchgear.vendors.schema import Auth, Vendor, VendorFile

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
    header, prefix = _auth(file, entry.auth)
    endpoints = _endpoints(file, entry)
    for name in entry.env:
        if not _ENV_NAME.fullmatch(name):
            raise CatalogError(file, "env", f'"{name}" is not the name of an environment variable')
    quirks = by_operation(file, entry.quirks, endpoints)
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
        headers=_headers(file, entry.headers, header),
        quirks=quirks,
        asks_usage=entry.quirks.asks_usage,
    )


def _endpoints(file: str, entry: VendorFile) -> dict[str, str]:
    endpoints: dict[str, str] = {}
    for operation in entry.endpoints.__struct_fields__:
        path: str = getattr(entry.endpoints, operation)
        if not path:
            continue
        if not _PATH.fullmatch(path):
            problem = f'"{path}" is not a path such as "/chat/completions"'
            raise CatalogError(file, f"endpoints.{operation}", problem)
        endpoints[operation] = path
    if not endpoints:
        raise CatalogError(file, "endpoints", "a vendor needs at least one endpoint")
    return endpoints


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


def _auth(file: str, auth: Auth) -> tuple[str, str]:
    """(header, prefix) that carry the channel's secret; both empty when there is none."""
    if auth.scheme == "header":
        if not _HEADER_NAME.fullmatch(auth.header):
            raise CatalogError(file, "auth.header", f'"{auth.header}" is not a header name in lower case')
        return auth.header, auth.prefix
    if auth.header or auth.prefix:
        raise CatalogError(file, "auth", f'header and prefix belong to scheme "header", not "{auth.scheme}"')
    return ("authorization", "Bearer ") if auth.scheme == "bearer" else ("", "")


def _headers(file: str, headers: Mapping[str, str], auth_header: str) -> tuple[tuple[str, str], ...]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name in _FRAMING_HEADERS or name == auth_header:
            raise CatalogError(file, f"headers.{name}", "not a lower-case header that a vendor file may set")
        if not value.isascii() or not value.isprintable():
            raise CatalogError(file, f"headers.{name}", "a header value is printable ASCII")
    return tuple(headers.items())
