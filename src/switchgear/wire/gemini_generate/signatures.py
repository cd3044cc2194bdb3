"""Opaque tokens of reasoning in this dialect: ``thoughtSignature``, which holds bytes as base64.

Google's own are passed on as they are. Those of other makers are sealed, and base64 once more, as SDKs refuse
any other letter there.
"""

import base64

from switchgear.wire.framing.data_urls import clean_base64
from switchgear.wire.neutral.maker import GOOGLE
from switchgear.wire.neutral.request import Opaque, Seals

SKIP = "skip_thought_signature_validator"
"""Google's word for a call that it did not make itself; models that want signatures take it instead of
one."""
_WORDS = frozenset({SKIP, "context_engineering_is_the_way_to_go"})

SEALED = "cmVsYXkxL"
"""How the base64 of any sealed token begins; see ``wire.neutral.envelope``."""


def read_signature(signature: str, seals: Seals) -> Opaque | None:
    """The token of a client's part; None for words that stand for one."""
    if signature in _WORDS:
        return None
    if (opened := seals.open(signature)) is not None:
        return opened
    if signature.startswith(SEALED):
        return None  # sealed by somebody else, or changed
    return Opaque(GOOGLE, "signature", clean_base64(signature) or signature)


def write_signature(opaque: Opaque, seals: Seals) -> str:
    """For a client; empty for a token that can't be sealed."""
    if opaque.origin == GOOGLE and opaque.kind == "signature":
        return opaque.payload
    sealed = seals.seal(opaque)
    return base64.b64encode(sealed.encode()).decode() if sealed else ""
