"""A stored response as the event stream by which it could have come, for clients that go on reading where
they stopped.

Every text comes as one delta. Numbers start at 0 and are the same each time, so a client that read this
stream up to a number gets the rest of it.
"""

from typing import Any

import msgspec

from switchgear.wire.openai_responses.to_client.hosted import add_step
from switchgear.wire.openai_responses.to_client.sequence import Sequence

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_ENDS = {
    "completed": b"response.completed",
    "incomplete": b"response.incomplete",
    "failed": b"response.failed",
    "cancelled": b"response.failed",
}


def events_of(response: bytes) -> list[bytes]:
    """Frames, each at the place of its sequence number; no last event while the response isn't over. Raises
    ValueError for what is no stored response."""
    whole = _decode_object(response)
    sequence = Sequence()
    open_status = "queued" if whole.get("status") == "queued" else "in_progress"
    begun = {**whole, "status": open_status, "output": [], "usage": None, "error": None}
    begun["incomplete_details"] = None
    sequence.add(b"response.created", b',"response":' + _encode(begun))
    if open_status == "queued":
        sequence.add(b"response.queued", b',"response":' + _encode(begun))
        return sequence.take_list()
    sequence.add(b"response.in_progress", b',"response":' + _encode(begun))
    end = _ENDS.get(whole.get("status", ""))
    if end is not None:
        for index, item in enumerate(msgspec.convert(whole.get("output") or [], list[dict[str, Any]])):
            _add_item(sequence, index, item)
        sequence.add(end, b',"response":' + _encode(whole))
    return sequence.take_list()


def _add_item(sequence: Sequence, index: int, item: dict[str, Any]) -> None:
    kind = item.get("type")
    if kind == "message":
        skeleton = {**item, "content": [], "status": "in_progress"}
    elif kind == "reasoning":
        skeleton = {key: value for key, value in item.items() if key != "content"} | {"summary": []}
        skeleton.pop("encrypted_content", None)
    elif kind == "function_call":
        skeleton = {**item, "arguments": "", "status": "in_progress"}
    elif kind == "custom_tool_call":
        skeleton = {**item, "input": "", "status": "in_progress"}
    else:
        add_step(sequence, index, item)
        return
    sequence.add(b"response.output_item.added", b',"output_index":%d,"item":%b' % (index, _encode(skeleton)))
    place = b',"item_id":%b,"output_index":%d' % (_encode(item.get("id", "")), index)
    for at, part in enumerate(item.get("summary") or ()):
        _add_summary(sequence, b'%b,"summary_index":%d' % (place, at), part)
    for at, part in enumerate(item.get("content") or ()):
        _add_part(sequence, b'%b,"content_index":%d' % (place, at), part)
    if kind == "function_call":
        said = _encode(item.get("arguments", ""))
        name = _encode(item.get("name", ""))
        sequence.add(b"response.function_call_arguments.delta", b'%b,"delta":%b' % (place, said))
        sequence.add(
            b"response.function_call_arguments.done", b'%b,"name":%b,"arguments":%b' % (place, name, said)
        )
    elif kind == "custom_tool_call":
        said = _encode(item.get("input", ""))
        sequence.add(b"response.custom_tool_call_input.delta", b'%b,"delta":%b' % (place, said))
        sequence.add(b"response.custom_tool_call_input.done", b'%b,"input":%b' % (place, said))
    sequence.add(b"response.output_item.done", b',"output_index":%d,"item":%b' % (index, _encode(item)))


def _add_summary(sequence: Sequence, where: bytes, part: dict[str, Any]) -> None:
    text = _encode(part.get("text", ""))
    front = b"response.reasoning_summary_"
    sequence.add(front + b"part.added", b'%b,"part":%b' % (where, _encode({**part, "text": ""})))
    sequence.add(front + b"text.delta", b'%b,"delta":%b' % (where, text))
    sequence.add(front + b"text.done", b'%b,"text":%b' % (where, text))
    sequence.add(front + b"part.done", b'%b,"part":%b' % (where, _encode(part)))


def _add_part(sequence: Sequence, where: bytes, part: dict[str, Any]) -> None:
    kind = part.get("type")
    key = "refusal" if kind == "refusal" else "text"
    event = {"refusal": b"response.refusal.", "reasoning_text": b"response.reasoning_text."}.get(
        str(kind), b"response.output_text."
    )
    text = _encode(part.get(key, ""))
    is_text = event == b"response.output_text."
    logprobs = b',"logprobs":' + _encode(part.get("logprobs") or []) if is_text else b""
    empty = {**part, key: ""} | ({"annotations": [], "logprobs": []} if is_text else {})
    sequence.add(b"response.content_part.added", b'%b,"part":%b' % (where, _encode(empty)))
    if part.get(key):
        sequence.add(event + b"delta", b'%b,"delta":%b%b' % (where, text, logprobs))
    for at, note in enumerate(part.get("annotations") or ()):
        sequence.add(
            b"response.output_text.annotation.added",
            b'%b,"annotation_index":%d,"annotation":%b' % (where, at, _encode(note)),
        )
    sequence.add(event + b"done", b'%b,"%b":%b%b' % (where, key.encode(), text, logprobs))
    sequence.add(b"response.content_part.done", b'%b,"part":%b' % (where, _encode(part)))
