"""Without these a container could not be stopped while it starts, nor a server start again after a crash."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.harness import ROOT, Server
from tests.sim.upstream import FakeUpstream

from switchgear.kernel.home import Home

LONG = {
    "model": "slow-model",
    "max_tokens": 400,
    "stream": True,
    "messages": [{"role": "user", "content": "Say many words."}],
}
"""About 8 s."""
AS_FIRST = (
    "import os, signal; os.getpid = lambda: 1; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "from switchgear.cli import main\n"
    "main()"
)
"""As the kernel treats the first process of a container: a signal that it does not ask for is not there."""
END_TIMEOUT_S = 30.0
POLL_S = 0.01

pytestmark = [pytest.mark.process]


@pytest.mark.parametrize("sign", ["lock", "database"])
def test_a_stop_during_the_start_of_a_container_is_heard(tmp_path: Path, sign: str) -> None:
    home = Home(tmp_path / "data")
    until = {"lock": home.lock, "database": home.database}[sign]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "SWITCHGEAR_DATA": str(home.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", AS_FIRST, "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not until.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended with {process.wait(POLL_S)}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_TIMEOUT_S) in (0, 128 + signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[Server, str, FakeUpstream]]:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        text = settings.usual(upstream.base_url, ["slow-model"], key, model_map={"slow-model": "fault-slow"})
        server = Server(text, workers=2)
        try:
            await asyncio.to_thread(server.start)
            yield server, key, upstream
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            await asyncio.to_thread(server.close)


@pytest.mark.asyncio
async def test_the_port_is_free_at_once_after_the_supervisor_was_killed(
    served: tuple[Server, str, FakeUpstream],
) -> None:
    server, key, upstream = served
    running = [asyncio.create_task(client.call(server.port, key, LONG)) for _ in range(4)]
    await upstream.wait_for(lambda one: one.open_streams == 4)
    (supervisor,) = server.pids("supervisor")
    os.kill(supervisor, signal.SIGKILL)
    server._started().wait()  # of the supervisor alone: its workers still run
    await asyncio.to_thread(server.start)
    short = LONG | {"max_tokens": 2}
    again = await client.call(server.port, key, short)
    assert (again.status, again.has_ended) == (200, True)
    for reply in await asyncio.gather(*running):
        assert reply.status == 200
    await asyncio.to_thread(server.stop)
