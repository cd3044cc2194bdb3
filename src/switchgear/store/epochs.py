"""Epochs: the lives of workers, ``live → buried``, and how far each one's journal is ingested.

An epoch belongs to the node whose data folder holds its journal: nobody else can know that it is over.
"""

from typing import Literal

import msgspec
from sqlalchemy import Connection, select, update

from switchgear.store.db import insert_into
from switchgear.store.tables import cursors, epochs

EpochState = Literal["live", "buried"]


class EpochRow(msgspec.Struct, frozen=True):
    """A worker's life that is not buried."""

    id: str
    worker_index: int
    started_at_ms: int
    node: str


def open_epoch(connection: Connection, epoch: str, worker_index: int, at_ms: int, node: str) -> None:
    """Makes an epoch of this node known; a repeat changes nothing, and a buried one stays buried."""
    statement = insert_into(connection, epochs).values(
        id=epoch, worker_index=worker_index, state="live", started_at_ms=at_ms, node=node
    )
    connection.execute(statement.on_conflict_do_nothing())


def epoch_state(connection: Connection, epoch: str) -> EpochState | None:
    """None: never opened."""
    return connection.execute(select(epochs.c.state).where(epochs.c.id == epoch)).scalar()


def live_epochs(connection: Connection) -> list[EpochRow]:
    """Epochs of all nodes that are not buried, oldest first: running workers, and dead ones still to be
    settled."""
    query = select(epochs).where(epochs.c.state == "live").order_by(epochs.c.started_at_ms, epochs.c.id)
    return [
        EpochRow(row.id, row.worker_index, row.started_at_ms, row.node) for row in connection.execute(query)
    ]


def adopt_epochs(connection: Connection, node: str) -> int:
    """Gives the epochs of no node to this one; returns how many there were.

    Call it when the node starts: only a database that one node has had to itself holds such epochs.
    """
    return connection.execute(update(epochs).where(epochs.c.node == "").values(node=node)).rowcount


def buried_epochs(connection: Connection) -> set[str]:
    """Ids of all epochs that were ever buried."""
    return set(connection.execute(select(epochs.c.id).where(epochs.c.state == "buried")).scalars())


def mark_buried(connection: Connection, epoch: str, at_ms: int) -> None:
    """Call it in the transaction that empties the leases."""
    connection.execute(update(epochs).where(epochs.c.id == epoch).values(state="buried", buried_at_ms=at_ms))


def cursor(connection: Connection, epoch: str) -> int:
    """Offset up to which the epoch's journal is ingested; 0 before the first record."""
    query = select(cursors.c.journal_offset).where(cursors.c.epoch == epoch)
    return connection.execute(query).scalar() or 0


def move_cursor(connection: Connection, epoch: str, offset: int) -> None:
    """Call it in the transaction that ingests what lies before ``offset``."""
    statement = insert_into(connection, cursors).values(epoch=epoch, journal_offset=offset)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["epoch"], set_={"journal_offset": offset})
    )
