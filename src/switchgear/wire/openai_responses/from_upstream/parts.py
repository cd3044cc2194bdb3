"""An upstream's answer as neutral events, whether it comes as a stream or whole.

Both go through one ``Answer``, which knows what was said of each item so far: a ``done`` brings only what the
deltas before it did not, so servers that send one of the two are read rightly, and so is a stream that
consists of its last event alone.
"""

from collections.abc import Callable

from msgspec import Raw
from msgspec.structs import replace

from switchgear.wire.faults.upstream_error import broken, counted
from switchgear.wire.framing.splice import NULL, any_of
from switchgear.wire.neutral.events import (
    Cite,
    End,
    Event,
    Fault,
    Finish,
    FinishReason,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    Start,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Opaque
from switchgear.wire.openai_responses.frames import (
    TERMINAL,
    Item,
    Part,
    Response,
    StreamEvent,
    error_of,
    read_item,
    read_response,
)
from switchgear.wire.openai_responses.from_client.parts import citation_of
from switchgear.wire.openai_responses.from_client.tools import flat_name
from switchgear.wire.openai_responses.from_upstream.hosted import read_hosted
from switchgear.wire.openai_responses.from_upstream.open_item import OpenItem
from switchgear.wire.openai_responses.hosted_calls import CallCounter
from switchgear.wire.openai_responses.usage import usage_in

_EMPTY = (NULL, Raw(b"[]"))
_CALLS = ("function_call", "custom_tool_call")


class Answer:
    """Collects the events of one answer. After ``is_over`` nothing more is taken."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_over = False
        self._has_started = False
        self._items: dict[int, OpenItem] = {}
        self._counter = CallCounter()
        self._last = 0
        self._indices: dict[str, int] = {}
        """Of announced items by id, for servers that number nothing."""
        self._calls = 0
        self._call_ids: set[str] = set()
        self._said = 0
        self._needs_gap = False
        """Reasoning without a signature came last; another item of it stands apart."""

    def take(self, event: StreamEvent) -> None:
        """An event of the stream, other than ``error``."""
        if not self._has_started:
            self._start(event.response)
        taker = _TAKERS.get(event.type)
        if taker is not None:
            taker(self, event)

    def take_whole(self, response: Response) -> None:
        """A whole response, or the last event's."""
        if not self._has_started:
            self._has_started = True
            self.events.append(Start(response.id or "", response.model or ""))
        status = response.status or "completed"
        if status in ("failed", "cancelled") or response.error not in _EMPTY:
            has_reason = response.error not in _EMPTY
            error = error_of(response.error) if has_reason else broken(f"the response is {status}")
            self.fail(Fault(counted(error, usage_in(response, self._counter))))
            return
        self._take_output(response.output or [])
        self._finish(response, status)

    def _take_output(self, output: list[Raw]) -> None:
        """The items of the whole response: what the events before did not say of them."""
        has_items = bool(self._items)
        kinds = {item.kind for item in self._items.values()}
        for index, raw in enumerate(output):
            opened = self._items.get(index)
            item = read_item(raw)
            # An item that is known and whole is not said again, whatever places a server numbers by.
            if not has_items or (opened and not opened.is_done and opened.kind == item.type):
                self._finish_item(index, raw)
            elif self._is_unsaid(item, kinds):
                self._finish_item(len(output) + index, raw)

    def _is_unsaid(self, item: Item, kinds: set[str]) -> bool:
        if item.type in _CALLS and item.call_id:
            return item.call_id not in self._call_ids
        return item.type == "message" and item.type not in kinds

    def fail(self, fault: Fault) -> None:
        self.is_over = True
        self.events.append(fault)

    # --- events of the stream

    def _start(self, raw: Raw) -> None:
        self._has_started = True
        response = None if raw == NULL else read_response(raw)
        if response is None:
            self.events.append(Start())
        else:
            self.events.append(Start(response.id or "", response.model or ""))

    def _take_text(self, event: StreamEvent) -> None:
        if event.delta:
            item = self._item_of(event, "message")
            self._say(item, event.content_index, event.delta, event.logprobs)

    def _take_refusal(self, event: StreamEvent) -> None:
        if event.delta:
            item = self._item_of(event, "message")
            at = event.content_index
            item.seen[at] = item.seen.get(at, 0) + len(event.delta)
            self.events.append(RefusalDelta(event.delta))

    def _take_summary(self, event: StreamEvent) -> None:
        if event.delta:
            self._think(self._item_of(event, "reasoning"), "summary", event.summary_index, event.delta)

    def _take_reasoning(self, event: StreamEvent) -> None:
        if event.delta:
            self._think(self._item_of(event, "reasoning"), "content", event.content_index, event.delta)

    def _take_arguments(self, event: StreamEvent) -> None:
        if event.delta:
            kind = "custom_tool_call" if "custom" in event.type else "function_call"
            self._argue(self._item_of(event, kind), event.delta)

    def _take_text_done(self, event: StreamEvent) -> None:
        item = self._unfinished(event, "message")
        at = event.content_index
        if item is None:
            return
        seen = item.seen.get(at, 0)
        if event.text and (rest := event.text[seen:]):
            self._say(item, at, rest, NULL if seen else event.logprobs)
        elif event.refusal and (rest := event.refusal[seen:]):
            item.seen[at] = len(event.refusal)
            self.events.append(RefusalDelta(rest))

    def _take_reasoning_done(self, event: StreamEvent) -> None:
        is_summary = "summary" in event.type
        at = event.summary_index if is_summary else event.content_index
        item = self._unfinished(event, "reasoning")
        if item is not None and event.text and (rest := event.text[item.seen.get(at, 0) :]):
            self._think(item, "summary" if is_summary else "content", at, rest)

    def _take_arguments_done(self, event: StreamEvent) -> None:
        kind = "custom_tool_call" if "custom" in event.type else "function_call"
        item = self._unfinished(event, kind)
        if item is not None and (rest := (event.arguments or event.input or "")[item.seen.get(0, 0) :]):
            self._argue(item, rest)

    def _unfinished(self, event: StreamEvent, kind: str) -> OpenItem | None:
        """The item that a ``done`` of one of its parts is about; None when it is over already."""
        index = self._index_of(event)
        known = self._items.get(index)
        return None if known is not None and known.is_done else self._item_of(event, kind)

    def _take_annotation(self, event: StreamEvent) -> None:
        self._cite(self._item_of(event, "message"), event.content_index, event.annotation)

    def _take_added(self, event: StreamEvent) -> None:
        index = max(self._items, default=-1) + 1 if event.output_index is None else event.output_index
        item = read_item(event.item)
        before = self._items.get(index)
        if before is not None and not before.is_done:
            self._end_call(before)
        opened = self._items[index] = OpenItem(item.type)
        self._last = index
        if item.id:
            self._indices[item.id] = index
        if item.type in _CALLS:
            self._start_call(opened, item)

    def _take_done(self, event: StreamEvent) -> None:
        if event.output_index is None:
            event.item_id = read_item(event.item).id
        self._finish_item(self._index_of(event), event.item)

    def _take_end(self, event: StreamEvent) -> None:
        response = read_response(event.response) or Response()
        response.status = TERMINAL[event.type] or response.status
        self.take_whole(response)

    def _index_of(self, event: StreamEvent) -> int:
        """Where the item of an event stands: by its number, by its id, or as the last one."""
        if event.output_index is not None:
            return event.output_index
        return self._indices.get(event.item_id or "", self._last)

    def _item_of(self, event: StreamEvent, kind: str) -> OpenItem:
        """The item of a delta; made up where the server didn't announce it."""
        index = self._index_of(event)
        item = self._items.get(index)
        if item is None or item.is_done:
            item = self._items[index] = OpenItem(kind)
        self._last = index
        return item

    # --- what they say

    def _say(self, item: OpenItem, at: int, text: str, logprobs: Raw) -> None:
        item.bases.setdefault(at, self._said)
        item.seen[at] = item.seen.get(at, 0) + len(text)
        self._said += len(text)
        self._needs_gap = False
        self.events.append(TextDelta(text, None if logprobs in _EMPTY else logprobs))

    def _think(self, item: OpenItem, source: str, at: int, text: str) -> None:
        if item.source not in ("", source):
            return
        is_first = not item.source
        gap = self._needs_gap if is_first else source == "summary" and at not in item.seen
        item.source = source
        item.seen[at] = item.seen.get(at, 0) + len(text)
        self.events.append(ReasoningDelta("\n\n" + text if gap else text))

    def _start_call(self, opened: OpenItem, item: Item) -> None:
        if not item.name or opened.key >= 0:
            return
        opened.key = self._calls
        self._calls += 1
        self._call_ids.add(item.call_id or "")
        self._needs_gap = False
        self.events.append(
            ToolStart(
                opened.key,
                item.call_id or item.id or f"call_{opened.key}",
                flat_name(item.namespace or "", item.name),
                "custom" if opened.kind == "custom_tool_call" else "function",
            )
        )
        for text in opened.pending:
            self.events.append(ToolDelta(opened.key, text))
        opened.pending = []

    def _argue(self, item: OpenItem, text: str) -> None:
        if text == "null" and not item.seen and item.kind == "function_call":
            return
        item.seen[0] = item.seen.get(0, 0) + len(text)
        if item.key < 0:
            item.pending.append(text)
        else:
            self.events.append(ToolDelta(item.key, text))

    def _end_call(self, item: OpenItem, whole: bool = True) -> None:
        item.is_done = True
        if item.key >= 0:
            if whole and not item.seen and item.kind == "function_call":
                self.events.append(ToolDelta(item.key, "{}"))
            self.events.append(ToolEnd(item.key))

    def _cite(self, item: OpenItem, at: int, raw: Raw) -> None:
        item.notes[at] = item.notes.get(at, 0) + 1
        cited = citation_of(any_of(bytes(raw)))
        if cited is None:
            return
        base = item.bases.get(at, self._said)
        if cited.start >= 0:
            cited = replace(cited, start=cited.start + base, end=max(cited.end, cited.start) + base)
        self.events.append(Cite(cited))

    # --- whole items

    def _finish_item(self, index: int, raw: Raw) -> None:
        item = read_item(raw)
        opened = self._items.get(index)
        if opened is None or opened.is_done:
            opened = self._items[index] = OpenItem(item.type)
        self._last = index
        if item.type == "message":
            self._finish_message(opened, item)
        elif item.type == "reasoning":
            self._finish_reasoning(opened, item)
        elif item.type in _CALLS:
            self._start_call(opened, item)
            said = (item.arguments if item.type == "function_call" else item.input) or ""
            if rest := said[opened.seen.get(0, 0) :]:
                self._argue(opened, rest)
            self._end_call(opened)
        else:
            self._counter.take(raw)
            self.events += read_hosted(raw, item)
        opened.is_done = True

    def _finish_message(self, opened: OpenItem, item: Item) -> None:
        for at, part in enumerate(item.content or ()):
            seen = opened.seen.get(at, 0)
            if part.text and (rest := part.text[seen:]):
                self._say(opened, at, rest, NULL if seen else part.logprobs)
            elif part.refusal and (rest := part.refusal[seen:]):
                self.events.append(RefusalDelta(rest))
            for note in (part.annotations or ())[opened.notes.get(at, 0) :]:
                self._cite(opened, at, note)

    def _finish_reasoning(self, opened: OpenItem, item: Item) -> None:
        parts: list[Part] = (item.summary or []) if opened.source != "content" else (item.content or [])
        source = opened.source or ("summary" if parts else "content")
        for at, part in enumerate(parts or item.content or ()):
            if part.text and (rest := part.text[opened.seen.get(at, 0) :]):
                self._think(opened, source, at, rest)
        self._needs_gap = bool(opened.source)
        if item.encrypted_content:
            self._needs_gap = False
            # Whose token it is, the channel knows.
            opaque = Opaque("", "encrypted", item.encrypted_content)
            self.events.append(Signature(opaque) if opened.source else Redacted(opaque))

    def _finish(self, response: Response, status: str) -> None:
        for item in self._items.values():
            if not item.is_done:
                self._end_call(item, whole=status != "incomplete")
        usage = usage_in(response, self._counter)
        if usage is not None:
            self.events.append(UsageSeen(usage))
        reason: FinishReason = "tool_calls" if self._calls else "stop"
        if status == "incomplete":
            why = response.incomplete_details
            reason = "content_filter" if why is not None and why.reason == "content_filter" else "length"
        self.events += (Finish(reason), End())
        self.is_over = True


_TAKERS: dict[str, Callable[[Answer, StreamEvent], None]] = {
    "response.output_text.delta": Answer._take_text,
    "response.reasoning_summary_text.delta": Answer._take_summary,
    "response.reasoning_text.delta": Answer._take_reasoning,
    "response.function_call_arguments.delta": Answer._take_arguments,
    "response.custom_tool_call_input.delta": Answer._take_arguments,
    "response.output_text.done": Answer._take_text_done,
    "response.refusal.done": Answer._take_text_done,
    "response.reasoning_summary_text.done": Answer._take_reasoning_done,
    "response.reasoning_text.done": Answer._take_reasoning_done,
    "response.function_call_arguments.done": Answer._take_arguments_done,
    "response.custom_tool_call_input.done": Answer._take_arguments_done,
    "response.output_item.added": Answer._take_added,
    "response.output_item.done": Answer._take_done,
    "response.refusal.delta": Answer._take_refusal,
    "response.output_text.annotation.added": Answer._take_annotation,
    **dict.fromkeys(TERMINAL, Answer._take_end),
}
