"""What an operator sees of a running server: metrics and log. Without these a histogram could be dropped on
its way to the page, or a log setting change nothing."""

import asyncio
import errno
import json
import os
import signal
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import settings
from tests.e2e.harness import START_TIMEOUT_S, NotReady, Server

from switchgear.cli.commands.serve import prepare
from switchgear.kernel.config import ServerConfig
from switchgear.serve.boot import Boot
from switchgear.serve.start import listen
from switchgear.serve.supervisor import supervise

pytestmark = pytest.mark.process
MODEL = "gpt-5.2"
CALL = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5, "stream": True}


def test_metrics_hold_every_histogram_and_drop_nothing(upstream_url: str) -> None:
    secret = settings.fresh_key()
    with Server(settings.usual(upstream_url, [MODEL], secret)) as server:
        answered = call(server, secret)
        server.usage_with({answered})
        page = metrics_page(server, "switchgear_own_seconds_count 1.0")
    for name in ("own", "duration", "first_byte"):
        assert f"switchgear_{name}_seconds_count 1.0" in page, name
    assert 'switchgear_own_seconds_bucket{le="+Inf"} 1.0' in page
    assert "switchgear_stats_dropped_total" not in page
    assert "switchgear_ledger_drift_nanos 0.0" in page


def test_a_quota_lowered_below_what_was_spent_refuses_and_is_only_a_warning_of_the_audit(
    upstream_url: str,
) -> None:
    secret = settings.fresh_key()

    def config(quota_usd: str) -> str:
        key = settings.key(secret, quota_usd=quota_usd)
        channel = settings.channel(upstream_url, [MODEL])
        return "\n".join([settings.group(), settings.user(), key, channel, settings.price(MODEL)])

    with Server(config("1")) as server:
        server.usage_with({call(server, secret)})
        server.apply(config("0.000001"))
        with pytest.raises(urllib.error.HTTPError) as refused:
            call(server, secret)
        refused.value.close()
        told = server.run("audit", "--json")
        found = [json.loads(line) for line in told.stdout.splitlines()]
        server.apply(config("1"))
        call(server, secret)
        server.assert_audit_clean()
    assert refused.value.code == 429
    assert [(finding["severity"], finding["kind"]) for finding in found] == [("warning", "below_zero")]
    assert told.returncode == 0


@pytest.mark.parametrize("level", ["info", "error"])
def test_every_line_of_the_log_is_json_and_the_level_holds(upstream_url: str, level: str) -> None:
    secret = settings.fresh_key()
    config = settings.server(log_level=level) + settings.usual(upstream_url, [MODEL], secret)
    with Server(config) as server:
        server.wait_for_log("Stop with Ctrl-C")
        answered = call(server, secret)
        server.usage_with({answered})
        if level == "info":
            server.wait_for_log(answered)  # a killed worker takes its last moment of log lines along
        killed = server.kill9("worker")
        server.wait_replaced(killed)  # a supervisor that is told to stop has no eye for the dead
        server.stop()
        text = server.log_tail(1000)
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    others = [line for line in text[text.index("Stop with Ctrl-C") :].splitlines()[1:] if line]
    assert killed
    assert all(line.startswith("{") for line in others), others
    assert any(line.get("request_id") == answered for line in lines) == (level == "info")
    assert any(line.get("role") == "supervisor" for line in lines) == (level == "info")
    assert level == "info" or not lines
    assert secret not in text
    assert settings.UPSTREAM_KEY not in text


def test_a_drain_finishes_what_runs_and_turns_away_what_comes(upstream_url: str) -> None:
    secret, model = settings.fresh_key(), "fault-slow"
    with Server(settings.usual(upstream_url, [model], secret)) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(call, server, secret, model, 100)
        while "switchgear_requests_in_flight 1.0" not in metrics_page(server, "in_flight 1.0"):
            pass
        os.kill(server.pids("supervisor")[0], signal.SIGTERM)
        turned_away = 0
        while not running.done():
            began_s = time.monotonic()
            try:
                metrics_page(server, "")
            except OSError:
                turned_away += 1
            assert time.monotonic() - began_s < 1.0, "a connection waited for nobody"
        assert running.result()
        assert turned_away
        assert server.stop() == 0
        server.assert_audit_clean()
        assert '"role":"controller"' in server.log_tail(1000)
        assert "the controller is away" not in server.log_tail(1000)


def test_a_server_whose_controller_cannot_start_gives_up_soon(upstream_url: str) -> None:
    server = Server(settings.usual(upstream_url, [MODEL], settings.fresh_key()))
    try:
        (server.data / "run" / "link.sock").mkdir(parents=True)
        began_s = time.monotonic()
        with pytest.raises(NotReady, match="giving up"):
            server.start()
        assert time.monotonic() - began_s < START_TIMEOUT_S
    finally:
        server.close()


def test_a_child_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = asyncio.create_subprocess_exec, 2

    async def short_of_memory(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError(errno.EAGAIN, "no more processes")
        return await real(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_memory)
    ready: list[int] = []

    def announce() -> None:
        ready.append(1)
        os.kill(os.getpid(), signal.SIGTERM)

    prepare(tmp_path, None)
    with listen("127.0.0.1", 0) as listener:
        boot = Boot(str(tmp_path), ServerConfig(workers=1, drain_s=1.0))
        code = supervise(boot, listener.fileno(), announce)
    assert (code, len(ready), failures) == (0, 1, 0)


def call(server: Server, secret: str, model: str = MODEL, output_tokens: int = 5) -> str:
    """One call; its request id."""
    request = urllib.request.Request(  # loopback
        f"{server.base_url}/chat/completions",
        json.dumps(CALL | {"model": model, "max_tokens": output_tokens}).encode(),
        {"authorization": f"Bearer {secret}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:  # loopback
        assert reply.status == 200
        assert b"[DONE]" in reply.read()
        return str(reply.headers["x-request-id"])


def metrics_page(server: Server, holding: str) -> str:
    """The page once it holds a text: workers say what they counted each second."""
    page: Any = ""
    for _ in range(50):
        with urllib.request.urlopen(f"{server.origin}/metrics", timeout=10) as reply:  # loopback
            page = reply.read().decode()
        if holding in page:
            break
        server._pause()
    return str(page)
