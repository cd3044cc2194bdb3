"""The books of the database, fed to the auditor in chunks, and a quick gauge of the same."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Row, Select, func, literal, select, union_all

from switchgear.kernel.limits import AUDIT_CHUNK_ROWS
from switchgear.ledger import chart
from switchgear.ledger.audit import Finding, audit
from switchgear.ledger.record import UsageRecord, decode_record
from switchgear.ledger.transfer import Transfer
from switchgear.store.accounts import balances
from switchgear.store.epochs import buried_epochs
from switchgear.store.tables import accounts, leases, transfers, usage


def audit_database(connection: Connection) -> list[Finding]:
    """Recomputes everything from transfers and records; see ``ledger.audit`` for the kinds of finding.

    Added here: ``row`` (a row that is no transfer or record, or whose columns differ from the record in it)
    and ``lease_totals`` (cumulative lease figures that the transfers do not give).
    """
    unreadable: list[Finding] = []
    settles = transfers.c.kind == "settle"
    findings = audit(
        _transfers(connection, select(transfers).where(settles), unreadable),
        _transfers(connection, select(transfers).where(~settles), unreadable),
        _records(connection, unreadable),
        balances(connection),
        buried_epochs(connection),
    )
    return [*unreadable, *findings, *_lease_findings(connection)]


def drift(connection: Connection) -> int:
    """Nanos by which the stored balances are off, in sum and account by account; 0 when all is right.

    Reads all transfers, about a second a million. In chunks: one grouping of all of them would keep each in
    memory (measured: 150 bytes).
    """
    off: dict[str, int] = {}
    for account, nanos in _moved(connection):
        off[account] = off.get(account, 0) + nanos
    stored_sum = 0
    for row in connection.execute(select(accounts.c.id, accounts.c.balance)):
        off[row.id] = off.get(row.id, 0) - row.balance
        stored_sum += row.balance
    return sum(map(abs, off.values())) + abs(stored_sum)


def _moved(connection: Connection) -> Iterator[tuple[str, int]]:
    """(account, nanos that came in, less those that went out), for each chunk of transfers anew."""
    after = ""
    while True:
        chunk = select(transfers).where(transfers.c.id > after)
        some = chunk.order_by(transfers.c.id).limit(AUDIT_CHUNK_ROWS).cte("some")
        signed = union_all(
            select(some.c.credit.label("account"), some.c.nanos.label("nanos"), some.c.id.label("id")),
            select(some.c.debit, -some.c.nanos, some.c.id),
        ).subquery()
        sums = select(signed.c.account, func.sum(signed.c.nanos), func.max(signed.c.id))
        rows = connection.execute(sums.group_by(signed.c.account)).all()
        if not rows:
            return
        for account, nanos, last in rows:
            after = max(after, last)
            yield account, int(nanos)


def _transfers(connection: Connection, query: Select[Any], unreadable: list[Finding]) -> Iterator[Transfer]:
    for row in _ascending(connection, query, transfers.c.id):
        try:
            yield Transfer(row.id, row.debit, row.credit, row.nanos, row.kind, row.ref, row.at_ms)
        except ValueError as error:
            unreadable.append(Finding("row", row.id, str(error)))


def _records(connection: Connection, unreadable: list[Finding]) -> Iterator[UsageRecord]:
    query = select(usage.c.request_id, usage.c.nanos, usage.c.record)
    for row in _ascending(connection, query, usage.c.request_id):
        try:
            record = decode_record(row.record)
        except msgspec.DecodeError as error:
            unreadable.append(Finding("row", row.request_id, f"no record: {error}"))
            continue
        if (record.request_id, record.charge.nanos) != (row.request_id, row.nanos):
            detail = f"{row.nanos} nanos, its record says {record.charge.nanos} ({record.request_id})"
            unreadable.append(Finding("row", row.request_id, detail))
        yield record


def _ascending(connection: Connection, query: Select[Any], by: Column[str]) -> Iterator[Row[Any]]:
    """All rows in order of an id, in chunks, so that memory stays flat however many there are."""
    query = query.order_by(by).limit(AUDIT_CHUNK_ROWS)
    rows = connection.execute(query).all()
    while rows:
        yield from rows
        rows = connection.execute(query.where(by > rows[-1]._mapping[by])).all()


def _lease_findings(connection: Connection) -> Iterator[Finding]:
    moved: dict[tuple[str, str], int] = {}
    for kind, column in (("grant", transfers.c.credit), ("return", transfers.c.debit)):
        query = select(literal(kind), column, func.sum(transfers.c.nanos))
        for _, lease, nanos in connection.execute(query.where(transfers.c.kind == kind).group_by(column)):
            moved[kind, lease] = int(nanos)
    for row in connection.execute(select(leases).order_by(leases.c.epoch, leases.c.account)):
        lease = chart.lease(row.account, row.epoch)
        derived = moved.get(("grant", lease), 0), moved.get(("return", lease), 0)
        if derived != (row.granted, row.returned):
            detail = f"says {row.granted} granted, {row.returned} returned; transfers give {derived}"
            yield Finding("lease_totals", lease, detail)
