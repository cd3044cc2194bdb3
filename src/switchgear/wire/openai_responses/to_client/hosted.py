"""Steps of tools that ran at the upstream, as output items with their events."""

from typing import Any

import msgspec

from switchgear.wire.neutral.events import Hosted, ImageOut
from switchgear.wire.openai_responses.to_client.parts import one_line
from switchgear.wire.openai_responses.to_client.sequence import Sequence

_encode = msgspec.json.Encoder().encode
# Between the start of a step and its end, by type of item.
_STEPS: dict[str, tuple[bytes, ...]] = {
    "web_search_call": (b"in_progress", b"searching", b"completed"),
    "file_search_call": (b"in_progress", b"searching", b"completed"),
    "code_interpreter_call": (b"in_progress", b"interpreting", b"completed"),
    "image_generation_call": (b"in_progress", b"generating", b"completed"),
}
PREFIXES = {"web_search": "ws", "code_execution": "ci", "image_generation": "ig"}


def hosted_item(event: Hosted, id: str) -> dict[str, Any] | None:
    """None for a step that has no item here."""
    if event.kind == "web_search":
        action: dict[str, Any] = {"type": "search", "query": event.queries[0] if event.queries else ""}
        if event.queries:
            action["queries"] = list(event.queries)
        if event.sources:
            action["sources"] = [{"type": "url", "url": source.url} for source in event.sources]
        return {"id": id, "type": "web_search_call", "status": "completed", "action": action}
    if event.kind == "code_execution":
        outputs = [{"type": "logs", "logs": event.output}] if event.output else []
        return {
            "id": id,
            "type": "code_interpreter_call",
            "status": "completed",
            "code": event.code,
            "container_id": f"cntr_{id.removeprefix('ci_')}",
            "outputs": outputs,
        }
    return None


def image_item(event: ImageOut, id: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "image_generation_call",
        "status": "completed",
        "output_format": event.media_type.rpartition("/")[2],
        "result": event.data,
    }


def add_step(sequence: Sequence, index: int, item: dict[str, Any]) -> bytes:
    """Sends an item that is whole already; returns it."""
    kind = item.get("type", "")
    skeleton = {**item, "status": "in_progress"}
    if kind == "code_interpreter_call":
        skeleton |= {"code": "", "outputs": []}
    elif kind == "image_generation_call":
        skeleton["result"] = None
    place = b',"item_id":%b,"output_index":%d' % (_encode(item.get("id", "")), index)
    sequence.add(b"response.output_item.added", b',"output_index":%d,"item":%b' % (index, _encode(skeleton)))
    for step in _STEPS.get(kind, ()):
        if kind == "code_interpreter_call" and step == b"interpreting" and item.get("code"):
            code = _encode(item["code"])
            sequence.add(b"response.code_interpreter_call_code.delta", b'%b,"delta":%b' % (place, code))
            sequence.add(b"response.code_interpreter_call_code.done", b'%b,"code":%b' % (place, code))
        sequence.add(b"response.%b.%b" % (kind.encode(), step), place)
    whole = one_line(_encode(item))
    sequence.add(b"response.output_item.done", b',"output_index":%d,"item":%b' % (index, whole))
    return whole
