"""Responses that the relay keeps itself: what is kept of a request, how a later one goes on from it, and the
answers of the calls that look at it. Nothing here stores anything.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.wire.dialect import Head
from switchgear.wire.framing.splice import NULL, BadJson, read_object, write_object
from switchgear.wire.openai_responses.to_client.whole import ResponseObject
from switchgear.wire.openai_responses.values import Fields, decoded, invalid_type

_encode = msgspec.json.Encoder().encode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_ID_CHARS = 32
_PREFIXES = {
    '"message"': "msg",
    '"reasoning"': "rs",
    '"function_call"': "fc",
    '"function_call_output"': "fco",
    '"custom_tool_call"': "ctc",
    '"custom_tool_call_output"': "ctco",
}

Turn = tuple[Sequence[Raw], Sequence[Raw]]
"""(input items, output items) of one stored response."""


def stored_items(fields: Fields, seed: str = "") -> list[Raw]:
    """The items of ``input`` as they are kept, each with an id, the same for the same request and ``seed``:
    the response's id makes them its own. Raises ApiError INVALID_TYPE."""
    raw = fields.get("input", NULL)
    if raw == NULL:
        return []
    if memoryview(raw)[0] == 0x22:
        content = b'[{"type":"input_text","text":%b}]' % bytes(raw)
        items = [Raw(b'{"type":"message","role":"user","content":%b}' % content)]
    else:
        items = _items(raw)
    kept = []
    for at, item in enumerate(items):
        found = _object(item, f"input.{at}")
        kind = found.get("type")
        if kind is None and "role" in found:
            kind = found["type"] = Raw(b'"message"')
        if found.get("id", NULL) == NULL:
            digest = hashlib.sha256(f"{seed}\0{at}\0".encode() + bytes(item)).hexdigest()[:_ID_CHARS]
            prefix = _PREFIXES.get(bytes(kind or b"").decode("utf-8", "replace"), "item")
            found = {"id": Raw(b'"%b_%b"' % (prefix.encode(), digest.encode())), **found}
        kept.append(Raw(write_object(found)))
    return kept


def expand_history(fields: Fields, turns: Iterable[Turn]) -> Fields:
    """The request with all that it refers to: the kept items of earlier turns, oldest first, before its own.

    Instructions of earlier turns are not carried over. A reference to a kept item becomes the item. Raises
    ApiError INVALID_TYPE.
    """
    earlier = [item for turn in turns for items in turn for item in items]
    raw = fields.get("input", NULL)
    if raw == NULL:
        own: list[Raw] = []
    elif memoryview(raw)[0] == 0x22:
        own = [Raw(b'{"role":"user","content":%b}' % bytes(raw))]
    else:
        own = _items(raw)
    if b'"item_reference"' in bytes(raw):
        own = _resolved(own, earlier)
    expanded = {
        key: value for key, value in fields.items() if key not in ("previous_response_id", "conversation")
    }
    expanded["input"] = Raw(_encode([*earlier, *own]))
    return expanded


def _resolved(own: list[Raw], earlier: list[Raw]) -> list[Raw]:
    known = {bytes(found["id"]): item for item in earlier if "id" in (found := _object(item, "input"))}
    resolved = []
    for at, item in enumerate(own):
        found = _object(item, f"input.{at}")
        is_reference = found.get("type") == Raw(b'"item_reference"')
        resolved.append(known.get(bytes(found.get("id", NULL)), item) if is_reference else item)
    return resolved


def render_input_items(items: Sequence[Raw], limit: int = 20, order: str = "desc", after: str = "") -> bytes:
    """A page of the input items of a response; ``items`` in the order of the input. Raises ApiError
    INVALID_VALUE."""
    if not 1 <= limit <= 100:
        raise ApiError(INVALID_VALUE, "Invalid value for 'limit': from 1 to 100.", param="limit")
    if order not in ("asc", "desc"):
        raise ApiError(
            INVALID_VALUE, "Invalid value for 'order': 'asc' or 'desc' is expected.", param="order"
        )
    listed = list(items) if order == "asc" else list(reversed(items))
    ids = [_decode_text(_object(item, "input").get("id", Raw(b'""'))) for item in listed]
    start = 0
    if after:
        if after not in ids:
            raise ApiError(INVALID_VALUE, f"Invalid value for 'after': no item '{after}'.", param="after")
        start = ids.index(after) + 1
    page, shown = listed[start : start + limit], ids[start : start + limit]
    return _encode(
        {
            "object": "list",
            "data": [_with_parts(item) for item in page],
            "first_id": shown[0] if shown else None,
            "last_id": shown[-1] if shown else None,
            "has_more": start + limit < len(listed),
        }
    )


def _with_parts(item: Raw) -> Raw:
    """A message whose content is a plain string, as the list of parts that it is shown as."""
    found = _object(item, "input")
    text = found.get("content", NULL)
    if memoryview(text)[0] != 0x22 or found.get("role") == Raw(b'"assistant"'):
        return item
    return Raw(write_object({**found, "content": Raw(b'[{"type":"input_text","text":%b}]' % bytes(text))}))


def render_deleted(id: str) -> bytes:
    """The answer of a ``DELETE``."""
    return _encode({"id": id, "object": "response", "deleted": True})


def queued_response(head: Head) -> bytes:
    """What a call in the background gets at once."""
    return ResponseObject(head.id, head.model, head.created_s, head.fields).render("queued")


def with_status(
    response: bytes,
    status: Literal["in_progress", "cancelled", "failed"],
    error: Mapping[str, str] | None = None,
) -> bytes:
    """A stored response in another state of its life; ``error`` has ``code`` and ``message``."""
    found = read_object(response)
    found["status"] = Raw(_encode(status))
    if error is not None:
        found["error"] = Raw(_encode(error))
    return write_object(found)


def _items(raw: Raw) -> list[Raw]:
    try:
        return _decode_list(raw)
    except (ValueError, RecursionError):
        raise invalid_type("input", "a string or an array of items") from None


def _object(raw: Raw, param: str) -> Fields:
    try:
        return read_object(bytes(raw))
    except BadJson:
        if isinstance(decoded(raw, param), dict):
            raise ApiError(INVALID_VALUE, f"Invalid value for '{param}'.", param=param) from None
        raise invalid_type(param, "an object") from None
