"""Fixtures for tests of the whole product: a fake upstream in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.e2e.harness import ROOT


@pytest.fixture
def upstream_url() -> Iterator[str]:
    """Base URL of a fake upstream that no kill, stall or busy loop of the test can hold up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sim.upstream"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["base_url"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
