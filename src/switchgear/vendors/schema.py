"""The shape of a vendor file, and of a vendor once loaded."""

from typing import Literal

import msgspec

from switchgear.kernel.dialects import DIALECTS, DialectName, OperationName, ResponsesState
from switchgear.vendors.quirks import OperationQuirks, Quirks


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the secret goes: ``{ scheme = "bearer" }``, ``{ scheme = "header", header = "x-key" }``; none."""

    scheme: Literal["bearer", "header", "none"] = "bearer"
    header: str = ""
    prefix: str = ""


class Endpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[endpoints]``: operation → path below the base URL of its dialect; empty = not served.

    The paths of the Gemini dialect hold ``{model}`` at their end; the verb is added when a call is made.
    """

    openai_chat: str = ""
    openai_completions: str = ""
    openai_embeddings: str = ""
    openai_responses: str = ""
    anthropic_messages: str = ""
    anthropic_count_tokens: str = ""
    gemini_generate: str = ""
    gemini_count_tokens: str = ""
    gemini_embed: str = ""


class DoorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[doors.<dialect>]``: what a vendor does otherwise where it speaks this dialect."""

    base_path: str | None = None
    """Its own base path, from the host's root; absent: that of the base URL."""
    auth: Auth | None = None
    """Absent: the vendor's."""
    headers: dict[str, str] = {}
    """Beside the vendor's."""


class VendorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``data/<name>.toml``."""

    name: str
    title: str
    endpoints: Endpoints
    base_url: str = ""
    """Empty: the operator has to give one."""
    base_path: str = ""
    """For vendors without a base URL: the path put below an operator's bare host."""
    other_base_paths: tuple[str, ...] = ()
    """Further paths at which the host serves the same as at the base path."""
    dialects: tuple[DialectName, ...] = ()
    """What a channel speaks unless its operator says otherwise; empty: all that have an endpoint."""
    always: tuple[OperationName, ...] = ()
    """Operations that a channel offers whatever dialects it names."""
    doors: dict[DialectName, DoorEntry] = {}
    embedded: bool = False
    """Started by ourselves; its address is known only while it runs."""
    env: tuple[str, ...] = ()
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    responses_state: ResponsesState = "none"
    quirks: Quirks = Quirks()


class Door(msgspec.Struct, frozen=True):
    """A dialect of a vendor that lies elsewhere or is asked in another way than the rest of it."""

    base_path: str | None = None
    """From the host's root, without a slash at its end; None: the vendor's."""
    auth: tuple[str, str] | None = None
    """(header, prefix) of the secret; None: the vendor's."""
    headers: tuple[tuple[str, str], ...] = ()


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
    """Operation → path below the base URL of its dialect."""
    dialects: tuple[DialectName, ...] = ()
    """Spoken unless an operator says otherwise."""
    always: tuple[OperationName, ...] = ()
    doors: dict[DialectName, Door] = {}
    other_base_paths: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    quirks: dict[str, OperationQuirks] = {}
    asks_usage: bool = True
    responses_state: ResponsesState = "none"

    def speaks(self) -> tuple[DialectName, ...]:
        """Every dialect that an operator may name for it: those whose conversation has an endpoint."""
        return tuple(dialect for dialect in DIALECTS if dialect in self.endpoints)
