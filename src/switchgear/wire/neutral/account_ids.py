"""Ids in a request that name things in the upstream's account: files, containers, conversations, caches …

All customers of a channel share that account, so such an id must have been made for the one who names it.
Each dialect says where its ids stand; free JSON (arguments of calls, schemas of tools) is not looked into.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import NULL, any_of


class AccountId(msgspec.Struct, frozen=True):
    """One id, and the field that names it, for the refusal."""

    id: str
    param: str


class IdKeys:
    """Keys whose values are ids, and those whose values are free JSON; one for each place, made once."""

    __slots__ = ("free", "joined", "marks", "named")

    def __init__(self, named: Iterable[str], free: Iterable[str] = ()) -> None:
        self.named = frozenset(named)
        self.free = frozenset(free)
        starts = [f'"{key}' for key in self.named]
        marks = [
            start.encode()
            for start in starts
            if not any(start != other and start.startswith(other) for other in starts)
        ]
        self.marks = tuple(mark for mark in marks if b"_" not in mark)
        """One of these or of ``joined`` stands in any JSON that has one of the keys, written without
        escapes."""
        self.joined = tuple(mark for mark in marks if b"_" in mark)
        """Looked for only where there is an underscore at all, which is found much faster."""


def may_hold(raw: Raw | None, marks: Collection[bytes], joined: Collection[bytes] = ()) -> bool:
    """Whether a field may hold one of the keys; ``joined``: those with an underscore. An escaped letter may
    hide any of them."""
    if raw is None or raw == NULL:
        return False
    data = bytes(raw)
    for mark in marks:
        if mark in data:
            return True
    if joined and b"_" in data:
        for mark in joined:
            if mark in data:
                return True
    return b"\\" in data and b"\\u00" in data


def ids_in(fields: Mapping[str, Raw], param: str, keys: IdKeys) -> tuple[AccountId, ...]:
    """Every text, or text of a list, under one of the keys, at any depth of a field."""
    raw = fields.get(param)
    if raw is None or not may_hold(raw, keys.marks, keys.joined):
        return ()
    return tuple(_found(any_of(bytes(raw)), param, keys))


def id_of(fields: Mapping[str, Raw], param: str) -> tuple[AccountId, ...]:
    """A field that is an id itself, or an object with one."""
    raw = fields.get(param)
    if raw is None or raw == NULL:
        return ()
    value = any_of(bytes(raw))
    if isinstance(value, dict):
        value = value.get("id")
    return (AccountId(value, param),) if isinstance(value, str) and value else ()


def _found(value: Any, param: str, keys: IdKeys) -> Iterator[AccountId]:
    waiting: list[Any] = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key in keys.free:
                    continue
                if key in keys.named:
                    named = inner if isinstance(inner, list) else [inner]
                    yield from (AccountId(id, param) for id in named if isinstance(id, str) and id)
                waiting.append(inner)
