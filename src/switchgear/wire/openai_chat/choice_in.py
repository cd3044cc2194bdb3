"""One answer of an upstream as events: its text, reasoning and calls, in the order in which they come."""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.limits import TOOL_CALLS_MAX
from switchgear.wire.events import (
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
from switchgear.wire.images import parse_data_url
from switchgear.wire.ir import Citation, Opaque
from switchgear.wire.think_tags import ThinkSplitter

FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "max_tokens": "length",
    "repetition_truncation": "length",
}
"""Of the dialect, and of vendors; any other ends an answer in the ordinary way."""

_encode = msgspec.json.Encoder().encode


class ChoiceReader:
    """One of the answers."""

    __slots__ = ("_calls", "_details", "_ids", "_last", "_open", "_think", "_waiting", "finish", "saw_tool")

    def __init__(self) -> None:
        self._calls = 0
        self._ids: dict[int, tuple[str, int]] = {}
        """The upstream's index → (id, our key)."""
        self._waiting: dict[int, str] = {}
        """Arguments of calls whose name has not come yet."""
        self._last = -1
        self._open: list[int] = []
        self._details = False
        self._think = ThinkSplitter()
        self.finish = ""
        self.saw_tool = False

    @property
    def reason(self) -> FinishReason:
        reason = FINISHES.get(self.finish, "stop")
        return "tool_calls" if self.saw_tool and reason == "stop" else reason

    def take(self, message: dict[str, Any], logprobs: Any, events: list[Event]) -> bool:
        """One delta, or a whole message; False for more calls than anybody makes."""
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
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, dict) and not self._call(call, events):
                    return False
        if isinstance(legacy := message.get("function_call"), dict):
            self._call({"index": 0, "function": legacy}, events)
        if len(message) > 2:
            self._rest(message, events)
        return True

    def close(self, events: list[Event]) -> None:
        """Everything that was begun ends."""
        for kind, text in self._think.finish():
            events.append(ReasoningDelta(text) if kind == "reasoning" else TextDelta(text))
        events.extend(ToolEnd(key) for key in self._open)
        self._open.clear()

    def _say(self, content: str, logprobs: Any, events: list[Event]) -> None:
        pieces = self._think.feed(content)
        tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
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
            elif isinstance(thinking := part.get("thinking"), list):
                said = "".join(_text(piece.get("text")) for piece in thinking if isinstance(piece, dict))
                if said:
                    events.append(ReasoningDelta(said))

    def _reason_about(self, message: dict[str, Any], events: list[Event]) -> None:
        details = message.get("reasoning_details")
        if isinstance(details, list):
            for detail in details:
                if isinstance(detail, dict):
                    self._detail(detail, events)
        if self._details:
            return
        text = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(text, str) and text:
            events.append(ReasoningDelta(text))

    def _detail(self, detail: dict[str, Any], events: list[Event]) -> None:
        if text := _text(detail.get("text")) or _text(detail.get("summary")):
            self._details = True  # from now on the other spelling would say it twice
            events.append(ReasoningDelta(text))
        if signature := _text(detail.get("signature")):
            events.append(Signature(Opaque("", "signature", signature)))
        elif data := _text(detail.get("data")):
            events.append(Redacted(Opaque("", "redacted", data)))

    def _call(self, call: dict[str, Any], events: list[Event]) -> bool:
        function = call.get("function")
        custom = call.get("custom")
        inner: dict[str, Any] = next((x for x in (function, custom) if isinstance(x, dict)), {})
        id, name = _text(call.get("id")), _text(inner.get("name"))
        index = call.get("index")
        index = index if isinstance(index, int) else self._index_of(id)
        known = self._ids.get(index)
        if known is None or (id and name and known[0] and known[0] != id):
            # Some hosts leave every call at index 0: a new id with a name is a new call all the same.
            if self._calls >= TOOL_CALLS_MAX:
                return False
            if not name:
                self._waiting[index] = self._waiting.get(index, "") + _arguments(inner)
                return True
            key = self._calls
            self._calls += 1
            self._ids[index] = (id, key)
            self._open.append(key)
            self.saw_tool = True
            kind = "custom" if isinstance(custom, dict) else "function"
            events.append(ToolStart(key, id, name, kind, _google_signature(call)))  # type: ignore[arg-type]
            if early := self._waiting.pop(index, ""):
                events.append(ToolDelta(key, early))
        else:
            key = known[1]
        self._last = index
        if text := _arguments(inner):
            events.append(ToolDelta(key, text))
        return True

    def _index_of(self, id: str) -> int:
        """Where an index is missing: the call with that id, the last one, or a new one."""
        if id:
            found = next((index for index, (known, _) in self._ids.items() if known == id), None)
            return found if found is not None else len(self._ids)
        return max(self._last, 0)

    def _rest(self, message: dict[str, Any], events: list[Event]) -> None:
        for item in message.get("annotations") or ():
            if isinstance(item, dict) and isinstance(cited := item.get("url_citation"), dict):
                events.append(Cite(_citation(cited)))
        for item in message.get("images") or ():
            image = item.get("image_url") if isinstance(item, dict) else None
            url = image.get("url") if isinstance(image, dict) else image
            if isinstance(url, str) and (data := parse_data_url(url)) is not None:
                events.append(ImageOut(data.data, data.media_type))
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
    return "" if value is None else _encode(value).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
