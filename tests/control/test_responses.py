"""Stored responses by way of the controller. Without this: a worker's frames are misread, content keeps money
waiting, or a call that was cancelled at one worker goes on at another."""

import asyncio

import msgspec

from switchgear.control.responses import Responses
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.limits import RESPONSE_CALL_TIMEOUT_S, RESPONSE_STORED_BYTES_MAX
from switchgear.kernel.stored import StoredResponse
from switchgear.link.bulk import BulkLink
from switchgear.link.peer import LinkAway
from switchgear.link.protocol import (
    ClaimBill,
    DropResponse,
    Failed,
    FindResponse,
    KeepResponse,
    Ok,
    ResponseFound,
    ResponseUnknown,
    StopResponse,
)

ASKED = StoredResponse(
    "resp_1", "u1", "k1", "m", 1, input_items=b'["in"]', output_items=b'["out"]', response=b"{}"
)


async def ask(site, body):
    return await BulkLink(site.home).call(body, RESPONSE_CALL_TIMEOUT_S)


async def test_what_one_worker_keeps_another_finds_until_it_is_dropped(site) -> None:
    site.apply()
    await site.start()
    assert await ask(site, KeepResponse(ASKED)) == Ok()
    assert await ask(site, FindResponse("resp_1", "u1")) == ResponseFound(ASKED)
    assert await ask(site, FindResponse("resp_1", "u2")) == ResponseUnknown("resp_1")
    following = msgspec.structs.replace(ASKED, id="resp_2", previous_id="resp_1")
    assert await ask(site, KeepResponse(following)) == Ok()
    found = await ask(site, FindResponse("resp_2", "u1", with_turns=True))
    assert found.turns == ((b'["in"]', b'["out"]'), (b'["in"]', b'["out"]'))
    assert found.response.response == b""
    assert await ask(site, DropResponse("resp_1", "u1")) == Ok()
    assert await ask(site, DropResponse("resp_1", "u1")) == ResponseUnknown("resp_1")
    assert await ask(site, FindResponse("resp_2", "u1", with_turns=True)) == ResponseUnknown("resp_1")


async def test_many_at_once_are_all_kept(site) -> None:
    site.apply()
    await site.start()
    link = BulkLink(site.home)
    rows = [msgspec.structs.replace(ASKED, id=f"resp_{at}") for at in range(100)]
    answers = await asyncio.gather(*(link.call(KeepResponse(row), 10) for row in rows))
    assert set(map(type, answers)) == {Ok}
    assert all([await ask(site, FindResponse(row.id, "u1")) == ResponseFound(row) for row in rows])


async def test_a_response_over_the_bound_is_not_kept(site) -> None:
    site.apply()
    await site.start()
    large = msgspec.structs.replace(ASKED, response=b"x" * RESPONSE_STORED_BYTES_MAX)
    assert isinstance(await ask(site, KeepResponse(large)), Failed)
    assert await ask(site, FindResponse("resp_1", "u1")) == ResponseUnknown("resp_1")


async def test_without_retention_only_bills_are_kept(site) -> None:
    site.apply()
    await site.start()
    store, workers = site.controller._store, site.controller.workers
    responses = Responses(store, workers, SystemClock(), 0)
    assert isinstance(await responses.answer(KeepResponse(ASKED)), Failed)
    due = msgspec.structs.replace(ASKED, bill=b"bill", epoch="e1", status="queued")
    assert await responses.answer(KeepResponse(due)) == Ok()
    assert await responses.answer(FindResponse("resp_1", "u1")) == ResponseUnknown("resp_1")


async def test_a_cancelled_response_is_stopped_where_it_is_made(site) -> None:
    site.apply()
    await site.start()
    worker = await site.worker()
    told = []
    worker.client._on_call = lambda call: told.append(call) or Ok()
    running = msgspec.structs.replace(ASKED, status="in_progress", background=True, epoch=worker.epoch)
    assert await ask(site, KeepResponse(running)) == Ok()
    cancelled = msgspec.structs.replace(running, status="cancelled")
    assert await ask(site, KeepResponse(cancelled, if_open=True)) == Ok()
    assert told == [StopResponse("resp_1", "u1")]
    late = msgspec.structs.replace(running, status="completed")
    assert await ask(site, KeepResponse(late, if_open=True)) == ResponseUnknown("resp_1")


async def test_the_bill_of_a_killed_worker_goes_to_one_that_lives(site) -> None:
    site.apply()
    await site.start()
    worker = await site.worker(0)
    other = await site.worker(1)
    due = msgspec.structs.replace(ASKED, status="queued", channel="c", bill=b"bill", epoch=worker.epoch)
    assert await ask(site, KeepResponse(due)) == Ok()
    assert await ask(site, ClaimBill(other.epoch)) == ResponseUnknown("")
    await worker.die()
    site.workers.remove(worker)
    claimed = ResponseUnknown("")
    async with asyncio.timeout(10):
        while not isinstance(claimed, ResponseFound):
            claimed = await ask(site, ClaimBill(other.epoch))
    assert claimed.response.bill == b"bill"
    assert await ask(site, ClaimBill(other.epoch)) == ResponseUnknown("")


async def test_a_controller_that_is_away_is_said_to_be(site) -> None:
    try:
        await BulkLink(site.home).call(KeepResponse(ASKED), 1.0)
    except LinkAway:
        return
    raise AssertionError("somebody answered")
