"""Groups: a name and the factor on its prices."""

from sqlalchemy import Connection, select

from switchgear.kernel.config import GroupConfig
from switchgear.store.db import ApplyError
from switchgear.store.rows import change_lines, put_row
from switchgear.store.tables import groups


def put_group(connection: Connection, group: GroupConfig) -> tuple[str, ...]:
    """Makes or changes the group; returns what changed, in words."""
    wanted = {"name": group.name, "ratio_ppm": group.ratio_ppm, "upstream_objects": group.upstream_objects}
    changed = put_row(connection, groups, groups.c.name, wanted, {})
    return change_lines("group", group.name, changed)


def list_groups(connection: Connection) -> dict[str, int]:
    """Group → ratio in parts per million."""
    rows = connection.execute(select(groups.c.name, groups.c.ratio_ppm).order_by(groups.c.name))
    return {row.name: row.ratio_ppm for row in rows}


def open_groups(connection: Connection) -> tuple[str, ...]:
    """Groups whose keys may name anything of the upstream's account."""
    query = select(groups.c.name).where(groups.c.upstream_objects).order_by(groups.c.name)
    return tuple(connection.execute(query).scalars())


def require_group(connection: Connection, name: str, wanted_by: str) -> None:
    """Raises ApplyError if there is no such group; ``wanted_by`` says who needs it."""
    if connection.execute(select(groups.c.name).where(groups.c.name == name)).scalar() is None:
        raise ApplyError(f"{wanted_by}: there is no group {name!r}")
