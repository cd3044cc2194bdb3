"""Records of a journal become usage rows and transfers, and the cursor moves, all in one transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from switchgear.ledger.record import UsageRecord, encode_record
from switchgear.ledger.recover import EpochBuried
from switchgear.ledger.transfer import settle
from switchgear.store.accounts import known_ids, post_new
from switchgear.store.db import StoreError, insert_many
from switchgear.store.epochs import cursor, epoch_state, move_cursor
from switchgear.store.tables import usage

__all__ = ["GapError", "cursor", "ingest"]

_COLUMNS = tuple(usage.c.keys())


class GapError(StoreError):
    """The batch starts beyond the cursor: records between the two would be forgotten."""


def ingest(
    connection: Connection, epoch: str, records: Sequence[UsageRecord], start_offset: int, end_offset: int
) -> int:
    """Books the records that lie in the journal between two offsets; returns how many were new.

    Repeats and overlaps change nothing: what the cursor has passed is skipped whole, and a request id is
    booked once. Raises GapError if bytes between the cursor and ``start_offset`` are missing, EpochBuried if
    there is anything new in the journal of a buried epoch; the caller's transaction must then be given up.
    """
    if not 0 <= start_offset <= end_offset:
        raise ValueError(f"a batch can't lie between offsets {start_offset} and {end_offset}")
    position = cursor(connection, epoch)
    if start_offset > position:
        raise GapError(f"epoch {epoch}: the cursor is at {position}, the batch starts at {start_offset}")
    if end_offset <= position:
        return 0
    if epoch_state(connection, epoch) == "buried":
        raise EpochBuried(epoch)
    fresh: dict[str, UsageRecord] = {}
    for record in records:
        fresh.setdefault(record.request_id, record)
    for known in known_ids(connection, usage.c.request_id, list(fresh)):
        del fresh[known]
    if fresh:
        insert_many(connection, usage, _COLUMNS, [_row(record, epoch) for record in fresh.values()])
        # A settlement is only ever booked together with its usage row, so these are as new as the rows.
        post_new(connection, [move for record in fresh.values() for move in settle(record, epoch)])
    move_cursor(connection, epoch, end_offset)
    return len(fresh)


def _row(record: UsageRecord, epoch: str) -> tuple[Any, ...]:
    return (
        record.request_id,
        record.at_ms,
        epoch,
        record.user_id,
        record.key_id,
        record.model,
        record.channel,
        record.end_state,
        record.charge.nanos,
        record.usage.input_total,
        record.usage.output_total,
        encode_record(record),
    )
