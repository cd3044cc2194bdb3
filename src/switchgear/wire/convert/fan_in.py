"""Several answers from an upstream that gives one at a time: as many calls, read as one answer with choices.

Pieces of the calls' streams are told apart by a byte in front of each (``tagged``); a piece without more is
the end of that call. Whole replies travel as one list (``packed``).
"""

import msgspec

from switchgear.kernel.usage import Usage, sum_of
from switchgear.wire.dialect import Reader
from switchgear.wire.neutral.events import Choice, End, Event, Fault, Start, UsageSeen

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


def tagged(index: int, piece: bytes) -> bytes:
    """A piece of one call's stream; an empty one says that the call has ended."""
    return bytes((index,)) + piece


def packed(bodies: list[bytes]) -> bytes:
    """The whole replies of all calls."""
    return _encode(bodies)


def unpacked(data: bytes) -> list[bytes]:
    """The reverse of ``packed``."""
    return _decode(data)


class FanReader:
    """See ``wire.dialect.Reader``; one reader of the upstream's dialect for each call."""

    def __init__(self, readers: list[Reader]) -> None:
        self._readers = readers
        self._joiner = Joiner(len(readers))

    @property
    def is_told(self) -> bool:
        """See ``wire.dialect.Tap.is_told``."""
        return all(reader.is_told for reader in self._readers)

    def feed(self, chunk: bytes) -> list[Event]:
        index, piece = chunk[0], chunk[1:]
        reader = self._readers[index]
        return self._joiner.join(index, reader.feed(piece) if piece else reader.finish())

    def finish(self) -> list[Event]:
        events: list[Event] = []
        for index, reader in enumerate(self._readers):
            events += self._joiner.join(index, reader.finish())
        return events


class Joiner:
    """Events of several calls as those of one answer with several choices; usage adds up, and the end is
    the end of all."""

    def __init__(self, calls: int) -> None:
        self._usages: dict[int, Usage] = {}
        self._open = set(range(calls))
        self._current = 0
        self._started = False

    def join(self, index: int, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if index not in self._open:
                break
            match event:
                case Choice():
                    continue
                case Start():
                    if self._started:
                        continue
                    self._started = True
                    out.append(event)
                case UsageSeen():
                    self._usages[index] = event.usage
                    out.append(UsageSeen(sum_of(self._usages.values())))
                case End():
                    self._open.discard(index)
                    if not self._open:
                        out.append(event)
                case Fault():
                    self._open.clear()
                    if event.error.usage is not None:
                        self._usages[index] = event.error.usage
                    if self._usages:
                        event.error.usage = sum_of(self._usages.values())
                    out.append(event)
                case _:
                    if index != self._current:
                        self._current = index
                        out.append(Choice(index))
                    out.append(event)
        return out


def join_whole(answers: list[list[Event]]) -> list[Event]:
    """The events of whole replies as those of one."""
    joiner = Joiner(len(answers))
    return [event for index, events in enumerate(answers) for event in joiner.join(index, events)]
