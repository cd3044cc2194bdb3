"""The embedded model behind a real server. Without this a newcomer's first call could fail, be charged
wrongly, die with the model's process, or slow down everybody else's calls."""

import asyncio
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.e2e import oracle, processes, settings
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

from switchgear.kernel.limits import KIB, LOCAL_MEMORY_BYTES_MAX

MODEL = "smollm2-135m-instruct"
OTHER = "gpt-5.2"
QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]
STORY: Any = [{"role": "user", "content": "Write a very long story about a dragon."}]
PARALLEL = 20
MEMORY_KIB_MAX = 700 * 1024
THREADS_MAX = 64
CROWD = 120

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


class Rig:
    """A server with the embedded model and one other channel, and a client of it."""

    def __init__(self, server: Server, key: str) -> None:
        self.server = server
        self.client = openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=60)

    def model_pid(self) -> int:
        family = processes.descendants(self.server.pids("supervisor")[0])
        return next(pid for pid in family if "local_server" in processes.command_line(pid))

    def ask(self, model: str = MODEL, tokens: int = 8, messages: Any = QUESTION) -> Any:
        return self.client.chat.completions.create(model=model, messages=messages, max_tokens=tokens)

    def row(self, request_id: str) -> dict[str, Any]:
        return self.server.usage_with({request_id})[request_id]


class Loop:
    """An event loop in a thread of its own, for the other channel's upstream."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    loop = Loop()
    upstream = FakeUpstream()
    loop.run(upstream.__aenter__())
    key = settings.fresh_key()
    try:
        config = settings.usual(upstream.base_url, [OTHER], key)
        config += settings.table("channels", name="embedded", vendor="local", models=[MODEL])
        with Server(config) as server:
            yield Rig(server, key)
            server.assert_audit_clean()
    finally:
        loop.run(upstream.__aexit__())
        loop.close()


def test_a_picture_is_refused_and_does_not_take_the_model_from_others(rig: Rig) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    asked: Any = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
    for _ in range(4):
        with pytest.raises(openai.BadRequestError, match="reads text only"):
            rig.ask(messages=asked)
    assert rig.ask().choices[0].message.content


def test_the_capital_of_france_as_json_is_charged_exactly(rig: Rig) -> None:
    reply = rig.ask(tokens=32)
    assert "Paris" in reply.choices[0].message.content
    assert_charged(rig, reply._request_id, reply.usage)


def test_the_capital_of_france_as_a_stream_is_charged_exactly(rig: Rig) -> None:
    raw = rig.client.chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION, max_tokens=32, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(raw.parse())
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert_charged(rig, raw.headers["x-request-id"], chunks[-1].usage)


def assert_charged(rig: Rig, request_id: str, usage: Any) -> None:
    """What the reply reported stands in the books, and the charge is its price."""
    row = rig.row(request_id)
    counts = row["usage"]
    assert counts.get("input_uncached", 0) + counts.get("cache_read", 0) == usage.prompt_tokens
    assert counts["output_text"] == usage.completion_tokens
    assert (row["end_state"], row["usage_source"]) == ("complete", "reported")
    # The shipped price of the embedded model: 0.01 and 0.02 dollars a million tokens.
    assert oracle.charged_nanos(row) == 10 * usage.prompt_tokens + 20 * usage.completion_tokens


def test_completions_work_whole_and_streamed(rig: Rig) -> None:
    def complete(**more: Any) -> Any:
        return rig.client.completions.create(
            model=MODEL, prompt="The capital of France is", max_tokens=4, **more
        )

    assert "Paris" in complete().choices[0].text
    assert "Paris" in "".join(chunk.choices[0].text for chunk in complete(stream=True))


def test_embeddings_are_refused_as_an_endpoint_that_is_not_served(rig: Rig) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        rig.client.embeddings.create(model=MODEL, input="hello")
    assert caught.value.code == "unsupported_endpoint"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_beyond_the_context_is_a_clear_refusal(rig: Rig, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="context size"):
        rig.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "word " * 6000}], stream=stream
        )


def test_a_kill_in_the_middle_of_a_stream_is_an_error_and_the_next_call_works(rig: Rig) -> None:
    stream = rig.client.chat.completions.create(model=MODEL, messages=STORY, max_tokens=1000, stream=True)
    chunks = iter(stream)
    for _ in range(3):
        next(chunks)
    os.kill(rig.model_pid(), signal.SIGKILL)
    with pytest.raises(openai.APIError, match="before it was complete"):
        list(chunks)
    assert rig.ask().choices
    assert rig.ask(OTHER).choices


def test_a_call_right_after_a_kill_is_answered_by_a_new_process(rig: Rig) -> None:
    rig.ask()
    old = rig.model_pid()
    os.kill(old, signal.SIGKILL)
    assert rig.ask().choices
    assert rig.model_pid() != old


def test_many_calls_of_it_do_not_hold_up_another_channel(rig: Rig) -> None:
    done: list[Any] = []
    threads = [threading.Thread(target=lambda: done.append(rig.ask(tokens=12))) for _ in range(PARALLEL)]
    for thread in threads:
        thread.start()
    times: list[float] = []
    while len(done) < PARALLEL // 2:
        began = time.monotonic()
        rig.ask(OTHER)
        times.append(time.monotonic() - began)
    status = process_status(rig.model_pid())
    for thread in threads:
        thread.join()
    assert len(done) == PARALLEL
    assert statistics.median(times) < 0.25, sorted(times)
    assert int(status["VmHWM"].split()[0]) < MEMORY_KIB_MAX
    assert int(status["Threads"]) < THREADS_MAX


def test_a_crowd_is_told_to_come_again_and_does_not_kill_it(rig: Rig) -> None:
    """The model's server starts a thread for each call; without a cap they outgrew its address space."""
    rig.ask()
    pid = rig.model_pid()
    statuses: list[int] = []
    waits: set[str | None] = set()

    def call() -> None:
        try:
            rig.ask(tokens=1)
            statuses.append(200)
        except openai.APIStatusError as error:
            statuses.append(error.status_code)
            waits.add(error.response.headers.get("retry-after"))

    threads = [threading.Thread(target=call) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == CROWD
    assert set(statuses) == {200, 503}
    assert waits == {"1"}
    assert rig.model_pid() == pid
    assert int(process_status(pid)["VmPeak"].split()[0]) * KIB < LOCAL_MEMORY_BYTES_MAX // 2


def process_status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status") as file:
        return dict(line.strip().split(":", 1) for line in file if ":" in line)


def test_a_call_without_a_cap_ends(rig: Rig) -> None:
    reply = rig.client.chat.completions.create(model=MODEL, messages=QUESTION)
    assert reply.choices[0].finish_reason in ("stop", "length")


def test_a_client_that_leaves_frees_the_model(rig: Rig) -> None:
    stream = rig.client.chat.completions.create(model=MODEL, messages=STORY, max_tokens=2000, stream=True)
    next(iter(stream))
    stream.close()
    pid = rig.model_pid()
    deadline = time.monotonic() + 5
    while cpu_ticks(pid, 0.3) > 3:
        assert time.monotonic() < deadline, "it goes on writing for nobody"


def cpu_ticks(pid: int, over_s: float) -> int:
    def ticks() -> int:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    threading.Event().wait(over_s)
    return ticks() - before
