"""Without this a worker that finds no controller could not be told to stop, and would outlive its parent."""

import asyncio
from pathlib import Path

from switchgear.kernel.home import Home
from switchgear.net.transport_lean import LeanTransport
from switchgear.relay.worker import Worker


async def test_a_worker_that_waits_for_a_controller_can_be_stopped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    stop, serving = asyncio.Event(), []
    worker = Worker(home, 0, LeanTransport())
    running = asyncio.create_task(worker.run(-1, stop, 1.0, lambda: serving.append(True)))
    await asyncio.wait([running], timeout=0.05)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 2.0)
    assert not serving
