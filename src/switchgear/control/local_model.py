"""The embedded model's child process: started when first asked for, watched, and started again if it dies.

States: ``stopped`` → ``starting`` → ``running`` → ``stopped`` (it died, or we closed). After
``LOCAL_CRASHES_MAX`` deaths within ``LOCAL_CRASH_WINDOW_S`` it stays ``stopped`` until the window has passed.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from pathlib import Path

import msgspec

import switchgear
from switchgear.control.local_settings import MODEL_ALIAS, LocalSettings
from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import (
    LOCAL_CRASH_WINDOW_S,
    LOCAL_CRASHES_MAX,
    LOCAL_LOOK_TIMEOUT_S,
    LOCAL_START_TIMEOUT_S,
    LOCAL_STOP_TIMEOUT_S,
)
from switchgear.link.protocol import Failed, LocalAddress, LocalEndpoint

log = logging.getLogger(__name__)


class LocalModel:
    """Owns at most one child. ``endpoint`` may be called by many at once; they share one start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start_lock = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._address: LocalAddress | None = None
        self._crashes_ns: list[int] = []
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running child; None when there is none."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def endpoint(self, call: LocalEndpoint) -> LocalAddress | Failed:
        """Where the model listens, once it answers; ``Failed`` says why it can't."""
        if call.model != MODEL_ALIAS:
            return Failed(f"there is no embedded model {call.model!r}; the one here is {MODEL_ALIAS!r}")
        async with self._start_lock:
            if self._address is not None and call.failed_url == self._address.base_url:
                await self._look_after(self._address.base_url)
            if self._address is not None and self.pid is not None:
                return self._address
            if self._crashed_too_often():
                return Failed(
                    f"the embedded model died {LOCAL_CRASHES_MAX} times within {LOCAL_CRASH_WINDOW_S:g} s; "
                    "see the log, it is tried again later"
                )
            return await self._start()

    async def close(self) -> None:
        """Ends the child: by closing its stdin, and by force if it does not go."""
        async with self._start_lock:
            if self._watch is not None:
                self._watch.cancel()
            child, self._child, self._address = self._child, None, None
            if child is not None and child.returncode is None:
                await _end(child)

    async def _look_after(self, base_url: str) -> None:
        """A worker got no answer. The child may be dying, which it is given time for, as its sockets close
        before its end is known; one that stays but does not answer is ended."""
        child, watch = self._child, self._watch
        if child is None or watch is None:
            return
        try:
            async with asyncio.timeout(LOCAL_LOOK_TIMEOUT_S):
                await _until_healthy(base_url.removesuffix("/v1"))
                return
        except (OSError, TimeoutError):
            await _end(child)
        await asyncio.wait((watch,))

    async def _start(self) -> LocalAddress | Failed:
        secret = secrets.token_urlsafe(32)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "switchgear.control.local_server",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        self._child = child
        try:
            async with asyncio.timeout(LOCAL_START_TIMEOUT_S):
                base = await _first_line(child, LocalSettings(secret, os.getpid()))
                await _until_healthy(base)
        except (OSError, TimeoutError, ValueError) as fault:
            await _end(child)
            self._count_crash()
            why = {"reason": str(fault), "status": child.returncode}
            log.error("the embedded model did not start", extra=why)
            return Failed(f"the embedded model did not start: {fault or 'it took too long'}")
        self._address = LocalAddress(f"{base}/v1", secret)
        self._watch = asyncio.create_task(self._mourn(child), name="local model")
        log.info("the embedded model listens", extra={"url": base, "pid": child.pid})
        return self._address

    async def _mourn(self, child: asyncio.subprocess.Process) -> None:
        """Notes a death that we did not ask for; the next call starts a new child."""
        status = await child.wait()
        self._address = None
        self._count_crash()
        log.error("the embedded model died", extra={"status": status})

    def _count_crash(self) -> None:
        self._crashes_ns = [*self._crashes_ns, self._clock.monotonic_ns()][-LOCAL_CRASHES_MAX:]

    def _crashed_too_often(self) -> bool:
        since = self._clock.monotonic_ns() - int(LOCAL_CRASH_WINDOW_S * 1e9)
        return sum(at >= since for at in self._crashes_ns) >= LOCAL_CRASHES_MAX


def _environment() -> dict[str, str]:
    """Only what Python needs: no vendor key of the operator's environment reaches the child."""
    names = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(Path(switchgear.__file__).parents[1]),
        # Each arena reserves 64 MiB of the address space, and there would be one for each thread.
        "MALLOC_ARENA_MAX": "2",
    }


async def _first_line(child: asyncio.subprocess.Process, settings: LocalSettings) -> str:
    """Hands over the settings, and waits for the address that the child writes when it listens."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("no pipes")
    child.stdin.write(msgspec.json.encode(settings) + b"\n")
    await child.stdin.drain()
    line = (await child.stdout.readline()).decode().strip()
    if not line.startswith("http://127.0.0.1:"):
        raise ValueError("it ended before it listened")
    return line


async def _until_healthy(base: str) -> None:
    """Asks ``/health`` until it says 200: the port is open before the model is loaded."""
    port = int(base.rpartition(":")[2])
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if b" 200 " in await reader.readline():
                return
        finally:
            writer.close()
        await asyncio.sleep(0.05)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.stdin is not None:
        child.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOCAL_STOP_TIMEOUT_S):
            await child.wait()
    if child.returncode is None:
        child.kill()
        await child.wait()
