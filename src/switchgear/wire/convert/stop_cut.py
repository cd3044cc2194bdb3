"""Stop sequences for an upstream that knows none: the answer is cut at the first match, as if it had stopped
there.

Stands between a reader and a writer: ``feed`` takes the reader's events and gives those for the writer. Text
is held back only as far as it may be the start of a stop sequence, so the first token waits for nothing else.
Once ``is_cut``, the rest of the upstream's answer is of no use, and its stream may be closed; a ``UsageSeen``
that still comes is passed on.
"""

from msgspec import Raw

from switchgear.kernel.errors import INVALID_VALUE, ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import STOP_CHARS_MAX, STOPS_MAX
from switchgear.wire.neutral.events import (
    Choice,
    End,
    Event,
    Fault,
    Finish,
    Start,
    TextDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)

_AFTER_CUT = (UsageSeen, End, Fault, Start)


def share_stops(
    stops: tuple[str, ...], facts: ModelFacts, usual_max: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(those that the upstream looks for, those that are looked for here). ``usual_max``: as many as its
    dialect's maker takes. Raises ApiError when too many are left for us."""
    most = 0 if facts.no_stop else facts.stops_max or usual_max
    sent, cut = stops[:most], stops[most:]
    if len(cut) > STOPS_MAX or any(len(stop) > STOP_CHARS_MAX for stop in cut):
        raise ApiError(
            INVALID_VALUE,
            f"Invalid value for 'stop': this model takes at most {most + STOPS_MAX} sequences, of "
            f"{STOP_CHARS_MAX} characters each behind the first {most}.",
            param="stop",
        )
    return sent, cut


class _Text:
    """One answer's text: what is held back, and whether it is cut."""

    __slots__ = ("held", "matched", "open_calls")

    def __init__(self) -> None:
        self.held: list[tuple[str, Raw | None]] = []
        self.matched = ""
        self.open_calls: set[int] = set()


class StopCut:
    """Cuts the texts of one reply. ``stops``: not empty, none of them empty."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._starts = {stop[:size] for stop in stops for size in range(1, len(stop))}
        self._longest = max(map(len, stops))
        self._texts: dict[int, _Text] = {}
        self._choice = 0

    @property
    def is_cut(self) -> bool:
        """Every answer seen so far has met a stop sequence."""
        return bool(self._texts) and all(text.matched for text in self._texts.values())

    def feed(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if isinstance(event, Choice):
                self._choice = event.index
                out.append(event)
                continue
            text = self._texts.get(self._choice)
            if text is None:
                if isinstance(event, _AFTER_CUT):
                    out.append(event)
                    continue
                text = self._texts[self._choice] = _Text()
            self._take(text, event, out)
        return out

    def _take(self, text: _Text, event: Event, out: list[Event]) -> None:
        if isinstance(event, Finish):
            out += _released(text)
            out.append(Finish("stop_sequence", text.matched) if text.matched else event)
        elif isinstance(event, _AFTER_CUT):
            out.append(event)
        elif text.matched:
            # Calls that were open get their end; nothing else follows the cut.
            if isinstance(event, ToolEnd) and event.key in text.open_calls:
                out.append(event)
        elif isinstance(event, TextDelta):
            self._cut(text, event, out)
        else:
            if isinstance(event, ToolStart):
                text.open_calls.add(event.key)
            out += _released(text)
            out.append(event)

    def _cut(self, text: _Text, event: TextDelta, out: list[Event]) -> None:
        text.held.append((event.text, event.logprobs))
        said = "".join(piece for piece, _ in text.held)
        # The first that is complete ends the answer, wherever the text was split; of two, the longer.
        ends = [(at + len(stop), -len(stop), stop) for stop in self._stops if (at := said.find(stop)) >= 0]
        if ends:
            end, size, text.matched = min(ends)
            out += _pieces(text, end + size)
            text.held = []
            return
        out += _pieces(text, len(said) - self._kept(said))

    def _kept(self, said: str) -> int:
        """How many of the last characters may be the start of a stop sequence."""
        for size in range(min(self._longest - 1, len(said)), 0, -1):
            if said[-size:] in self._starts:
                return size
        return 0


def _pieces(text: _Text, size: int) -> list[Event]:
    """The first ``size`` characters of what is held, in the pieces in which they came."""
    out: list[Event] = []
    while size and text.held:
        piece, logprobs = text.held.pop(0)
        if len(piece) > size:
            text.held.insert(0, (piece[size:], None))
            piece = piece[:size]
        size -= len(piece)
        if piece:
            out.append(TextDelta(piece, logprobs))
    return out


def _released(text: _Text) -> list[Event]:
    if not text.held:
        return []
    return _pieces(text, sum(len(piece) for piece, _ in text.held))
