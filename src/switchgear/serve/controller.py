"""Entry of the controller process: ``python -m switchgear.serve.controller``, started by the supervisor.

It opens the data folder, and runs until SIGTERM or until its parent is gone.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

import uvloop

from switchgear.control.app import Controller
from switchgear.control.snapshot import SnapshotError
from switchgear.kernel.config import ServerConfig
from switchgear.kernel.home import Home
from switchgear.kernel.log import set_up_logging
from switchgear.kernel.process import refuse_core_dumps
from switchgear.serve.boot import Boot
from switchgear.serve.descriptors import raise_descriptor_limit
from switchgear.serve.pipe import watch_pipe
from switchgear.store.db import Database, StoreError, open_database
from switchgear.store.vault import Vault, bind_secrets, load_pepper, load_vault

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """``--boot-fd N --parent-fd N``; the exit code is 0 after a clean stop, 1 otherwise.

    ``--parent-fd`` is the reading end of a pipe whose writing end only the parent holds.
    """
    parser = argparse.ArgumentParser(prog="switchgear-controller")
    parser.add_argument("--boot-fd", type=int, required=True)
    parser.add_argument("--parent-fd", type=int, required=True)
    options = parser.parse_args(argv)
    raise_descriptor_limit()
    boot = Boot.read(options.boot_fd)
    set_up_logging("controller", boot.server.log_level, boot.server.log_format)
    home = Home(Path(boot.data))
    try:
        home.create()
        vault, pepper = load_vault(home), load_pepper(home)
        with contextlib.closing(open_database(home.database)) as database:
            database.write(lambda connection: bind_secrets(connection, vault, pepper))
            uvloop.run(_run(home, database, vault, pepper, boot.server, options.parent_fd))
    except (OSError, StoreError, SnapshotError) as fault:
        log.error("the controller can't run", extra={"reason": str(fault)})
        return 1
    return 0


async def _run(
    home: Home, database: Database, vault: Vault, pepper: bytes, server: ServerConfig, parent: int
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch_pipe(parent, stop.set)
    controller = Controller(
        home,
        database,
        vault,
        pepper,
        settings=server,
    )
    await controller.run(stop)


if __name__ == "__main__":
    refuse_core_dumps()
    sys.exit(main(sys.argv[1:]))
