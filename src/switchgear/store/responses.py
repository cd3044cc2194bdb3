"""Responses that later calls may name: kept, found with what came before them, changed, and let go in time.

The rows hold what customers asked and were answered. A row goes ``queued | in_progress → over``; only an open
one may change its state, so a cancelled response stays so whatever its call still brings.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, select, tuple_, update

from switchgear.kernel.limits import RESPONSE_ROW_BYTES, RESPONSE_SWEEP_ROWS, RESPONSE_TURNS_MAX
from switchgear.kernel.stored import OPEN, StoredResponse
from switchgear.store.db import insert_into
from switchgear.store.tables import epochs, responses

_ROW = responses.c
_NAMES = StoredResponse.__struct_fields__


class HistoryTooLong(Exception):
    """What came before a response is more than may be handed out at once."""


def keep_responses(connection: Connection, kept: Sequence[StoredResponse], expires_at_ms: int) -> None:
    """Keeps new responses; one of the same id and owner takes the older one's place."""
    for response in kept:
        values = _values(response) | {"expires_at_ms": expires_at_ms}
        statement = insert_into(connection, responses).values(**values)
        changed = {name: value for name, value in values.items() if name not in ("id", "owner")}
        connection.execute(statement.on_conflict_do_update(index_elements=["id", "owner"], set_=changed))


def change_response(connection: Connection, response: StoredResponse) -> bool:
    """Puts an open response into another state; False when it is over or gone, which changes nothing."""
    changed = _values(response)
    for name in ("id", "owner", "created_at_ms", "input_items", "previous_id"):
        del changed[name]
    found = and_(_is(response.id, response.owner), _ROW.status.in_(OPEN))
    return connection.execute(update(responses).where(found).values(**changed)).rowcount > 0


def find_response(connection: Connection, id: str, owner: str, now_ms: int) -> StoredResponse | None:
    """None: there never was one, it expired, or it is another owner's. One whose worker has died before it
    was over is told as failed."""
    row = _find(connection, id, owner, now_ms)
    if row is None:
        return None
    found = _stored(row)
    if found.is_open and not found.bill and _is_buried(connection, found.epoch):
        return StoredResponse(**{name: getattr(found, name) for name in _NAMES} | {"status": "failed"})
    return found


def find_turns(
    connection: Connection, id: str, owner: str, now_ms: int, bytes_max: int
) -> tuple[tuple[bytes, bytes], ...] | str:
    """(input items, output items) of a response and all before it, oldest first; the id of one that is gone
    where the chain is broken. Raises HistoryTooLong."""
    turns: list[tuple[bytes, bytes]] = []
    bytes_total = 0
    while id:
        row = _find(connection, id, owner, now_ms)
        if row is None or row.channel:
            return id
        bytes_total += len(row.input_items) + len(row.output_items)
        if bytes_total > bytes_max or len(turns) >= RESPONSE_TURNS_MAX:
            raise HistoryTooLong
        turns.append((row.input_items, row.output_items))
        id = row.previous_id
    return tuple(reversed(turns))


def drop_response(connection: Connection, id: str, owner: str) -> bool:
    """Forgets a response; False: there was none. While a bill is due its row stays, without its content, for
    nobody to see."""
    due = and_(_is(id, owner), _ROW.due)
    hidden = {"expires_at_ms": 0, "input_items": b"[]", "output_items": b"[]", "response": b""}
    if connection.execute(update(responses).where(due).values(**hidden)).rowcount:
        return True
    return connection.execute(delete(responses).where(_is(id, owner))).rowcount > 0


def claim_due(connection: Connection, epoch: str) -> StoredResponse | None:
    """A response whose bill nobody sees to, as its worker has died: from now on this epoch does."""
    dead = select(epochs.c.id).where(epochs.c.state == "buried")
    query = select(responses).where(_ROW.due, _ROW.epoch.in_(dead)).order_by(_ROW.created_at_ms).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    connection.execute(update(responses).where(_is(row.id, row.owner)).values(epoch=epoch))
    return _stored(row)


def sweep_responses(connection: Connection, now_ms: int) -> int:
    """Deletes some that have expired; how many. A bill that is due outlives its retention."""
    query = select(_ROW.id, _ROW.owner).where(_ROW.expires_at_ms <= now_ms, ~_ROW.due)
    expired = [tuple(row) for row in connection.execute(query.limit(RESPONSE_SWEEP_ROWS))]
    if expired:
        connection.execute(delete(responses).where(tuple_(_ROW.id, _ROW.owner).in_(expired)))
    return len(expired)


def trim_responses(connection: Connection, bytes_max: int) -> int:
    """Deletes some of the oldest responses of owners who have more than ``bytes_max``; how many."""
    kept = select(_ROW.owner).where(~_ROW.due).group_by(_ROW.owner)
    over = kept.having(func.sum(_ROW.bytes) > bytes_max).limit(1)
    owner = connection.execute(over).scalar()
    return 0 if owner is None else _trim(connection, owner, bytes_max)


def trim_largest(connection: Connection, bytes_max: int) -> int:
    """Where all owners together have more than ``bytes_max``, deletes some of the oldest responses of the one
    who has most; how many."""
    bytes_total = connection.execute(select(func.coalesce(func.sum(_ROW.bytes), 0))).scalar() or 0
    if bytes_total <= bytes_max:
        return 0
    of_owner = func.sum(_ROW.bytes)
    largest = select(_ROW.owner, of_owner).where(~_ROW.due).group_by(_ROW.owner).order_by(of_owner.desc())
    row = connection.execute(largest.limit(1)).one_or_none()
    if row is None:
        return 0
    owner, bytes_of_owner = row
    return _trim(connection, owner, max(0, bytes_of_owner - (bytes_total - bytes_max)))


def _trim(connection: Connection, owner: str, bytes_max: int) -> int:
    newer = func.sum(_ROW.bytes).over(order_by=(_ROW.created_at_ms.desc(), _ROW.id.desc()))
    ranked = select(_ROW.id, _ROW.created_at_ms, newer.label("total")).where(_ROW.owner == owner, ~_ROW.due)
    sums = ranked.subquery()
    query = select(sums.c.id).where(sums.c.total > bytes_max).order_by(sums.c.created_at_ms)
    oldest = list(connection.execute(query.limit(RESPONSE_SWEEP_ROWS)).scalars())
    if oldest:
        connection.execute(delete(responses).where(_ROW.owner == owner, _ROW.id.in_(oldest)))
    return len(oldest)


def _find(connection: Connection, id: str, owner: str, now_ms: int) -> Row[Any] | None:
    query = select(responses).where(_is(id, owner), _ROW.expires_at_ms > now_ms)
    return connection.execute(query).one_or_none()


def _is(id: str, owner: str) -> ColumnElement[bool]:
    return and_(_ROW.id == id, _ROW.owner == owner)


def _is_buried(connection: Connection, epoch: str) -> bool:
    return connection.execute(select(epochs.c.state).where(epochs.c.id == epoch)).scalar() == "buried"


def _values(response: StoredResponse) -> dict[str, Any]:
    values = {name: getattr(response, name) for name in _NAMES}
    return values | {"due": bool(response.bill), "bytes": response.bytes_total + RESPONSE_ROW_BYTES}


def _stored(row: Row[Any]) -> StoredResponse:
    return StoredResponse(**{name: row._mapping[name] for name in _NAMES})
