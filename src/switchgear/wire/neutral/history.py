"""The turns of a conversation brought into the order that strict dialects ask for.

Every call of a tool has exactly one result, in the user turn that follows it directly, and every result has a
call. Clients send histories that break this all the time: an aborted call, a result whose call was cut away,
results after the text, one turn for each result, an id on one half of a pair only.

Pure and deterministic, as a history comes again with each turn and has to look the same then; in linear time.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec.structs import replace

from switchgear.wire.neutral.request import Part, Refusal, Text, ToolCall, ToolResult, Turn

NO_RESULT = "[no result: interrupted]"


def paired(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same conversation with a result for each call, in the order of the calls, and a call for each
    result.

    Neighbouring assistant turns become one where calls are among them. Calls without an id get one by their
    place. A result goes to the call of its id, an earlier one if need be; where its id names no call of the
    conversation, to the first open call of its name, else to the first one that has no id either.
    A missing result becomes ``NO_RESULT``, an error; what belongs to no call becomes ordinary parts of its
    turn.
    """
    turns = tuple(turn for turn in turns if turn.parts)
    if not _has_tools(turns):
        return turns
    pairing = _Pairing(turns)
    for is_assistant, run in groupby(turns, lambda turn: turn.role == "assistant"):
        if is_assistant:
            pairing.take_calls(list(run))
        else:
            pairing.take_results(list(run))
    return pairing.close()


def _has_tools(turns: tuple[Turn, ...]) -> bool:
    for turn in turns:
        for part in turn.parts:
            if type(part) is not Text and isinstance(part, (ToolCall, ToolResult)):
                return True
    return False


def shown_by_user(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The same, with pictures and files of instructions in a turn of the user right after those: where
    instructions are nothing but text."""
    for turn in turns:
        if turn.role in ("system", "developer"):
            for part in turn.parts:
                if type(part) is not Text:
                    return tuple(_shown_by_user(turns))
    return turns


def _shown_by_user(turns: tuple[Turn, ...]) -> Iterator[Turn]:
    media: list[Part] = []
    for turn in turns:
        if turn.role not in ("system", "developer"):
            if media:
                yield Turn("user", tuple(media))
                media = []
            yield turn
            continue
        kept = tuple(part for part in turn.parts if isinstance(part, Text | Refusal))
        if len(kept) == len(turn.parts):
            yield turn
            continue
        media += [part for part in turn.parts if not isinstance(part, Text | Refusal)]
        if kept:
            yield replace(turn, parts=kept)
    if media:
        yield Turn("user", tuple(media))


def merged(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Neighbouring user turns, and neighbouring assistant turns, as one, results before the other parts;
    system and developer turns stay apart."""
    out: list[Turn] = []
    for role, run in groupby(turns, lambda turn: turn.role):
        if role in ("user", "assistant"):
            out.append(_joined(list(run)))
        else:
            out += run
    return tuple(out)


def _joined(run: list[Turn]) -> Turn:
    if len(run) == 1:
        return run[0]
    parts = [part for turn in run for part in turn.parts]
    parts.sort(key=lambda part: not isinstance(part, ToolResult))
    names = {turn.name for turn in run}
    return Turn(run[0].role, tuple(parts), names.pop() if len(names) == 1 else "")


class _Pairing:
    """One conversation, taken run by run: neighbouring assistant turns, then all up to the next of those."""

    def __init__(self, turns: tuple[Turn, ...]) -> None:
        self._ids = {part.id for turn in turns for part in turn.parts if isinstance(part, ToolCall)}
        self._out: list[Turn] = []
        self._calls: list[ToolCall] = []
        self._bare: set[int] = set()
        """Places among those of the calls that came without an id."""
        self._count = 0
        self._unanswered: dict[str, tuple[int, int, ToolCall]] = {}
        """Id of a call → the turn, and the place in it, where ``NO_RESULT`` stands for its result."""
        self._late: dict[int, dict[int, ToolResult]] = {}
        """Turn → place in it → the result that came further down."""

    def close(self) -> tuple[Turn, ...]:
        """All turns, once every run is taken."""
        self.take_results([])
        for at, results in self._late.items():
            parts = tuple(results.get(place, part) for place, part in enumerate(self._out[at].parts))
            self._out[at] = replace(self._out[at], parts=parts)
        return tuple(self._out)

    def take_calls(self, run: list[Turn]) -> None:
        """A run of the assistant."""
        if any(isinstance(part, ToolCall) for turn in run for part in turn.parts):
            run = [self._with_ids(_joined(run))]
        self._out += run

    def take_results(self, run: list[Turn]) -> None:
        """A run of others; the results of the calls before it go to the front of its first user turn."""
        calls, bare, self._calls, self._bare = self._calls, self._bare, [], set()
        found = [part for turn in run for part in turn.parts if isinstance(part, ToolResult)]
        places = _places(found, calls, bare, self._ids)
        answers: list[ToolResult | None] = [None] * len(calls)
        for result, place in zip(found, places, strict=True):
            if place is not None:
                answers[place] = _of(calls[place], result)
        pending = iter(places)
        rest = [turn for turn in (self._without_results(turn, pending) for turn in run) if turn.parts]
        if calls:
            self._note_unanswered(calls, answers)
            front = tuple(one or _missing(call) for one, call in zip(answers, calls, strict=True))
            if rest and rest[0].role == "user":
                rest[0] = replace(rest[0], parts=front + rest[0].parts)
            else:
                rest.insert(0, Turn("user", front))
        self._out += rest

    def _with_ids(self, turn: Turn) -> Turn:
        parts: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolCall):
                if not part.id:
                    self._bare.add(len(self._calls))
                    part = replace(part, id=f"call_{self._count}")
                self._count += 1
                self._calls.append(part)
                self._unanswered.pop(part.id, None)  # the newer one of that id is meant from here on
            parts.append(part)
        return replace(turn, parts=tuple(parts))

    def _without_results(self, turn: Turn, places: Iterator[int | None]) -> Turn:
        """What else is in a turn, and the parts of results that belong to no call; ``places``: those of its
        results are next."""
        if not any(isinstance(part, ToolResult) for part in turn.parts):
            return turn
        rest: list[Part] = []
        for part in turn.parts:
            if not isinstance(part, ToolResult):
                rest.append(part)
            elif next(places) is None and not self._came_late(part):
                rest += part.parts
        return replace(turn, parts=tuple(rest))

    def _note_unanswered(self, calls: list[ToolCall], answers: list[ToolResult | None]) -> None:
        for place, call in enumerate(calls):
            if answers[place] is None:
                self._unanswered[call.id] = (len(self._out), place, call)

    def _came_late(self, result: ToolResult) -> bool:
        """Whether it is the result of a call further up."""
        found = self._unanswered.pop(result.call_id, None)
        if found is not None:
            at, place, call = found
            self._late.setdefault(at, {})[place] = _of(call, result)
        return found is not None


def _places(
    results: list[ToolResult], calls: list[ToolCall], bare: set[int], ids: set[str]
) -> list[int | None]:
    """For each result the place of its call; None for one that belongs to none of these.

    ``bare``: calls that came without an id; ``ids``: those of the whole conversation, as a result whose id
    names another call is not to be guessed at.
    """
    places: list[int | None] = [None] * len(results)
    open_by_id = _queues(call.id for call in calls)
    for at, result in enumerate(results):
        if result.call_id and (queue := open_by_id.get(result.call_id)):
            places[at] = queue.popleft()
    taken = set(places)
    loose = [at for at, place in enumerate(places) if place is None and _is_loose(results[at], ids)]
    open_by_name = _queues(call.name if place not in taken else "" for place, call in enumerate(calls))
    for at in loose:
        if (name := results[at].name) and (queue := open_by_name.get(name)):
            places[at] = queue.popleft()
    taken = set(places)
    left = [place for place in range(len(calls)) if place not in taken]
    open_bare = deque(place for place in left if place in bare)
    open_any = deque(left)
    for at in loose:
        if places[at] is None:
            places[at] = _first(open_bare if results[at].call_id else open_any, taken)
            taken.add(places[at])
    return places


def _first(queue: deque[int], taken: set[int | None]) -> int | None:
    """The next place that is still open."""
    while queue:
        if (place := queue.popleft()) not in taken:
            return place
    return None


def _is_loose(result: ToolResult, ids: set[str]) -> bool:
    return not result.call_id or result.call_id not in ids


def _queues(keys: Iterable[str]) -> dict[str, deque[int]]:
    """Key → its places, in order."""
    queues: dict[str, deque[int]] = {}
    for place, key in enumerate(keys):
        queues.setdefault(key, deque()).append(place)
    return queues


def _of(call: ToolCall, result: ToolResult) -> ToolResult:
    return replace(result, call_id=call.id, name=call.name, kind=call.kind)


def _missing(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, (Text(NO_RESULT),), name=call.name, is_error=True, kind=call.kind)
