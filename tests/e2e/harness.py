"""A real Switchgear for tests: starts ``switchgear serve``, knows its processes, reads its books."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from sqlalchemy import select
from tests.e2e import processes

from switchgear.kernel.home import Home
from switchgear.kernel.limits import USAGE_PAGE_MAX
from switchgear.ledger.record import UsageRecord
from switchgear.store.db import open_database
from switchgear.store.tables import usage
from switchgear.store.usage import list_usage

ROOT = Path(__file__).resolve().parents[2]
Role = Literal["supervisor", "controller", "worker"]
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 45.0
ORPHAN_TIMEOUT_S = 15.0
COMMAND_TIMEOUT_S = 60.0
POLL_S = 0.05
LOG_LINES_SHOWN = 60
_VENDOR_KEY_ENDING = "_API_KEY"


class NotReady(AssertionError):
    """The server did not come to answer, or did not go; the end of its log is in the message."""


class Server:
    """``with Server(config) as server:`` starts it and stops it; the data folder lives as long as the object.

    ``config`` is the text of a config file. When an error leaves the block the end of the log is printed.
    """

    def __init__(self, config: str, *, workers: int = 2, env: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="switchgear-"))
        self.data = self.folder / "data"
        self.config_file = self.folder / "config.toml"
        self.config_file.write_text(config)
        self.log_file = self.folder / "server.log"
        self.port = free_port()
        self.workers = workers
        self._env = _clean_environment() | (env or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"{self.origin}/v1"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                print(f"--- log of the server, after {error!r} ---\n{self.log_tail()}", file=sys.stderr)
            elif self.is_running:
                self.stop()
        finally:
            self.close()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it and waits until /readyz answers 200. Raises NotReady."""
        arguments = ["serve", "--config", str(self.config_file), "--data", str(self.data)]
        arguments += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", str(self.workers)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "switchgear.cli", *arguments],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_ready()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Waits until /readyz answers 200. Raises NotReady."""
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            self._pause()
            if not self.is_running:
                raise NotReady(f"serve ended by itself:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise NotReady(f"not ready after {timeout_s} s:\n{self.log_tail()}")

    def wait_replaced(self, killed: int, timeout_s: float = START_TIMEOUT_S) -> None:
        """Waits until another process has the place of a killed worker. Raises NotReady."""
        deadline = time.monotonic() + timeout_s
        while killed in (pids := self.pids("worker")) or len(pids) < self.workers:
            if time.monotonic() > deadline:
                raise NotReady(f"nobody came for worker {killed} in {timeout_s} s:\n{self.log_tail()}")
            self._pause()

    def stop(self) -> int:
        """Asks for a graceful stop and waits for it; the exit code. Raises NotReady when it does not end."""
        process = self._started()
        family = processes.descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise NotReady(f"still there {STOP_TIMEOUT_S} s after SIGTERM:\n{self.log_tail()}") from None
        self._wait_gone(family)
        return code

    def restart(self) -> None:
        """A graceful stop, then a start on the same data."""
        self.stop()
        self.start()

    def pids(self, role: Role) -> list[int]:
        """Processes that play a role now."""
        root = self._started().pid
        if role == "supervisor":
            return [root]
        word = f"switchgear.serve.{role}"
        return [pid for pid in processes.descendants(root) if word in processes.command_line(pid)]

    def kill9(self, role: Role, pick: int = 0) -> int:
        """SIGKILL to one process of a role; its pid, or 0 when there was none.

        The family of a killed supervisor ends by itself, which this waits for; NotReady if it does not.
        """
        pids = self.pids(role)
        if not pids:
            return 0
        pid = pids[pick % len(pids)]
        family = processes.descendants(pid) if role == "supervisor" else []
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if role == "supervisor":
            self._started().wait()
            self._wait_gone(family)
        return pid

    def close(self) -> None:
        """Ends what still runs, without grace, and removes the data folder."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of the command line on this data folder; never raises for its exit code."""
        return self.run_plain(*arguments, "--data", str(self.data))

    def run_plain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same with nothing but the arguments."""
        return subprocess.run(
            [sys.executable, "-m", "switchgear.cli", *arguments],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def usage(self) -> list[dict[str, Any]]:
        """The newest ``USAGE_PAGE_MAX`` records, newest first, as ``switchgear usage --json`` names things.

        Read from the database here: a process for each look would take most of a test's time.
        """
        with contextlib.closing(open_database(Home(self.data).database)) as database:
            records = database.read(lambda connection: list_usage(connection, limit=USAGE_PAGE_MAX))
        return [row(record) for record in records]

    def usage_with(self, request_ids: set[str], timeout_s: float = 20.0) -> dict[str, dict[str, Any]]:
        """All records by request id, once the given ones are among them: ingest runs behind the replies.

        Raises AssertionError for ids that never come and for an id that stands twice.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            rows = self.usage()
            found = {row["request_id"]: row for row in rows}
            if len(found) != len(rows):
                raise AssertionError(f"{len(rows) - len(found)} requests stand in the books twice")
            if request_ids <= found.keys():
                return found
            if time.monotonic() > deadline:
                missing = sorted(request_ids - found.keys())
                what = f"{len(missing)} requests never came to the books: {missing[:5]}"
                raise AssertionError(f"{what}\n{self.log_tail()}")
            self._pause()

    def epochs_of(self, request_ids: set[str]) -> set[str]:
        """The worker lives that answered calls, as far as they are in the books."""
        with contextlib.closing(open_database(Home(self.data).database)) as database:
            query = select(usage.c.epoch).where(usage.c.request_id.in_(request_ids)).distinct()
            return database.read(lambda connection: set(connection.execute(query).scalars()))

    def assert_audit_clean(self) -> None:
        """Raises AssertionError with what the audit says unless it finds nothing."""
        done = self.run("audit", "--json")
        if done.returncode or done.stdout.strip():
            raise AssertionError(f"audit exits with {done.returncode}:\n{done.stdout}\n{done.stderr}")

    def apply(self, config: str) -> None:
        """Applies another config text to the running server. Raises AssertionError when it is refused."""
        self.config_file.write_text(config)
        done = self.run("apply", str(self.config_file))
        if done.returncode:
            raise AssertionError(f"apply failed: {done.stdout}\n{done.stderr}")

    def wait_for_log(self, words: str, timeout_s: float = 20.0) -> None:
        """Returns once the server has written the words. Raises AssertionError when it does not."""
        deadline = time.monotonic() + timeout_s
        while words not in self.log_tail(1000):
            if time.monotonic() > deadline:
                raise AssertionError(f"the log never said {words!r}:\n{self.log_tail()}")
            self._pause()

    def log_tail(self, lines: int = LOG_LINES_SHOWN) -> str:
        """The end of what the server wrote."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _pause(self) -> None:
        """Waits one poll interval, or less if the server ends meanwhile."""
        if not self.is_running:
            time.sleep(POLL_S)
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._started().wait(POLL_S)

    def _wait_gone(self, family: list[int]) -> None:
        deadline = time.monotonic() + ORPHAN_TIMEOUT_S
        while left := [pid for pid in family if processes.is_alive(pid)]:
            if time.monotonic() > deadline:
                names = [processes.command_line(pid) for pid in left]
                raise NotReady(f"these outlived their supervisor: {names}\n{self.log_tail()}")
            self._pause()


def row(record: UsageRecord) -> dict[str, Any]:
    """A record as a line of ``usage --json`` has it, but for the names."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain | {
        "charge_nanos": record.charge.nanos,
        "usage": msgspec.structs.asdict(record.usage),
        "status": record.status,
        "error": record.error,
        "channel": record.channel,
        "model": record.model,
    }


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    """This environment with the checkout importable and without vendor keys, which would become channels."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(_VENDOR_KEY_ENDING)}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "PYTHONUNBUFFERED": "1"}
