"""A request body while it comes in: one growing buffer, within its bound and the room that there is."""

from io import BytesIO

from switchgear.kernel.errors import CONCURRENCY, ApiError
from switchgear.kernel.limits import FEED_STEP_BYTES, UNREAD_BODY_BYTES_MAX
from switchgear.relay.room import Holding, Room

_TOO_MANY = "Too many request bodies come from this address at once. Please try again shortly."


class IncomingBody:
    """States: closed (nobody has asked; little is taken, at the expense of the client's address) → open →
    taken or dropped."""

    __slots__ = (
        "_address",
        "_bytes_max",
        "_first",
        "_holding",
        "_more",
        "_room",
        "_unasked",
        "fault",
        "size",
        "unplaced",
    )

    def __init__(self, room: Room, address: str) -> None:
        self._room = room
        self._address = address
        self._unasked: Holding | None = None
        """What it holds before anybody asks for it."""
        self._first = b""
        self._more: BytesIO | None = None
        self._bytes_max = 0
        self._holding: Holding | None = None
        self.size = 0
        """Bytes that have come."""
        self.unplaced = 0
        """Those of them that no room was found for yet."""
        self.fault: ApiError | None = None
        """Why it will never be whole."""

    def open(self, bytes_max: int, holding: Holding) -> None:
        """Somebody wants it; what is above UNREAD_BODY_BYTES_MAX is to be held by ``holding``."""
        self._bytes_max = bytes_max
        self._holding = holding
        self._give_back()

    @property
    def is_too_large(self) -> bool:
        return 0 < self._bytes_max < self.size

    def add(self, data: bytes) -> bool:
        """One piece. False: no more for now, as nobody has asked for it or there is no room."""
        self.size += len(data)
        holding = self._holding
        if holding is None:
            return self._add_unasked(data)
        if self.is_too_large:
            self._clear()
            return True
        self._keep(data)
        lacking = self.size - holding.bytes
        if self.size > UNREAD_BODY_BYTES_MAX and lacking > 0 and not holding.take(lacking):
            self.unplaced = lacking
            return False
        return True

    def _add_unasked(self, data: bytes) -> bool:
        if self.size > FEED_STEP_BYTES:
            if self._unasked is None:
                self._unasked = Holding(self._room, self._address)
            if not self._unasked.take(self.size - self._unasked.bytes):
                self._clear()
                self.fault = ApiError(CONCURRENCY, _TOO_MANY, retry_after_s=1)
                return False
        self._keep(data)
        return self.size <= UNREAD_BODY_BYTES_MAX

    async def find_room(self) -> None:
        """For what has come. Raises ApiError when there is none."""
        lacking, self.unplaced = self.unplaced, 0
        if self._holding is not None:
            await self._holding.grow(lacking)

    def take(self) -> bytes:
        """All of it, once."""
        whole = self._first if self._more is None else self._more.getvalue()  # which copies nothing
        self._clear()
        return whole

    def drop(self) -> None:
        """Nobody will want it any more."""
        self._clear()
        self._give_back()
        self._holding = None

    def _give_back(self) -> None:
        unasked, self._unasked = self._unasked, None
        if unasked is not None:
            unasked.close()

    def _keep(self, data: bytes) -> None:
        if self._more is not None:
            self._more.write(data)
        elif not self._first:
            self._first = data
        else:
            self._more = BytesIO()
            self._more.write(self._first)
            self._more.write(data)
            self._first = b""

    def _clear(self) -> None:
        self._first, self._more = b"", None
