"""Memory for bodies, and places, shared out: whoever holds some may have as much as is left free, so that
nobody takes it all and a newcomer always finds some."""

import asyncio

from switchgear.kernel.errors import CONCURRENCY, OVERLOADED, ApiError
from switchgear.kernel.limits import MIB, ROOM_WAIT_S


class _Wait:
    """Somebody who waits for room."""

    __slots__ = ("amount", "granted", "owner")

    def __init__(self, owner: str, amount: int, granted: "asyncio.Future[None]") -> None:
        self.owner = owner
        self.amount = amount
        self.granted = granted

    @property
    def is_granted(self) -> bool:
        return self.granted.done() and not self.granted.cancelled()


class Room:
    """So many bytes, or places, of one worker. ``what`` names them in messages, in the plural."""

    def __init__(self, amount_max: int, what: str) -> None:
        self.what = what
        self._free = amount_max
        self._held: dict[str, int] = {}
        self._waits: list[_Wait] = []

    @property
    def free(self) -> int:
        """What nobody holds."""
        return self._free

    def held_by(self, owner: str) -> int:
        return self._held.get(owner, 0)

    def take(self, owner: str, amount: int) -> bool:
        """Whether there was room: then it is the owner's until it gives it back."""
        held = self._held.get(owner, 0) + amount
        if held > self._free:
            return False
        self._held[owner] = held
        self._free -= amount
        return True

    async def take_soon(self, owner: str, amount: int, wait_s: float) -> bool:
        """The same, waiting for others to give back."""
        if self.take(owner, amount):
            return True
        wait = _Wait(owner, amount, asyncio.get_running_loop().create_future())
        self._waits.append(wait)
        try:
            async with asyncio.timeout(wait_s):
                await wait.granted
            return True
        except TimeoutError:
            return wait.is_granted
        except asyncio.CancelledError:
            if wait.is_granted:
                self.give_back(owner, amount)
            raise
        finally:
            if wait in self._waits:
                self._waits.remove(wait)

    def give_back(self, owner: str, amount: int) -> None:
        left = self._held.get(owner, 0) - amount
        if left > 0:
            self._held[owner] = left
        else:
            self._held.pop(owner, None)
        self._free += amount
        if self._waits:
            self._grant()

    def _grant(self) -> None:
        for wait in self._waits.copy():
            if not wait.granted.done() and self.take(wait.owner, wait.amount):
                self._waits.remove(wait)
                wait.granted.set_result(None)


class Holding:
    """What one request holds of a room. Close it once."""

    __slots__ = ("_owner", "_room", "bytes")

    def __init__(self, room: Room, owner: str) -> None:
        self._room = room
        self._owner = owner
        self.bytes = 0

    def take(self, amount: int) -> bool:
        """Whether there was room at once."""
        if not self._room.take(self._owner, amount):
            return False
        self.bytes += amount
        return True

    def shrink(self, amount: int) -> None:
        """Gives a part back."""
        self.bytes -= amount
        self._room.give_back(self._owner, amount)

    async def grow(self, amount: int) -> None:
        """Takes more, waiting for it a little. Raises ApiError when there is none."""
        room = self._room
        if not await room.take_soon(self._owner, amount, ROOM_WAIT_S):
            raise self._no_room(amount)
        self.bytes += amount

    def close(self) -> None:
        amount, self.bytes = self.bytes, 0
        if amount:
            self._room.give_back(self._owner, amount)

    def _no_room(self, amount: int) -> ApiError:
        room, wanted = self._room, f"{-(-amount // MIB)} MiB"
        if others := room.held_by(self._owner) - self.bytes:
            return ApiError(
                CONCURRENCY,
                f"Other calls with this API key hold {others // MIB} MiB of {room.what}, which leaves no "
                f"room for {wanted} more. Please try again when one of them has ended.",
                retry_after_s=1,
            )
        return ApiError(
            OVERLOADED,
            f"This server has no room for {wanted} more of {room.what}. Please try again shortly.",
            retry_after_s=1,
        )


class Rooms:
    """The rooms of one worker."""

    def __init__(self, requests_bytes_max: int, replies_bytes_max: int) -> None:
        self.requests = Room(requests_bytes_max, "request bodies")
        self.replies = Room(replies_bytes_max, "replies")
