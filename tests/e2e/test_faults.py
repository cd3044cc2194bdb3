"""The fault table against a real server: what each upstream fault becomes for the client and in the books.

Without it a fault could be shown as a normal end, be retried after content went out, or be billed like an
answer. One server serves the whole file; each fault has a model of its own, so that none harms another.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e import client, fault_rig, oracle, processes
from tests.e2e.client import Reply
from tests.e2e.fault_rig import RATES, WORDS, Rig, backed_up, chat_call
from tests.sim import replies

from switchgear.kernel.limits import MIB, REPLY_BYTES_MAX

CHAT = "/v1/chat/completions"
DUE = oracle.charge_nanos(oracle.usage_of(CHAT, chat_call("gpt-5.2", stream=False)), RATES)
RSS_GROWTH_MAX = REPLY_BYTES_MAX + MIB
"""From rest, as nothing is kept of earlier replies."""

LIMITED = (429, "rate_limit_exceeded")
COOLING = (503, "upstream_unavailable")
CREDENTIAL = (502, "upstream_auth_error")
CHANNEL_GONE = (503, "no_available_channel")
FAILED = (502, "upstream_error")
CUT = (502, "upstream_cut")
UNREACHED = (502, "upstream_connection_error")
SILENT = (504, "upstream_timeout")

BEFORE_CONTENT = {
    # model: (status, code) of a streamed call and of one right after it that is not streamed
    "fault-500": ((500, "upstream_error"), (500, "upstream_error")),
    "fault-503": ((503, "upstream_error"), (503, "upstream_error")),
    "fault-429-after-7": (LIMITED, COOLING),
    "fault-429": (LIMITED, COOLING),
    "fault-401": (CREDENTIAL, CHANNEL_GONE),
    "fault-402": ((503, "upstream_unavailable"), CHANNEL_GONE),
    # A refusal by region: another channel may answer, and the channel itself is not given up.
    "fault-403": (CREDENTIAL, CREDENTIAL),
    "fault-reset-accept": (UNREACHED, UNREACHED),
    "fault-garbage": (FAILED, FAILED),
    "fault-html": (CUT, FAILED),
    "fault-empty": (CUT, FAILED),
    "fault-big-header": (FAILED, FAILED),
    "fault-stall-headers": (SILENT, SILENT),
}
"""Nothing of a reply came: the next channel answers; alone, the client gets an error and pays nothing."""
RACE = ("fault-reset-accept",)
"""It looks like a kept connection that was closed before it was used: those are dialled anew once."""
RETRY_AFTER_MAX_S = {"fault-429-after-7": 7, "fault-429": 5}

AFTER_CONTENT = {
    "fault-reset-mid": "upstream_cut",
    "fault-stall-mid": "stalled",
    "fault-error-frame": "upstream_error",
}
"""Content went out: an error frame, no end marker, no second channel, and what was delivered is paid."""

REFUSED_BY_UPSTREAM = {"fault-400": 400, "fault-422": (400, 422)}
USAGE = [
    "fault-usage-negative",
    "fault-usage-string",
    "fault-usage-huge",
    "fault-usage-double",
    "fault-usage-decreasing",
    "fault-no-usage",
    "fault-dup-keys",
]
OTHERS = [
    "fault-gzip-bomb",
    "fault-huge-frame",
    "fault-tiny-frames-20000",
    "fault-no-done",
    "fault-slow",
    "fault-reset-headers",
    "fault-stall-first",
    "fault-error-first",
    "fault-json-for-stream",
]
ALL = [*BEFORE_CONTENT, *AFTER_CONTENT, *REFUSED_BY_UPSTREAM, *USAGE, *OTHERS]

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    async with fault_rig.running(ALL) as running:
        yield running


def tried(upstream: Any, model: str, before: dict[str, int]) -> int:
    return int(upstream.calls.get(model, 0)) - before.get(model, 0)


@pytest.mark.parametrize("fault", BEFORE_CONTENT)
async def test_before_content_the_next_channel_answers(rig: Rig, fault: str) -> None:
    before = dict(rig.first.calls)
    replies = [await rig.chat(backed_up(fault), stream=stream) for stream in (True, False)]
    assert 1 <= tried(rig.first, fault, before) <= 2 + (fault in RACE), "the faulty channel comes first"
    for reply in replies:
        assert reply.status == 200, reply.body
        assert reply.has_ended
        row = await rig.row(reply)
        assert (row["end_state"], row["channel"]) == ("complete", "second")
        assert oracle.charged_nanos(row) == DUE


@pytest.mark.parametrize("fault", BEFORE_CONTENT)
async def test_before_content_with_no_other_channel_an_error_and_no_charge(rig: Rig, fault: str) -> None:
    before = dict(rig.first.calls)
    for stream, (status, code) in zip((True, False), BEFORE_CONTENT[fault], strict=True):
        reply = await rig.chat(fault, stream=stream)
        assert (reply.status, reply.error["code"]) == (status, code), reply.body
        assert set(reply.error) == {"message", "type", "param", "code"}
        assert reply.headers["content-type"] == "application/json; charset=utf-8"
        assert "127.0.0.1" not in reply.error["message"]
        assert_says_when_to_come_back(reply, fault)
        row = await rig.row(reply)
        # An upstream was asked, or none was fit to be.
        asked = (status, code) not in (COOLING, CHANNEL_GONE) or (fault == "fault-402" and stream)
        assert row["end_state"] in (("upstream_error",) if asked else ("refused",))
        assert oracle.charged_nanos(row) == 0
    assert tried(rig.first, fault, before) <= 2 + (fault in RACE), "no channel is asked twice for one call"


def assert_says_when_to_come_back(reply: Reply, fault: str) -> None:
    """A 429 or 503 names a time, unless asking again is no use."""
    if reply.status in (429, 503) and reply.headers.get("x-should-retry") != "false":
        assert 1 <= int(reply.headers["retry-after"]) <= RETRY_AFTER_MAX_S.get(fault, 5), reply.headers
    else:
        assert "retry-after" not in reply.headers


@pytest.mark.parametrize("fault", AFTER_CONTENT)
async def test_after_content_an_error_frame_and_no_second_try(rig: Rig, fault: str) -> None:
    before = dict(rig.second.calls)
    reply = await rig.chat(backed_up(fault))
    assert reply.status == 200
    assert not reply.has_ended
    assert "error" in reply.events()[-1], reply.body[-500:]
    assert tried(rig.second, "gpt-5.2", before) == 0
    row = await rig.row(reply)
    assert row["end_state"] == AFTER_CONTENT[fault]
    assert row["usage_source"] == "estimated"
    assert 0 < oracle.charged_nanos(row) <= 2 * DUE


@pytest.mark.parametrize("fault", REFUSED_BY_UPSTREAM)
async def test_what_the_upstream_refuses_goes_to_the_client_as_it_is(rig: Rig, fault: str) -> None:
    before = dict(rig.second.calls)
    reply = await rig.chat(backed_up(fault), stream=False)
    assert 400 <= reply.status < 500
    assert reply.error["message"].startswith(("Invalid value.", "Upstream error."))
    assert tried(rig.second, "gpt-5.2", before) == 0
    assert oracle.charged_nanos(await rig.row(reply)) == 0


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
@pytest.mark.parametrize("fault", USAGE)
async def test_absurd_usage_never_makes_an_absurd_bill(rig: Rig, fault: str, stream: bool) -> None:
    reply = await rig.chat(fault, stream=stream)
    assert reply.status == 200, reply.body
    assert reply.has_ended
    row = await rig.row(reply)
    assert row["end_state"] == "complete"
    charged = oracle.charged_nanos(row)
    said_twice = fault in ("fault-usage-double", "fault-dup-keys")
    if said_twice or (fault == "fault-usage-decreasing" and not stream):
        assert charged == DUE
    elif fault == "fault-usage-huge":
        assert charged >= DUE
    else:
        assert 0 < charged <= 4 * DUE, row
    if fault in ("fault-no-usage", "fault-usage-negative"):
        assert row["usage_source"] == "estimated", row


async def test_a_stream_without_its_end_marker_is_no_proper_end(rig: Rig) -> None:
    """A finish reason was seen, so the reply is complete; the marker may be added."""
    reply = await rig.chat("fault-no-done")
    row = await rig.row(reply)
    assert (row["end_state"] == "complete") == reply.has_ended
    assert oracle.charged_nanos(row) == DUE


@pytest.mark.parametrize("fault", ["fault-reset-headers", "fault-stall-first", "fault-error-first"])
async def test_headers_without_content_do_not_commit(rig: Rig, fault: str) -> None:
    reply = await rig.chat(backed_up(fault))
    assert reply.status == 200, reply.body
    assert reply.has_ended, reply.body
    assert (await rig.row(reply))["channel"] == "second"


@pytest.mark.parametrize("fault", ["fault-gzip-bomb", "fault-huge-frame", "fault-tiny-frames-20000"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
async def test_hostile_replies_do_not_fill_the_memory(rig: Rig, fault: str, stream: bool) -> None:
    (worker,) = rig.server.pids("worker")
    before, peak, over = processes.rss_bytes(worker), 0, asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not over.is_set():
            peak = max(peak, processes.rss_bytes(worker))
            await asyncio.wait([asyncio.ensure_future(over.wait())], timeout=0.01)

    watching = asyncio.create_task(watch())
    reply = await rig.chat(fault, stream=stream, timeout_s=60)
    over.set()
    await watching
    assert peak - before < RSS_GROWTH_MAX, f"grew by {(peak - before) >> 20} MiB"
    assert reply.status in (200, 502, 503, 504)
    assert rig.server.pids("worker") == [worker], "the worker did not live through it"


async def test_the_upstream_is_stopped_within_a_second_of_the_client_leaving(rig: Rig) -> None:
    before = len(rig.first.closed_early)
    call = chat_call("fault-slow", stream=True, words=2000)
    reply = await client.call(rig.server.port, rig.key, call, leave_after=b"word3")
    await rig.first.wait_closed_early(before + 1, timeout_s=1.0)
    row = await rig.row(reply)
    assert row["end_state"] == "client_gone"
    assert row["usage_source"] == "estimated"
    assert 0 < oracle.charged_nanos(row) < 100 * DUE


async def test_proper_replies_still_come_after_all_that(rig: Rig) -> None:
    reply = await rig.chat("gpt-5.2", stream=False)
    assert reply.json()["usage"] == replies.usage_of(chat_call("gpt-5.2", stream=False))
    assert reply.json()["choices"][0]["message"]["content"] == " ".join(f"word{n}" for n in range(WORDS))
