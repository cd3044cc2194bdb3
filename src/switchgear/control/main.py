"""The controller as a process: opens the data folder, runs until SIGTERM or until its parent is gone."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from switchgear.control.app import Controller
from switchgear.control.snapshot import SnapshotError
from switchgear.kernel.home import Home
from switchgear.kernel.limits import CLIENT_GONE_READ_S, RESPONSES_RETENTION_DAYS
from switchgear.kernel.log import set_up_logging
from switchgear.store.db import Database, StoreError, open_database
from switchgear.store.vault import Vault, bind_secrets, load_pepper, load_vault

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """``DATA [--parent-fd N] [--trusted-proxy CIDR …] [--responses-retention-days N]``; the exit code is 0
    after a clean stop, 1 otherwise.

    ``--parent-fd`` is the reading end of a pipe whose writing end only the parent holds.
    """
    parser = argparse.ArgumentParser(prog="switchgear-controller")
    parser.add_argument("data", type=Path)
    parser.add_argument("--parent-fd", type=int)
    parser.add_argument("--trusted-proxy", action="append", default=[], metavar="CIDR")
    parser.add_argument("--responses-retention-days", type=int, default=RESPONSES_RETENTION_DAYS)
    parser.add_argument("--client-gone-read-s", type=float, default=CLIENT_GONE_READ_S)
    options = parser.parse_args(argv)
    set_up_logging("controller")
    home = Home(options.data)
    try:
        home.create()
        vault, pepper = load_vault(home), load_pepper(home)
        with contextlib.closing(open_database(home.database)) as database:
            database.write(lambda connection: bind_secrets(connection, vault, pepper))
            uvloop.run(_run(home, database, vault, pepper, options))
    except (OSError, StoreError, SnapshotError) as fault:
        log.error("the controller can't run", extra={"reason": str(fault)})
        return 1
    return 0


async def _run(
    home: Home, database: Database, vault: Vault, pepper: bytes, options: argparse.Namespace
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.parent_fd is not None:
        loop.add_reader(options.parent_fd, _parent_spoke, options.parent_fd, stop)
    controller = Controller(
        home,
        database,
        vault,
        pepper,
        trusted_proxies=tuple(options.trusted_proxy),
        responses_retention_days=options.responses_retention_days,
        client_gone_read_s=options.client_gone_read_s,
    )
    await controller.run(stop)


def _parent_spoke(descriptor: int, stop: asyncio.Event) -> None:
    """The pipe ends when the parent does; what it may write means nothing."""
    if not os.read(descriptor, 4096):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
