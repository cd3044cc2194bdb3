"""A node: one data folder, its controller and its workers. Several may share one database."""

import re

from switchgear.kernel.home import Home
from switchgear.kernel.ids import new_id
from switchgear.store.create_once import create_once
from switchgear.store.engine import StoreError

_ID = re.compile(r"[0-9a-f]{32}")


def load_node_id(home: Home) -> str:
    """The node's id, 32 hex digits, made at first use and kept in the data folder for good.

    Raises StoreError if the file can't be read or written, or holds something else.
    """
    try:
        create_once(home.node, new_id())
        node = home.node.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{home.node}: {error}") from error
    if not _ID.fullmatch(node):
        raise StoreError(f"{home.node}: must hold 32 lower-case hex digits, the id of this node")
    return node
