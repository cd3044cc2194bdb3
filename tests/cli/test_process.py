"""The command line as a process. Without these, a failed start could end in a traceback, or with 0."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from switchgear.kernel.home import Home
from switchgear.serve.start import claim

pytestmark = pytest.mark.process

SOURCE = Path(__file__).parents[2] / "src"


def sg(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        [sys.executable, "-m", "switchgear.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )


def one_line_failure(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_version_needs_neither_database_nor_prices() -> None:
    code = (
        "import sys\nfrom switchgear.cli.app import run\n"
        "try: run(['version'])\nexcept SystemExit: pass\n"
        "print([name for name in ('sqlalchemy', 'cryptography', 'rich', 'uvloop') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert sg("version").stdout.strip() == done.stdout.splitlines()[0]


def test_an_occupied_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = one_line_failure(sg("serve", "--port", port, "--data", str(tmp_path / "d")))
    assert f"port {port}" in told
    assert not (tmp_path / "d" / "switchgear.db").exists()


def test_a_data_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "data folder" in one_line_failure(sg("serve", "--port", "0", "--data", str(tmp_path / "file")))
    assert "can't be used" in one_line_failure(sg("usage", "--data", str(tmp_path / "file" / "below")))


def test_a_second_server_on_one_folder_is_one_line(tmp_path: Path) -> None:
    lock = claim(Home(tmp_path / "d"))
    try:
        told = one_line_failure(sg("serve", "--port", "0", "--data", str(tmp_path / "d")))
    finally:
        os.close(lock)
    assert "already running" in told


def test_a_broken_config_is_told_before_anything_is_made(tmp_path: Path) -> None:
    config = tmp_path / "f.toml"
    config.write_text("[server]\nport = 70000\n")
    told = one_line_failure(sg("serve", "--config", str(config), "--data", str(tmp_path / "d")))
    assert told == f"{config}:2: server.port: must be between 0 and 65535, not 70000\n"
    assert not (tmp_path / "d").exists()


def test_bad_values_of_flags_and_environment_are_one_line(tmp_path: Path) -> None:
    told = one_line_failure(sg("serve", "--workers", "99", "--data", str(tmp_path / "d")))
    assert told == "switchgear: command line: --workers: must be between 1 and 16, not 99\n"


def test_a_database_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "switchgear.db").write_bytes(b"not a database, whatever its name says" * 100)
    assert "switchgear.db" in one_line_failure(sg("audit", "--data", str(tmp_path)))
