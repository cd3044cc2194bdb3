"""Signatures of texts on their way through dialects whose texts have no place for one.

Gemini signs texts and calls alike. Messages and Responses hold such a token as reasoning without a text,
which by itself would sign what follows; so its envelope says that it belongs to the text before it.
"""

from msgspec.structs import replace

from switchgear.wire.neutral.request import Opaque, Part, Reasoning, Text


def as_reasoning(opaque: Opaque) -> Opaque:
    """The token of a text, to be sealed behind it."""
    return replace(opaque, kind="text_signature")


def sign_text(parts: list[Part]) -> None:
    """Puts such a token at the end of ``parts`` on the text before it; without one it is left out."""
    last = parts[-1] if parts else None
    if not isinstance(last, Reasoning) or last.opaque is None or last.opaque.kind != "text_signature":
        return
    parts.pop()
    if parts and isinstance(signed := parts[-1], Text):
        parts[-1] = replace(signed, opaque=replace(last.opaque, kind="signature"))
