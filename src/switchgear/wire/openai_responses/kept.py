"""What is kept of an answer that was just given, and items of kept answers by reference."""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import RESPONSE_REFERENCES_MAX
from switchgear.kernel.stored import OPEN, ResponseStatus
from switchgear.wire.convert.bridge import Bridge, BridgedReply
from switchgear.wire.convert.renamed import bare_tap
from switchgear.wire.dialect import Head, Reply, Tap
from switchgear.wire.framing.splice import NULL, BadJson, read_object, read_objects, write_object
from switchgear.wire.openai_responses.frames import read_response
from switchgear.wire.openai_responses.passing.tap import StreamTap
from switchgear.wire.openai_responses.to_client.writer import Writer, write_kept_reply

_encode = msgspec.json.Encoder().encode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_STATUSES: Mapping[str | None, ResponseStatus] = {
    "queued": "queued",
    "in_progress": "in_progress",
    "incomplete": "incomplete",
    "failed": "failed",
    "cancelled": "cancelled",
}
# The writer makes the ids of items from the response's own.
_OWN_ITEM = re.compile(r"[a-z]+_([0-9a-f]{32})[0-9a-f]{2,}")


class Answered(msgspec.Struct, frozen=True):
    """A response as it went to the client, and as it is kept."""

    id: str
    status: ResponseStatus
    response: bytes
    """JSON object."""
    output: bytes
    """JSON array: the output items with all that a later turn needs."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def answered_whole(reply: Reply, head: Head | None) -> Answered | None:
    """``head``: of a converted answer. None for what has no id to be named by."""
    if isinstance(reply, BridgedReply) and head is not None:
        response, kept = write_kept_reply(reply.events, head)
        return read_answered(response, kept)
    return read_answered(reply.body)


def answered_stream(tap: Tap) -> Answered | None:
    """After its closing was asked for."""
    if isinstance(tap, Bridge):
        writer = tap.writer
        return read_answered(writer.response, writer.kept) if isinstance(writer, Writer) else None
    bare = bare_tap(tap)
    return read_answered(bare.response) if isinstance(bare, StreamTap) else None


def read_answered(response: bytes, kept: Sequence[Raw] | None = None) -> Answered | None:
    """A response object, with the output to be kept where it is more than what it shows."""
    found = read_response(response) if response else None
    if found is None or not found.id:
        return None
    output = kept if kept is not None else found.output or ()
    return Answered(found.id, _STATUSES.get(found.status, "completed"), response, _encode(list(output)))


def items_of(array: bytes) -> list[Raw]:
    """The items of a kept JSON array."""
    return _decode_list(array)


def own_references(fields: Mapping[str, Raw]) -> tuple[str, ...]:
    """Ids of the responses of our making whose items ``input`` refers to, at most
    ``RESPONSE_REFERENCES_MAX``."""
    raw = fields.get("input", NULL)
    if b'"item_reference"' not in bytes(raw):
        return ()
    ids: dict[str, None] = {}
    try:
        items = read_objects(raw)
    except BadJson:
        return ()
    for item in items:
        if item.get("type") == Raw(b'"item_reference"'):
            own = _OWN_ITEM.fullmatch(bytes(item.get("id", NULL)).decode("utf-8", "replace").strip('"'))
            if own is not None:
                ids[f"resp_{own[1]}"] = None
    return tuple(ids)[:RESPONSE_REFERENCES_MAX]


def with_items(fields: Mapping[str, Raw], items: Iterable[Raw]) -> dict[str, Raw]:
    """The request with each reference to one of the items replaced by it."""
    known: dict[bytes, Raw] = {}
    for item in items:
        try:
            known[bytes(read_object(bytes(item)).get("id", NULL))] = item
        except BadJson:
            continue
    try:
        asked = read_objects(fields["input"])
    except BadJson:
        return dict(fields)
    own = [
        known.get(bytes(item.get("id", NULL)), Raw(write_object(item)))
        if item.get("type") == Raw(b'"item_reference"')
        else Raw(write_object(item))
        for item in asked
    ]
    return {**fields, "input": Raw(_encode(own))}
