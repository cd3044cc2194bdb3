"""What a request of the Responses dialect names of the upstream's account, and what an answer makes there."""

from collections.abc import Iterator
from typing import Any

from switchgear.kernel.limits import MADE_IDS_MAX
from switchgear.wire.call import Call
from switchgear.wire.framing.splice import NULL, any_of
from switchgear.wire.neutral.account_ids import AccountId, IdKeys, id_of, ids_in, may_hold

_KEYS = IdKeys(
    ("file_id", "file_ids", "container", "container_id", "vector_store_ids", "skill_id"),
    ("parameters", "input_schema", "arguments", "metadata"),
)
_ID = (b'"id"',)
_MADE = frozenset(("file_id", "container_id"))


def account_ids(call: Call) -> tuple[AccountId, ...]:
    """Without ``previous_response_id``, which has a way of its own."""
    fields = call.fields
    found = [*id_of(fields, "conversation"), *id_of(fields, "prompt")]
    found += ids_in(fields, "input", _KEYS)
    found += ids_in(fields, "tools", _KEYS)
    if may_hold(fields.get("input"), _ID):
        found += _references(any_of(bytes(fields.get("input", NULL))))
    return tuple(found)


def _references(items: Any) -> Iterator[AccountId]:
    """Items that are only named. The type may be left out."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            kind = item.get("type")
            if kind == "item_reference" or (kind is None and "role" not in item):
                yield AccountId(item["id"], "input")


def made_ids(response: bytes) -> tuple[str, ...]:
    """Of an answer: its items, where it is stored, and what its tools made, at most MADE_IDS_MAX."""
    found: Any = any_of(response) if response else None
    output = found.get("output") if isinstance(found, dict) else None
    is_stored = isinstance(found, dict) and found.get("store") is not False
    ids: dict[str, None] = {}
    for item in output if isinstance(output, list) else ():
        if isinstance(item, dict):
            if is_stored and isinstance(item.get("id"), str):
                ids[item["id"]] = None
            ids.update(dict.fromkeys(_inside(item)))
    return tuple(ids)[:MADE_IDS_MAX]


def _inside(item: dict[str, Any]) -> Iterator[str]:
    waiting: list[Any] = [item]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield from (id for key, id in value.items() if key in _MADE and isinstance(id, str))
            waiting += value.values()
