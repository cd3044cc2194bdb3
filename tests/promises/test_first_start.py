"""A start shows the key and the password that it made, or the next one does. Without these, whoever stops a
first start too early has a server that nobody can use."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.processes import descendants, is_alive

from switchgear.kernel.home import Home

pytestmark = pytest.mark.process

SOURCE = Path(__file__).parents[2] / "src"
SHOWN = re.compile(r"sk-\w+(?= .*shown only now)|(?<=admin / )\S+(?= .*shown only now)")


@contextmanager
def starting(data: Path, **streams: object) -> Iterator["subprocess.Popen[str]"]:
    """A server that starts; it and its family are gone at the end."""
    options = ["--data", str(data), "--port", "0", "--workers", "1"]
    command = [sys.executable, "-m", "switchgear.cli", "serve", *options]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL} | streams
    process = subprocess.Popen(command, text=True, env=environment, **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        family = descendants(process.pid)
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        while any(is_alive(pid) for pid in family):
            pass


def shown_by(process: "subprocess.Popen[str]") -> list[str]:
    """The key and the password, as far as this start shows them."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        found += SHOWN.findall(line)
        if "Stop with" in line:
            return found
    return found


def made(home: Home) -> bool:
    return home.database.exists() and home.unshown.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_cut_off_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    home = Home(tmp_path)
    with starting(tmp_path) as process:
        while not made(home):
            assert process.poll() is None
        process.send_signal(number)
        early = shown_by(process)
    with starting(tmp_path) as process:
        found = shown_by(process)
    assert len(found or early) == 2
    assert not home.unshown.exists()
    with starting(tmp_path) as process:
        assert shown_by(process) == []


def test_a_start_that_nobody_can_read_loses_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with starting(tmp_path, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        assert process.stderr is not None
        for line in process.stderr:
            if "a worker is here" in line:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with starting(tmp_path) as process:
        assert len(shown_by(process)) == 2


@pytest.mark.parametrize("closed", [(2,), (0, 2)])
def test_a_start_with_closed_streams_serves_and_logs_into_no_file_of_its_own(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """The next file that such a process opens would take the number of its log."""

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    with starting(tmp_path, preexec_fn=close) as process:
        assert len(shown_by(process)) == 2
        held = {os.readlink(f"/proc/{process.pid}/fd/{descriptor}") for descriptor in closed}
    assert held == {os.devnull}
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b'"level":"' not in file.read_bytes(), file
