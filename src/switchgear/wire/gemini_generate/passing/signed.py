"""Signatures of calls in a history that passes through to a model which wants them."""

from msgspec import Raw, Struct, json

from switchgear.wire.framing.splice import NULL, BadJson, read_objects, write_array
from switchgear.wire.gemini_generate.signatures import SKIP


class _Part(Struct, gc=False):
    """What is looked at; the rest is not decoded. Both spellings are Google's."""

    functionCall: Raw = NULL  # noqa: N815
    function_call: Raw = NULL
    thoughtSignature: Raw = NULL  # noqa: N815
    thought_signature: Raw = NULL


class _Content(Struct, gc=False):
    role: str = "user"
    parts: list[_Part] = []


_decode_contents = json.Decoder(list[_Content]).decode
_SKIP = Raw(json.encode(SKIP))


def signed(raw: Raw) -> Raw:
    """The contents with a signature on the first call of each step. A call that another maker's model made
    has none, and one missing signature makes Google refuse the whole request. The very contents where there
    is nothing to add, or no telling."""
    data = memoryview(raw).tobytes()
    if b'"functionCall"' not in data and b'"function_call"' not in data:
        return raw
    try:
        lacking = _lacking(_decode_contents(raw))
        return _with_word(raw, lacking) if lacking else raw
    except (ValueError, RecursionError, BadJson):
        return raw  # the upstream blames it


def _lacking(contents: list[_Content]) -> dict[int, int]:
    """Place of a content → of its part that lacks one. Neighbouring contents of the model are one step."""
    found: dict[int, int] = {}
    was_called = False
    for at, content in enumerate(contents):
        if content.role != "model":
            was_called = False
            continue
        for place, part in enumerate(content.parts):
            if part.functionCall == part.function_call == NULL:
                continue
            if not was_called and part.thoughtSignature == part.thought_signature == NULL:
                found[at] = place
            was_called = True
    return found


def _with_word(raw: Raw, lacking: dict[int, int]) -> Raw:
    contents = read_objects(raw)
    for at, place in lacking.items():
        parts = read_objects(contents[at]["parts"])
        parts[place]["thoughtSignature"] = _SKIP
        contents[at]["parts"] = Raw(write_array(parts))
    return Raw(write_array(contents))
