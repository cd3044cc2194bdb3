"""What the controller knows of time, through restarts."""

import msgspec
from sqlalchemy import Connection, select

from switchgear.store.db import insert_into
from switchgear.store.tables import meta

_NAME = "steady_clock"


class Steady(msgspec.Struct, frozen=True):
    """How far the wall clock is trusted; see ``control.steady``."""

    trusted_ms: int = 0
    """0: nothing is known yet, so the clock is believed."""
    held_ms: int = 0
    """For so long the wall clock has been ahead."""


def load_steady(connection: Connection) -> Steady:
    """What was kept last."""
    text = connection.execute(select(meta.c.value).where(meta.c.name == _NAME)).scalar()
    return Steady() if text is None else msgspec.json.decode(str(text), type=Steady)


def save_steady(connection: Connection, state: Steady) -> None:
    """Keeps it for the next start."""
    value = msgspec.json.encode(state).decode()
    statement = insert_into(connection, meta).values(name=_NAME, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
