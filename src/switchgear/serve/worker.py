"""Entry of a relay worker process: ``python -m switchgear.serve.worker``, started by the supervisor."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

import uvloop

from switchgear.kernel.home import Home
from switchgear.kernel.log import set_up_logging
from switchgear.kernel.process import refuse_core_dumps
from switchgear.net.choose import RoutedTransport
from switchgear.net.transport import Transport
from switchgear.net.transport_lean import LeanTransport
from switchgear.relay.worker import Worker
from switchgear.serve.boot import Boot
from switchgear.serve.descriptors import (
    client_connections_max,
    raise_descriptor_limit,
    upstream_connections_max,
)
from switchgear.serve.pipe import watch_pipe

GC_THRESHOLD = 20_000
"""Objects made since the last collection before the next."""


def main() -> int:
    options = _options()
    refuse_core_dumps()
    boot = Boot.read(options.boot_fd)
    set_up_logging("worker", boot.server.log_level, boot.server.log_format)
    _pin(options.index)
    _calm_collector()
    uvloop.run(_run(options, boot))
    return 0


async def _run(options: argparse.Namespace, boot: Boot) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    watch_pipe(options.parent_fd, stop.set)
    descriptors = raise_descriptor_limit()
    lean = LeanTransport(connections_max=upstream_connections_max(descriptors))
    worker = Worker(
        Home(Path(boot.data)),
        options.index,
        RoutedTransport(lean, _other_transport),
        log_format=boot.server.log_format,
        connections_max=client_connections_max(descriptors),
    )
    watch_pipe(options.announced_fd, worker.announced)
    await worker.run(options.listener_fd, stop, boot.server.drain_s, _say_ready)


def _other_transport() -> Transport:
    """Imported when first needed: few workers need it, and it brings threads of its own."""
    from switchgear.net.transport_pyreqwest import PyreqwestTransport

    return PyreqwestTransport()


def _say_ready() -> None:
    os.write(1, b"ready\n")


def _pin(index: int) -> None:
    """One core for a worker with its server threads: unpinned it costs two to three times the processor
    time."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[index % len(cores)]})


def _calm_collector() -> None:
    """What is loaded by now lives as long as the process, and a call leaves no cycles behind unless it fails:
    looking for them at every few hundred objects costs a twelfth of the processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("index", "boot-fd", "parent-fd", "announced-fd", "listener-fd"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
