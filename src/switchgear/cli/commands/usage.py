"""``switchgear usage``: the records of requests, newest first."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer
from sqlalchemy import Connection

from switchgear.cli.commands.keys import checked
from switchgear.cli.opened import now_ms, store_of, vault_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, example, new_app
from switchgear.cli.output import Failure, moment_text, print_json, print_table
from switchgear.config import read
from switchgear.kernel.limits import USAGE_PAGE_MAX
from switchgear.kernel.money import usd_from_nanos
from switchgear.ledger.record import END_STATES, UsageRecord
from switchgear.store.channels import list_channels
from switchgear.store.keys import list_keys
from switchgear.store.usage import By, UsageFilter, UsageTotal, list_usage, totals
from switchgear.store.users import list_users
from switchgear.store.vault import Vault

app = new_app()

_REQUEST_ID = re.compile(r"(?:[a-z]+[_-])?([0-9a-f]{32})")
"""Bare, or with what stands before it in an answer: ``req_``, ``chatcmpl-``, ``resp_`` …"""
_SPAN = re.compile(r"([0-9]{1,6})([mhd])")
_SPAN_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SUMS: dict[str, By] = {
    "user": "user_id",
    "key": "key_id",
    "model": "model",
    "channel": "channel",
    "end_state": "end_state",
}


class Names(msgspec.Struct, frozen=True):
    """Names by id, for people."""

    keys: dict[str, str]
    users: dict[str, str]
    channels: dict[str, str]


@app.command(
    epilog=example("switchgear usage --key ci --since 24h", "switchgear usage --by model --since 7d --json")
)
def usage(
    key: Annotated[str, typer.Option(help="Name or id of a key.")] = "",
    user: Annotated[str, typer.Option(help="Name or id of a user.")] = "",
    model: Annotated[str, typer.Option(help="Model as clients name it.")] = "",
    channel: Annotated[str, typer.Option(help="Name or id of a channel.")] = "",
    end_state: Annotated[str | None, typer.Option(help=f"One of {', '.join(END_STATES)}.")] = None,
    request_id: Annotated[str, typer.Option(help="One request.")] = "",
    since: Annotated[str | None, typer.Option(help="Span before now, such as 15m, 24h or 7d.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=USAGE_PAGE_MAX)] = 50,
    before: Annotated[
        str, typer.Option(help="Only requests before this one; for a next page, the last id of this one.")
    ] = "",
    by: Annotated[str | None, typer.Option(help=f"Sums instead of records, by {', '.join(_SUMS)}.")] = None,
    data: Data = DATA_DEFAULT,
    json: Json = False,
) -> None:
    """List what requests used and cost, newest first.

    The database gets a record within about a second after its request ended.
    """
    wanted = UsageFilter(
        since_ms=None if since is None else now_ms() - _span_ms(since),
        key=key,
        user=user,
        model=model,
        channel=channel,
        request_id=_request_id("--request-id", request_id),
    )
    before = _request_id("--before", before)
    if end_state is not None:
        word = str(checked("--end-state", end_state, read.one_of(*END_STATES)))
        wanted = msgspec.structs.replace(wanted, end_state=word)
    if by is not None:
        _print_sums(wanted, by, data, json)
        return
    with store_of(data) as database:
        vault = vault_of(data)

        def look(connection: Connection) -> tuple[list[UsageRecord], Names]:
            names = _names(connection, vault, wanted)
            return list_usage(connection, wanted, limit, before), names

        records, names = database.read(look)
    if json:
        for record in records:
            print_json(_object(record, names))
    else:
        _print_records(records, names)


def _print_sums(wanted: UsageFilter, by: str, data: Data, json: bool) -> None:
    column = _SUMS[str(checked("--by", by, read.one_of(*_SUMS)))]
    with store_of(data) as database:
        vault = vault_of(data)

        def look(connection: Connection) -> tuple[list[UsageTotal], Names]:
            names = _names(connection, vault, wanted)
            return totals(connection, wanted, column), names

        sums, names = database.read(look)
    shown = {"user_id": names.users, "key_id": names.keys, "channel": names.channels}.get(column, {})
    if json:
        for row in sums:
            print_json({**msgspec.structs.asdict(row), "of": shown.get(row.of, row.of), "id": row.of})
        return
    print_table(
        (by, "requests", "input", "output", "usd"),
        [
            (
                shown.get(row.of, row.of),
                row.requests,
                row.input_tokens,
                row.output_tokens,
                usd_from_nanos(row.nanos),
            )
            for row in sums
        ],
    )


def _print_records(records: list[UsageRecord], names: Names) -> None:
    print_table(
        ("at", "request_id", "key", "model", "channel", "end_state", "status", "in", "out", "usd", "ms"),
        [
            (
                moment_text(record.at_ms),
                record.request_id,
                names.keys.get(record.key_id, record.key_id),
                record.model,
                names.channels.get(record.channel, record.channel),
                record.end_state,
                record.status,
                record.usage.input_total,
                record.usage.output_total,
                usd_from_nanos(record.charge.nanos),
                record.timings.total_us // 1000,
            )
            for record in records
        ],
        ("channel", "ms", "key", "end_state", "request_id"),
    )


def _object(record: UsageRecord, names: Names) -> dict[str, object]:
    """The whole record, with names beside ids and every class and timing named."""
    plain = msgspec.to_builtins(record)
    return {
        **plain,
        "at": moment_text(record.at_ms),
        "key": names.keys.get(record.key_id, record.key_id),
        "user": names.users.get(record.user_id, record.user_id),
        "channel": names.channels.get(record.channel, record.channel),
        "charge_nanos": record.charge.nanos,
        "usage": msgspec.structs.asdict(record.usage),
        "timings": msgspec.structs.asdict(record.timings),
        "status": record.status,
        "stream": record.stream,
        "error": record.error,
    }


def _names(connection: Connection, vault: Vault, wanted: UsageFilter) -> Names:
    """Raises Failure when a key or a user is wanted that there never was."""
    keys = {key.key_id: key.key_name for key in list_keys(connection)}
    users = {user.id: user.name for user in list_users(connection)}
    _check_known("key", wanted.key, keys)
    _check_known("user", wanted.user, users)
    return Names(keys, users, {row.id: row.config.name for row in list_channels(connection, vault)})


def _check_known(what: str, wanted: str, names: Mapping[str, str]) -> None:
    if wanted and wanted not in names and wanted not in names.values():
        raise Failure(f"there is no {what} '{wanted}'")


def _request_id(option: str, text: str) -> str:
    """The id as records have it; empty for an option that is not given."""
    if not text:
        return ""
    if (found := _REQUEST_ID.fullmatch(text)) is None:
        raise typer.BadParameter(f'"{text}" is not a request id, 32 hex digits', param_hint=option)
    return found[1]


def _span_ms(text: str) -> int:
    if (found := _SPAN.fullmatch(text)) is None:
        raise typer.BadParameter(f'"{text}" is not a span such as 15m, 24h or 7d', param_hint="--since")
    return int(found[1]) * _SPAN_MS[found[2]]
