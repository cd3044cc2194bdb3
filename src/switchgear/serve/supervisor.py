"""Keeps one controller and N workers running, until it is told to stop.

SIGTERM or SIGINT: workers drain, then the controller books what they left. SIGHUP: workers are replaced one
by one, each successor serving before its predecessor drains, so no connection is refused and no stream is
cut. A child that dies is started again at once, and later and later if it keeps dying. If the supervisor
itself dies, its children see their end of a pipe close and stop by themselves.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal

from switchgear.kernel.limits import WORKERS_MAX
from switchgear.serve.boot import Boot
from switchgear.serve.descriptors import raise_descriptor_limit
from switchgear.serve.environment import worker_environment

READY_TIMEOUT_S = 60.0
CONTROLLER_STOP_S = 10.0
STEADY_S = 5.0
"""A child that lived so long had a good start: the next restart is immediate again."""
RESTART_DELAY_S_MAX = 2.0
START_DEATHS_MAX = 6
"""A server whose children die so often in a row before the first call can be answered will not start."""

# The controller's threads take turns at the same work. With a heap for each of them, every one of these heaps
# grows to the whole peak; and large blocks that are taken from a heap leave holes in it. A body in a block of
# its own grows without being copied, and goes back to the system when it is done with.
_MALLOC = {
    "controller": {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"},
    "worker": {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "4194304"},
}

log = logging.getLogger("switchgear.supervisor")

Role = Literal["controller", "worker"]


def supervise(boot: Boot, listener: int, announce: Callable[[], None]) -> int:
    """Runs the server on an inherited socket and gives its exit status; ``announce`` is called once calls are
    answered. Stop signals may be blocked until then: they are taken from here on."""
    raise_descriptor_limit()
    if os.geteuid() == 0:
        log.warning("the server runs as root; a user of its own that owns the data folder is enough")
    return asyncio.run(_Supervisor(boot, listener).run(announce))


class _Child:
    """One place that a process fills: the controller, or a worker's number."""

    def __init__(self, role: Role, number: int) -> None:
        self.role: Role = role
        self.number = number
        self.generation = 0
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.quick_deaths = 0

    @property
    def name(self) -> str:
        return self.role if self.role == "controller" else f"worker {self.number}"

    @property
    def index(self) -> int:
        """A worker's column in shared tables; a successor that overlaps its predecessor has the other of
        two."""
        return self.number + WORKERS_MAX * (self.generation % 2)


class _Supervisor:
    def __init__(self, boot: Boot, listener: int) -> None:
        self._boot = boot.write()
        self._listener = listener
        self._drain_s = boot.server.drain_s
        self._controller = _Child("controller", 0)
        self._workers = [_Child("worker", number) for number in range(boot.server.workers or 1)]
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rolling = asyncio.Lock()
        self._retiring: asyncio.subprocess.Process | None = None
        """A worker whose successor starts, or serves already."""
        self._announced = False
        self._failed = False

    async def run(self, announce: Callable[[], None]) -> int:
        self._parent_read, parent_write = os.pipe()
        self._announced_read, self._announced_write = os.pipe()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn_task(self._roll()))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        try:
            for child in (self._controller, *self._workers):
                self._spawn_task(self._keep(child))
            # A worker is ready once the controller has welcomed it, so this covers both.
            if not await self._all_ready(self._workers):
                return 1
            if not self._stopping.is_set():
                self._announced = True
                announce()
                os.close(self._announced_write)  # now every worker says that it is ready, also later ones
            await self._stopping.wait()
            return int(self._failed)
        finally:
            await self._stop()
            for descriptor in (parent_write, self._parent_read, self._announced_read, self._boot):
                os.close(descriptor)
            if not self._announced:
                os.close(self._announced_write)

    async def _all_ready(self, children: list[_Child]) -> bool:
        """Waits until every child serves, or the server is told to stop."""

        async def until_ready() -> None:
            for child in children:
                await child.ready.wait()

        waits = [asyncio.create_task(until_ready()), asyncio.create_task(_until(self._stopping))]
        ended, _ = await asyncio.wait(waits, timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        done = bool(ended)
        for wait in waits:
            wait.cancel()
        if not done:
            late = ", ".join(child.name for child in children if not child.ready.is_set())
            log.error("not ready within %g s: %s", READY_TIMEOUT_S, late)
        return done

    def _spawn_task(self, coroutine: "Coroutine[Any, Any, None]") -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, child: _Child) -> None:
        """Starts a child, and starts it again whenever it ends by itself."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began_s = loop.time()
            try:
                process = await self._start(child)
            except OSError as error:
                log.error("%s can't be started: %s", child.name, error)
            else:
                await self._until_end(child, process)
                if self._stopping.is_set() or child.process is not process:
                    return  # its successor has a keeper of its own
                child.ready.clear()
                log.warning("%s ended with status %s; starting it again", child.name, process.returncode)
            child.quick_deaths = 0 if loop.time() - began_s >= STEADY_S else child.quick_deaths + 1
            if child.quick_deaths >= START_DEATHS_MAX and not self._announced:
                log.error("%s does not start; giving up", child.name)
                self._failed = True
                self._stopping.set()
            delay_s = min(0.05 * 2 ** min(child.quick_deaths - 1, 10), RESTART_DELAY_S_MAX)
            if child.quick_deaths:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _start(self, child: _Child) -> asyncio.subprocess.Process:
        given = {"boot": self._boot, "parent": self._parent_read}
        arguments: list[str] = []
        if child.role == "worker":
            given |= {"listener": self._listener, "announced": self._announced_read}
            arguments = ["--index", str(child.index)]
        arguments += [f"--{name}-fd={descriptor}" for name, descriptor in given.items()]
        # A session of its own: a Ctrl-C at the terminal reaches the supervisor only, which then stops all in
        # order.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"switchgear.serve.{child.role}",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={**_MALLOC[child.role], **_environment(child.role)},
            pass_fds=tuple(given.values()),
            start_new_session=True,
        )
        child.process = process
        return process

    async def _until_end(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        """Notes the line by which a child says that it serves, then waits for its end."""
        if process.stdout is not None and await process.stdout.readline() == b"ready\n":
            child.ready.set()
        await process.wait()

    async def _roll(self) -> None:
        """Replaces the workers one by one."""
        async with self._rolling:
            for child in self._workers:
                if self._stopping.is_set():
                    return
                predecessor = self._retiring = child.process
                child.generation += 1
                child.ready.clear()
                self._spawn_task(self._keep(child))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(child.ready.wait(), READY_TIMEOUT_S)
                if predecessor is not None:
                    _signal(predecessor, signal.SIGTERM)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(predecessor.wait(), self._drain_s + 2.0)

    async def _turn_away(self) -> None:
        """Closes the connections that come while workers drain: nobody else would take them, and they would
        wait until all is over."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._listener)) as listener:
            while True:
                connection, _ = await loop.sock_accept(listener)
                connection.close()

    async def _stop(self) -> None:
        self._stopping.set()
        self._spawn_task(self._turn_away())
        await _end([*(child.process for child in self._workers), self._retiring], self._drain_s + 3.0)
        await _end([self._controller.process], CONTROLLER_STOP_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _environment(role: Role) -> Mapping[str, str]:
    return worker_environment(os.environ) if role == "worker" else os.environ


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _end(processes: "list[asyncio.subprocess.Process | None]", timeout_s: float) -> None:
    """Asks processes to stop, and makes sure of it after a while."""
    running = [process for process in processes if process is not None and process.returncode is None]
    for process in running:
        _signal(process, signal.SIGTERM)
    waits = [asyncio.ensure_future(process.wait()) for process in running]
    if waits:
        await asyncio.wait(waits, timeout=timeout_s)
    for process in running:
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
