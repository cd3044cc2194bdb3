"""Ids in a request that name things in the upstream's account: files, containers, conversations, caches …

All customers of a channel share that account, so such an id must have been made for the one who names it.
Each dialect says where its ids stand; free JSON (arguments of calls, schemas of tools) is not looked into.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from switchgear.wire.framing.splice import NULL, any_of


class AccountId(msgspec.Struct, frozen=True):
    """One id, and the field that names it, for the refusal."""

    id: str
    param: str


def may_hold(raw: Raw | None, marks: Collection[bytes]) -> bool:
    """Whether a field may hold one of the keys. An escaped letter may hide any of them."""
    if raw is None or raw == NULL:
        return False
    data = bytes(raw)
    return any(mark in data for mark in marks) or b"\\u00" in data


def ids_in(
    fields: Mapping[str, Raw], param: str, keys: Collection[str], free: Collection[str] = ()
) -> Iterator[AccountId]:
    """Every text, or text of a list, under one of the keys, at any depth of a field; ``free``: keys whose
    values are free JSON."""
    raw = fields.get(param)
    if may_hold(raw, [key.encode() for key in keys]):
        yield from _found(any_of(bytes(raw or NULL)), param, frozenset(keys), frozenset(free))


def id_of(fields: Mapping[str, Raw], param: str) -> Iterator[AccountId]:
    """A field that is an id itself, or an object with one."""
    raw = fields.get(param)
    if raw is None or raw == NULL:
        return
    value = any_of(bytes(raw))
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, str) and value:
        yield AccountId(value, param)


def _found(value: Any, param: str, keys: frozenset[str], free: frozenset[str]) -> Iterator[AccountId]:
    waiting: list[Any] = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key in free:
                    continue
                if key in keys:
                    named = inner if isinstance(inner, list) else [inner]
                    yield from (AccountId(id, param) for id in named if isinstance(id, str) and id)
                waiting.append(inner)
