"""The closed list of quirk verbs: what a vendor file may ask to be changed in a request, checked at load.

``drop``, ``rename``, ``omit`` and ``refuse`` name top-level keys of the request body of one operation;
``asks_usage`` says whether the vendor understands ``stream_options.include_usage``. A new verb is code, tests
and a decision record.
"""

from collections.abc import Mapping

import msgspec

from switchgear.catalog.document import CatalogError
from switchgear.kernel.dialects import OPERATIONS

PROTECTED_KEYS = frozenset({"model", "messages", "prompt", "input", "contents", "stream"})
"""Without these a request is another request; ``model`` and ``stream`` are managed by the relay itself."""
RENAME_ONCE = "a rename never leads to a key that is itself dropped or renamed"


class OperationQuirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[quirks.<operation>]``."""

    drop: tuple[str, ...] = ()
    """Keys that this upstream refuses."""
    rename: dict[str, str] = {}
    """Key as clients write it → as this upstream reads it. A key already there under the new name wins."""
    omit: tuple[str, ...] = ()
    """Keys by which this upstream may serve another model or price than was asked for, and whose answer is as
    good without them. They are left out, and the client is told."""
    refuse: tuple[str, ...] = ()
    """Such keys that matter to the answer: a request with one is refused."""


_NO_QUIRKS = OperationQuirks()


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[quirks]``."""

    asks_usage: bool = True
    openai_chat: OperationQuirks = OperationQuirks()
    openai_completions: OperationQuirks = OperationQuirks()
    openai_embeddings: OperationQuirks = OperationQuirks()
    openai_responses: OperationQuirks = OperationQuirks()
    anthropic_messages: OperationQuirks = OperationQuirks()
    anthropic_count_tokens: OperationQuirks = OperationQuirks()
    gemini_generate: OperationQuirks = OperationQuirks()
    gemini_count_tokens: OperationQuirks = OperationQuirks()
    gemini_embed: OperationQuirks = OperationQuirks()


def by_operation(file: str, quirks: Quirks, endpoints: Mapping[str, str]) -> dict[str, OperationQuirks]:
    """Operation → its quirks, without the empty ones. Raises CatalogError on one that can do no good."""
    found: dict[str, OperationQuirks] = {}
    for operation in OPERATIONS:
        entry: OperationQuirks = getattr(quirks, operation)
        if entry == _NO_QUIRKS:
            continue
        place = f"quirks.{operation}"
        if operation not in endpoints:
            problem = "there is no such endpoint; add it under [endpoints] or remove the quirk"
            raise CatalogError(file, place, problem)
        _check(file, place, entry)
        found[operation] = entry
    return found


def _check(file: str, place: str, entry: OperationQuirks) -> None:
    for key in (*entry.drop, *entry.rename, *entry.rename.values(), *entry.omit, *entry.refuse):
        if key in PROTECTED_KEYS:
            raise CatalogError(file, place, f'"{key}" is not a key that a quirk may touch')
        if not key or key != key.strip():
            raise CatalogError(file, place, f'"{key}" is not a key of a request')
    for old, new in entry.rename.items():
        if old in entry.drop or new in entry.drop or new in entry.rename:
            raise CatalogError(file, place, f'"{old}" → "{new}": {RENAME_ONCE}')
