"""Without these one key could take all memory or every place of a worker."""

import asyncio

import pytest

from switchgear.kernel.errors import ApiError
from switchgear.relay.room import Holding, Room
from switchgear.relay.share import Share


def test_each_may_hold_as_much_as_is_left_free() -> None:
    room = Room(256, "request bodies")
    for owner in ("a", "b", "c", "d"):
        while room.take(owner, 1):
            pass
    assert [room.held_by(owner) for owner in "abcd"] == [128, 64, 32, 16]
    assert room.free == 16


async def test_a_wait_ends_with_what_another_gives_back_in_order() -> None:
    room = Room(100, "request bodies")
    assert room.take("a", 50)
    first = asyncio.create_task(room.take_soon("b", 60, 5.0))
    second = asyncio.create_task(room.take_soon("b", 55, 0.01))
    await asyncio.sleep(0)
    assert room.take("c", 20)
    assert not await second
    room.give_back("c", 20)
    room.give_back("a", 50)
    assert await first
    assert room.held_by("b") == 60
    room.give_back("b", 60)
    assert room.free == 100


async def test_a_wait_that_is_given_up_takes_nothing() -> None:
    room = Room(100, "request bodies")
    assert room.take("a", 50)
    waiting = asyncio.create_task(room.take_soon("b", 60, 5.0))
    await asyncio.sleep(0)
    room.give_back("a", 50)  # granted, and cancelled before it hears of it
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert room.free == 100


async def test_who_holds_much_is_told_so_and_others_that_the_server_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("switchgear.relay.room.ROOM_WAIT_S", 0.01)
    room = Room(100, "replies")
    other = Holding(room, "a")
    assert other.take(50)
    with pytest.raises(ApiError) as own:
        await Holding(room, "a").grow(60)
    with pytest.raises(ApiError) as full:
        await Holding(room, "b").grow(60)
    assert (own.value.row.status, full.value.row.status) == (429, 503)
    assert own.value.retry_after_s == full.value.retry_after_s == 1
    other.close()
    other.close()
    assert room.free == 100


def test_the_last_places_are_kept_from_a_key_that_has_most() -> None:
    share = Share(32)
    for _ in range(30):
        share.began("greedy")
    assert not share.is_used_up("greedy")
    share.began("greedy")
    assert share.is_used_up("greedy")
    share.began("modest")
    assert not share.is_used_up("modest")
    share.ended("greedy")
    share.ended("greedy")
    assert not share.is_used_up("greedy")
