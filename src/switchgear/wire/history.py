"""The turns of a conversation brought into the order that strict dialects ask for.

Every call of a tool has exactly one result, in the user turn that follows it directly, and every result has a
call. Clients send histories that break this all the time: an aborted call, a result whose call was cut away,
results after the text, one turn for each result. Pure and deterministic, as a history comes again with each
turn and has to look the same then; in linear time.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec.structs import replace

from switchgear.wire.ir import Part, Refusal, Text, ToolCall, ToolResult, Turn

NO_RESULT = "[no result: interrupted]"


def paired(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same conversation with a result for each call, in the order of the calls, and a call for each
    result.

    Neighbouring assistant turns become one where calls are among them. Calls without an id get one by their
    place; results without one take the first open call of their name, or without a name the first open one.
    A missing result becomes ``NO_RESULT``, an error; what belongs to no call becomes ordinary parts of its
    turn.
    """
    turns = tuple(turn for turn in turns if turn.parts)
    if not _has_tools(turns):
        return turns
    out: list[Turn] = []
    calls: list[ToolCall] = []
    count = 0
    for is_assistant, run in groupby(turns, lambda turn: turn.role == "assistant"):
        if not is_assistant:
            out += _answered(list(run), calls)
            calls = []
            continue
        said, calls = _with_ids(list(run), count)
        count += len(calls)
        out += said
    return (*out, *_answered([], calls))


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


def _with_ids(run: list[Turn], count: int) -> tuple[list[Turn], list[ToolCall]]:
    """Neighbouring assistant turns with an id on each of their calls, and those calls; ``count`` of them came
    before."""
    calls: list[ToolCall] = []
    if not any(isinstance(part, ToolCall) for turn in run for part in turn.parts):
        return run, calls
    turn = _joined(run)
    parts: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolCall):
            if not part.id:
                part = replace(part, id=f"call_{count + len(calls)}")
            calls.append(part)
        parts.append(part)
    return [replace(turn, parts=tuple(parts))], calls


class _Open:
    """The calls of a turn that wait for their results, by their places."""

    def __init__(self, calls: list[ToolCall]) -> None:
        self.results: list[ToolResult | None] = [None] * len(calls)
        self._all = deque(range(len(calls)))
        self._by_id: dict[str, deque[int]] = {}
        self._by_name: dict[str, deque[int]] = {}
        for at, call in enumerate(calls):
            self._by_id.setdefault(call.id, deque()).append(at)
            self._by_name.setdefault(call.name, deque()).append(at)

    def place_of(self, result: ToolResult) -> int | None:
        """None = it belongs to no call."""
        if result.call_id:
            return self._first(self._by_id.get(result.call_id))
        if result.name:
            return self._first(self._by_name.get(result.name))
        return self._first(self._all)

    def _first(self, places: deque[int] | None) -> int | None:
        while places:
            at = places.popleft()
            if self.results[at] is None:
                return at
        return None


def _answered(run: list[Turn], calls: list[ToolCall]) -> list[Turn]:
    """The turns between two assistant turns, with the results of ``calls`` at the front of the first user
    turn."""
    waiting = _Open(calls)
    rest: list[Turn] = []
    for turn in run:
        if any(isinstance(part, ToolResult) for part in turn.parts):
            turn = replace(turn, parts=_without_results(turn.parts, calls, waiting))
        if turn.parts:
            rest.append(turn)
    if not calls:
        return rest
    front = tuple(result or _missing(call) for result, call in zip(waiting.results, calls, strict=True))
    if rest and rest[0].role == "user":
        return [replace(rest[0], parts=front + rest[0].parts), *rest[1:]]
    return [Turn("user", front), *rest]


def _without_results(parts: tuple[Part, ...], calls: list[ToolCall], waiting: _Open) -> tuple[Part, ...]:
    """What else is in a turn; its results go to their calls."""
    rest: list[Part] = []
    for part in parts:
        if not isinstance(part, ToolResult):
            rest.append(part)
        elif (at := waiting.place_of(part)) is None:
            rest += part.parts
        else:
            call = calls[at]
            waiting.results[at] = replace(part, call_id=call.id, name=call.name, kind=call.kind)
    return tuple(rest)


def _missing(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, (Text(NO_RESULT),), name=call.name, is_error=True, kind=call.kind)
