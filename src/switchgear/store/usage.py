"""Looking at what happened: records by filter, newest first, and sums over them."""

from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, func, literal, or_, select

from switchgear.kernel.limits import USAGE_PAGE_MAX
from switchgear.ledger.record import EndState, UsageRecord, decode_record
from switchgear.store.tables import channels, keys, usage, users

By = Literal["user_id", "key_id", "model", "channel", "end_state"]


class UsageFilter(msgspec.Struct, frozen=True):
    """Which records; what is left empty does not restrict."""

    since_ms: int | None = None
    until_ms: int | None = None
    """Not included itself."""
    key: str = ""
    """Name or id, as in ``user`` and ``channel``."""
    user: str = ""
    model: str = ""
    channel: str = ""
    end_state: EndState | None = None
    request_id: str = ""


class UsageTotal(msgspec.Struct, frozen=True):
    """Sums over some records; ``of`` is the value that they share, empty for the sum over all."""

    of: str
    requests: int
    nanos: int
    input_tokens: int
    output_tokens: int


ALL = UsageFilter()


def list_usage(
    connection: Connection, wanted: UsageFilter = ALL, limit: int = 100, before_id: str = ""
) -> list[UsageRecord]:
    """Records as the journal held them, newest first. Next page: ``before_id`` = last id of this one."""
    query = select(usage.c.record).where(*_conditions(wanted))
    if before_id:
        query = query.where(usage.c.request_id < before_id)
    query = query.order_by(usage.c.request_id.desc()).limit(min(limit, USAGE_PAGE_MAX))
    return [decode_record(row.record) for row in connection.execute(query)]


def totals(connection: Connection, wanted: UsageFilter = ALL, by: By | None = None) -> list[UsageTotal]:
    """One sum over everything, or one for each value of ``by``, largest charge first."""
    share: ColumnElement[str] = literal("") if by is None else usage.c[by]
    sums = [func.coalesce(func.sum(usage.c[name]), 0) for name in ("nanos", "input_tokens", "output_tokens")]
    query = select(share, func.count(), *sums).where(*_conditions(wanted))
    if by is not None:
        query = query.group_by(usage.c[by]).order_by(sums[0].desc(), usage.c[by])
    return [UsageTotal(row[0], *(int(value) for value in row[1:])) for row in connection.execute(query)]


def _conditions(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    columns = usage.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.since_ms is not None:
        conditions.append(columns.at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        conditions.append(columns.at_ms < wanted.until_ms)
    if wanted.end_state is not None:
        conditions.append(columns.end_state == wanted.end_state)
    if wanted.request_id:
        conditions.append(columns.request_id == wanted.request_id)
    if wanted.model:
        conditions.append(columns.model == wanted.model)
    for column, table, name in (
        (columns.key_id, keys, wanted.key),
        (columns.user_id, users, wanted.user),
        (columns.channel, channels, wanted.channel),
    ):
        if name:
            conditions.append(_is_or_is_named(column, table, name))
    return conditions


def _is_or_is_named(column: Any, table: Any, name: str) -> ColumnElement[bool]:
    return or_(column == name, column.in_(select(table.c.id).where(table.c.name == name)))
