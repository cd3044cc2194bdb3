"""One answer of an upstream as events: its text, reasoning and calls, in the order in which they come."""

from typing import Any, Literal

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import FRAME_BYTES_MAX, TOOL_CALLS_MAX
from switchgear.wire.framing.data_urls import parse_data_url
from switchgear.wire.framing.splice import any_of
from switchgear.wire.neutral.events import (
    AudioOut,
    Cite,
    Event,
    FinishReason,
    ImageOut,
    ReasoningDelta,
    Redacted,
    RefusalDelta,
    Signature,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
)
from switchgear.wire.neutral.request import Citation, Opaque
from switchgear.wire.openai_chat.from_client.turns import CLAUDE_FORMAT
from switchgear.wire.openai_chat.plain_frame import PlainDelta
from switchgear.wire.openai_chat.think_tags import ThinkSplitter

FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "max_output_tokens": "length",
    "repetition_truncation": "length",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
}
"""Of the dialect, and of vendors; any other ends an answer in the ordinary way."""

_encode = msgspec.json.Encoder().encode
_INDEX_DIGITS_MAX = 6
"""Of an index that is written as text."""


_USUAL = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning"}
)
"""Keys of nearly every piece; ``_rest`` looks for others."""


class ChoiceReader:
    """One of the answers."""

    __slots__ = (
        "_bare",
        "_calls",
        "_ids",
        "_last",
        "_open",
        "_source",
        "_think",
        "_unmarked",
        "_waiting",
        "finish",
        "has_cited",
        "saw_tool",
    )

    def __init__(self) -> None:
        self._calls = 0
        self._ids: dict[int, tuple[str, int]] = {}
        """The upstream's index → (id, our key)."""
        self._waiting: dict[int, tuple[str, str]] = {}
        """(id, arguments) of calls whose name has not come yet."""
        self._unmarked: dict[int, list[str]] = {}
        """The upstream's index → arguments so far of a call without an id."""
        self._last = -1
        self._open: list[int] = []
        self._bare: set[int] = set()
        """Keys of open functions that were given no arguments so far."""
        self._source: Literal["", "plain", "details"] = ""
        """Which spelling of the reasoning came first: the other one says the same again."""
        self._think = ThinkSplitter()
        self.finish = ""
        self.has_cited = False
        self.saw_tool = False

    @property
    def reason(self) -> FinishReason:
        # Google writes why after a colon, and some hosts spell its own words.
        reason = FINISHES.get(self.finish.partition(":")[0].lower(), "stop")
        if reason in ("stop", "tool_calls"):
            # Whether there are calls is seen: some hosts announce them and send none.
            return "tool_calls" if self.saw_tool else "stop"
        return reason

    @property
    def takes_text_as_it_is(self) -> bool:
        """No tag is waited for in the text."""
        return self._think.is_past

    def take(self, message: dict[str, Any], logprobs: Any, events: list[Event], *, whole: bool) -> bool:
        """One delta, or a ``whole`` message; False for more calls than anybody makes."""
        self._reason_about(message, events)
        content = message.get("content")
        if isinstance(content, str):
            if content:
                self._say(content, logprobs, events)
        elif isinstance(content, list):
            self._parts(content, events)
        if isinstance(refusal := message.get("refusal"), str) and refusal:
            events.append(RefusalDelta(refusal))
        if calls := message.get("tool_calls"):
            self._drop_blanks(events)
            for place, call in enumerate(calls if isinstance(calls, list) else ()):
                # In a whole message the place is the index, whatever ids there are.
                if isinstance(call, dict) and not self._call(call, events, place if whole else None):
                    return False
        if isinstance(legacy := message.get("function_call"), dict):
            self._call({"function": legacy}, events, 0)
        if not _USUAL.issuperset(message):
            self._rest(message, events)
        return True

    def say(self, delta: PlainDelta, events: list[Event]) -> None:
        """The same for a piece of text or reasoning alone."""
        if delta.reasoning_content and self._source != "details":
            self._source = "plain"
            events.append(ReasoningDelta(delta.reasoning_content))
        if delta.content:
            self._say(delta.content, None, events)

    def close(self, events: list[Event]) -> None:
        """Everything that was begun ends."""
        for kind, text in self._think.finish():
            events.append(ReasoningDelta(text) if kind == "reasoning" else TextDelta(text))
        for key in self._open:
            if key in self._bare and self.reason != "length":
                events.append(ToolDelta(key, "{}"))
            events.append(ToolEnd(key))
        self._open.clear()

    def _drop_blanks(self, events: list[Event]) -> None:
        """Text held back comes before the call that follows; line breaks alone, as many models write them
        before a call, would only be an empty text to the client."""
        for kind, text in self._think.finish():
            if text.strip():
                events.append(ReasoningDelta(text) if kind == "reasoning" else TextDelta(text))

    def _say(self, content: str, logprobs: Any, events: list[Event]) -> None:
        pieces = self._think.feed(content)
        tokens = _list(logprobs.get("content")) if isinstance(logprobs, dict) else None
        for kind, text in pieces:
            if kind == "reasoning":
                events.append(ReasoningDelta(text))
            else:
                events.append(TextDelta(text, Raw(_encode(tokens)) if tokens else None))
                tokens = None

    def _parts(self, content: list[Any], events: list[Event]) -> None:
        """Typed parts where the dialect has a string."""
        for part in content:
            if not isinstance(part, dict):
                continue
            if isinstance(text := part.get("text"), str) and text:
                events.append(TextDelta(text))
            elif said := _thinking(part.get("thinking")):
                events.append(ReasoningDelta(said))
            else:
                _show(part, events)

    def _reason_about(self, message: dict[str, Any], events: list[Event]) -> None:
        begin = len(events)
        details = message.get("reasoning_details")
        text = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
        if isinstance(details, list):
            for detail in details:
                if isinstance(detail, dict):
                    self._detail(detail, events)
        if text and self._source != "details":
            # A signature in the same piece comes after the text that it vouches for.
            events.insert(begin, ReasoningDelta(text))
            self._source = "plain"

    def _detail(self, detail: dict[str, Any], events: list[Event]) -> None:
        text = _text(detail.get("text")) or _text(detail.get("summary"))
        if text and self._source != "plain":
            self._source = "details"
            events.append(ReasoningDelta(text))
        if signature := _text(detail.get("signature")):
            events.append(Signature(Opaque("", "signature", signature)))
        elif data := _text(detail.get("data")):
            # Of other makers than Anthropic such data is the reasoning itself.
            kind = "redacted" if detail.get("format") in (None, CLAUDE_FORMAT) else "encrypted"
            events.append(Redacted(Opaque("", kind, data)))  # type: ignore[arg-type]

    def _call(self, call: dict[str, Any], events: list[Event], place: int | None) -> bool:
        """``place``: the index where it is known without the call saying so."""
        function = call.get("function")
        custom = call.get("custom")
        inner: dict[str, Any] = next((x for x in (function, custom) if isinstance(x, dict)), {})
        id, name = _text(call.get("id")), _text(inner.get("name"))
        index = self._index_of(call.get("index"), id, name) if place is None else place
        known = self._ids.get(index)
        if known is None or (name and self._is_another(index, id, known[0])):
            # Some hosts leave every call at index 0.
            if self._calls + len(self._waiting) >= TOOL_CALLS_MAX:
                return False
            early_id, early = self._waiting.pop(index, ("", ""))
            id = id or early_id
            if not name:
                early += _arguments(inner)
                self._waiting[index] = (id, early)
                return len(early) <= FRAME_BYTES_MAX
            key = self._calls
            self._calls += 1
            self._ids[index] = (id, key)
            self._open.append(key)
            self.saw_tool = True
            kind = "custom" if isinstance(custom, dict) else "function"
            if kind == "function":
                self._bare.add(key)
            if not id:
                self._unmarked[index] = []
            events.append(ToolStart(key, id, name, kind, _google_signature(call)))  # type: ignore[arg-type]
            self._argue(index, key, early, events)
        else:
            key = known[1]
        self._last = index
        self._argue(index, key, _arguments(inner), events)
        return True

    def _argue(self, index: int, key: int, text: str, events: list[Event]) -> None:
        if not text or (text == "null" and key in self._bare):
            return
        self._bare.discard(key)
        if index in self._unmarked:
            self._unmarked[index].append(text)
        events.append(ToolDelta(key, text))

    def _is_another(self, index: int, id: str, known_id: str) -> bool:
        """Whether a piece with a name begins a call beside the one that is known at its index: it has another
        id, or neither has one and the arguments of the first are complete."""
        if id or index not in self._unmarked:
            return bool(id and known_id and id != known_id)
        return isinstance(any_of("".join(self._unmarked[index]).encode("utf-8", "replace")), dict)

    def _index_of(self, index: Any, id: str, name: str) -> int:
        """Where an index is missing: the call with that id, the last one, or a new one."""
        if isinstance(index, str) and index.isdecimal() and len(index) <= _INDEX_DIGITS_MAX:
            return int(index)
        if isinstance(index, int | float) and index == index // 1:
            return int(index)
        if id:
            found = next((index for index, (known, _) in self._ids.items() if known == id), None)
            if found is not None:
                return found
        if id or name or self._last < 0:
            return max((*self._ids, *self._waiting, -1)) + 1
        return self._last

    def _rest(self, message: dict[str, Any], events: list[Event]) -> None:
        for item in _list(message.get("annotations")):
            if isinstance(item, dict) and isinstance(cited := item.get("url_citation"), dict):
                self.has_cited = True
                events.append(Cite(_citation(cited)))
        for item in _list(message.get("images")):
            if isinstance(item, dict):
                _show(item, events)
        if (signature := _google_signature(message)) is not None:
            events.append(Signature(signature, "text"))
        if isinstance(audio := message.get("audio"), dict):
            expires = audio.get("expires_at")
            events.append(
                AudioOut(
                    _text(audio.get("data")),
                    _text(audio.get("transcript")),
                    "",
                    _text(audio.get("id")),
                    expires if isinstance(expires, int) else 0,
                )
            )


def _thinking(value: Any) -> str:
    """Of a typed part: a text, or parts of it."""
    if isinstance(value, str):
        return value
    return "".join(_text(piece.get("text")) for piece in _list(value) if isinstance(piece, dict))


def _show(part: dict[str, Any], events: list[Event]) -> None:
    """The picture of a part, if it holds one."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if isinstance(url, str) and (data := parse_data_url(url)) is not None:
        events.append(ImageOut(data.data, data.media_type))


def _citation(cited: dict[str, Any]) -> Citation:
    def offset(key: str) -> int:
        value = cited.get(key)
        return value if isinstance(value, int) else -1

    return Citation(
        _text(cited.get("url")), _text(cited.get("title")), offset("start_index"), offset("end_index")
    )


def _google_signature(call: dict[str, Any]) -> Opaque | None:
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return Opaque("", "signature", signature) if isinstance(signature, str) and signature else None


def _arguments(inner: dict[str, Any]) -> str:
    value = inner.get("arguments", inner.get("input"))
    if isinstance(value, str):
        return value
    # An empty list is how some hosts spell an empty object.
    return "" if value is None or value == [] else _encode(value).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
