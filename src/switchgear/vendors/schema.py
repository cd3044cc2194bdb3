"""The shape of a vendor file, and of a vendor once loaded."""

from typing import Literal

import msgspec

from switchgear.vendors.quirks import OperationQuirks, Quirks


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the secret goes: ``{ scheme = "bearer" }``, ``{ scheme = "header", header = "x-key" }``; none."""

    scheme: Literal["bearer", "header", "none"] = "bearer"
    header: str = ""
    prefix: str = ""


class Endpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[endpoints]``: operation → path below the base URL; empty = not served."""

    openai_chat: str = ""
    openai_completions: str = ""
    openai_embeddings: str = ""


class VendorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``data/<name>.toml``."""

    name: str
    title: str
    endpoints: Endpoints
    base_url: str = ""
    """Empty: the operator has to give one."""
    base_path: str = ""
    """For vendors without a base URL: the path put below an operator's bare host."""
    embedded: bool = False
    """Started by ourselves; its address is known only while it runs."""
    env: tuple[str, ...] = ()
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    quirks: Quirks = Quirks()


class Vendor(msgspec.Struct, frozen=True):
    """A place that serves models: where, how it is asked, and what it does otherwise."""

    name: str
    title: str
    base_url: str
    base_path: str
    """Path of the base URL, without a slash at its end; put below an operator's bare host."""
    embedded: bool
    env: tuple[str, ...]
    """Environment variables that hold a key, the first found wins."""
    auth_header: str
    auth_prefix: str
    endpoints: dict[str, str]
    """Operation → path below the base URL."""
    headers: tuple[tuple[str, str], ...] = ()
    quirks: dict[str, OperationQuirks] = {}
    asks_usage: bool = True
