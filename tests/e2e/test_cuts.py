"""A sample stream cut at every byte, through a real server. Without it a cut could pass for an end."""

import asyncio

import pytest
from tests.e2e import fault_rig, oracle
from tests.e2e.client import DONE, Reply
from tests.e2e.fault_rig import Rig, chat_call
from tests.sim import replies
from tests.sim.replies import chat_chunks, frame

WORDS = 1
TOGETHER = 16
CHAT = "/v1/chat/completions"


def sample() -> bytes:
    """The whole stream as the upstream would send it, its end marker included."""
    call = chat_call("fault-cut-0000", stream=True, words=WORDS)
    return b"".join(frame(item) for item in chat_chunks(call, "chatcmpl-sim00000000")) + replies.DONE


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.parametrize("ending", ["cut", "cutclean"])
async def test_no_cut_looks_like_an_end(ending: str) -> None:
    length = len(sample())
    models = [f"fault-{ending}-{at:04}" for at in range(length)]
    async with fault_rig.running(models) as rig:
        seen: dict[str, Reply] = {}
        for start in range(0, length, TOGETHER):
            some = models[start : start + TOGETHER]
            found = await asyncio.gather(*(rig.chat(model) for model in some))
            seen |= dict(zip(some, found, strict=True))
        # Of many calls in a row that came to nothing, only some have a record of their own.
        begun = {reply.request_id for reply in seen.values() if reply.status < 400}
        rows = await asyncio.to_thread(rig.server.usage_with, begun)
        for model, reply in seen.items():
            if (row := rows.get(reply.request_id)) is not None:
                check(model, reply, row)
        assert_proper(await rig.chat("gpt-5.2"), rig)


def check(model: str, reply: Reply, row: dict[str, object]) -> None:
    """A cut before the finish reason is an error; after it the content is whole, and may be said to be."""
    at = int(model.rpartition("-")[2])
    finish_at = sample().index(b'"finish_reason":"stop"') + len(b'"finish_reason":"stop"')
    if at < finish_at:
        assert DONE not in reply.body, (model, reply.body)
        assert row["end_state"] != "complete", (model, row)
        assert reply.status >= 500 or "error" in reply.events()[-1], (model, reply.status, reply.body)
    if reply.status >= 400:
        assert oracle.charged_nanos(row) == 0, (model, row)
        assert row["end_state"] == "upstream_error", (model, row)
    else:
        assert (row["end_state"] == "complete") == reply.has_ended, (model, row, reply.body)


def assert_proper(reply: Reply, rig: Rig) -> None:
    assert reply.has_ended, (reply.body, rig.server.log_tail())
