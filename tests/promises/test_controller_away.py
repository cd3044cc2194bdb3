"""P9: without it a controller that hangs or dies, or a locked database, would stop calls of known keys."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator

import pytest
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server

from switchgear.kernel.ids import new_api_key

CALL = {"model": "gpt-5.2", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello."}]}
CALLS = 40
RECOVERY_S = 10.0
RETRY_S = 0.1
LOCKED_S = 7.0
"""Longer than a writer waits for SQLite (STORE_BUSY_TIMEOUT_MS), so that it fails and must come again."""


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def call(server: Server, key: str) -> Reply:
    return asyncio.run(client.call(server.port, key, CALL))


def calls(server: Server, key: str) -> set[str]:
    """Request ids of ``CALLS`` answered calls, some of them at once."""

    async def many() -> list[Reply]:
        return [
            reply
            for _ in range(CALLS // 8)
            for reply in await asyncio.gather(*(client.call(server.port, key, CALL) for _ in range(8)))
        ]

    replies = asyncio.run(many())
    assert {reply.status for reply in replies} == {200}, [reply.body for reply in replies][:2]
    return {reply.request_id for reply in replies}


def wait_known(server: Server, key: str) -> None:
    """Until workers have the controller again: /readyz does not tell, as known keys are served without it."""
    deadline = time.monotonic() + RECOVERY_S
    while (reply := call(server, key)).status != 200:
        assert reply.status == 503, reply.body
        assert time.monotonic() < deadline, f"{key[:6]}… still unknown after {RECOVERY_S} s: {reply.body!r}"
        time.sleep(RETRY_S)  # as a client would, told to come again


def check(server: Server, key: str, other: str, ids: set[str]) -> None:
    """All is well again without a restart: the other key is known, and nothing was lost or billed twice."""
    wait_known(server, other)
    rows = server.usage_with(ids | calls(server, key))
    assert all(rows[request_id]["end_state"] == "complete" for request_id in ids)
    server.stop()
    server.assert_audit_clean()


@pytest.fixture
def served(upstream_url: str) -> Iterator[tuple[Server, str, str]]:
    """A server of one worker, a key that it knows, and one that it has not met."""
    known, other = settings.fresh_key(), settings.fresh_key()
    text = settings.usual(upstream_url, ["gpt-5.2"], known) + settings.key(other, "other")
    with Server(text, workers=1) as server:
        assert call(server, known).status == 200
        yield server, known, other


@pytest.mark.process
def test_a_controller_that_hangs(served: tuple[Server, str, str]) -> None:
    server, known, other = served
    (controller,) = server.pids("controller")
    with stopped(controller):
        ids = calls(server, known)
        refused = call(server, other)
        assert refused.status == 503, refused.body
        assert refused.headers["retry-after"]
        ids |= calls(server, known)
    check(server, known, other, ids)


@pytest.mark.process
def test_a_controller_that_is_killed_and_not_started_again(served: tuple[Server, str, str]) -> None:
    server, known, other = served
    with stopped(*server.pids("supervisor")):
        assert server.kill9("controller")
        ids = calls(server, known)
        for stranger in (other, new_api_key()):
            refused = call(server, stranger)
            assert refused.status == 503, refused.body
    check(server, known, other, ids)


@pytest.mark.process
def test_a_database_that_is_locked(served: tuple[Server, str, str]) -> None:
    server, known, other = served
    with contextlib.closing(sqlite3.connect(server.data / "switchgear.db", timeout=10)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        ids = calls(server, known)
        asyncio.run(asyncio.sleep(LOCKED_S))  # the time that the lock is held
        ids |= calls(server, known)
        foreign.rollback()
    check(server, known, other, ids)
