"""Frames of one peer on their way to whole messages that wait for their reader. Pure."""

from collections import deque

from websockets.frames import Frame, Opcode

from switchgear.kernel.limits import (
    WEBSOCKET_BUFFER_BYTES_MAX,
    WEBSOCKET_MESSAGE_OVERHEAD_BYTES,
    WEBSOCKET_UNREAD_BYTES_MAX,
)
from switchgear.net.websocket import Allowance, Message


class Inbox:
    """``taken`` bytes are with the reader, ``waiting`` in whole messages, the others in one to come."""

    __slots__ = ("_allowance", "_is_text", "_messages", "_part", "_taken", "_waiting")

    def __init__(self, allowance: Allowance | None) -> None:
        self._allowance = allowance
        self._messages: deque[Message] = deque()
        self._part = bytearray()
        self._is_text = False
        self._waiting = 0
        self._taken = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    def is_full(self, unparsed: int) -> bool:
        """Whether the reader should take something before more is read."""
        held = self._waiting + len(self._part) + unparsed
        return bool(self._messages) and held > WEBSOCKET_UNREAD_BYTES_MAX

    def add(self, frame: Frame) -> None:
        """A data frame, in the order that the protocol allows. Raises UnicodeDecodeError."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._put(bytes(frame.data))
                return
        self._part += frame.data
        if frame.fin:
            data, self._part = bytes(self._part), bytearray()
            self._put(data)

    def take(self) -> Message:
        message = self._messages.popleft()
        self._taken = len(message.data) + WEBSOCKET_MESSAGE_OVERHEAD_BYTES
        self._waiting -= self._taken
        return message

    def forget_taken(self, unparsed: int) -> None:
        """The reader is done with the message that it took last; its room is given back."""
        self._taken = 0
        self.find_room(unparsed)

    def forget_part(self) -> None:
        """The message that was coming will not be whole."""
        self._part = bytearray()
        self.find_room(0)

    def find_room(self, unparsed: int) -> bool:
        """Whether there is room for all of it, and for so many bytes of a frame that is not whole yet."""
        allowance = self._allowance
        lacking = self._taken + self._waiting + len(self._part) + unparsed - WEBSOCKET_BUFFER_BYTES_MAX
        if allowance is None:
            return lacking <= 0
        more = max(0, lacking) - allowance.bytes
        if more > 0:
            return allowance.take(more)
        if more < 0:
            allowance.shrink(-more)
        return True

    def clear(self) -> None:
        """Nobody will read any more of it."""
        self._messages.clear()
        self._part = bytearray()
        self._waiting = self._taken = 0
        self.find_room(0)

    def _put(self, data: bytes) -> None:
        if self._is_text and not data.isascii():
            data.decode()
        self._messages.append(Message(data, self._is_text))
        self._waiting += len(data) + WEBSOCKET_MESSAGE_OVERHEAD_BYTES
