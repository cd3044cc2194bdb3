"""An answer that came as the call of a tool, made an answer again.

Where a model knows no other way to keep to a schema, a request gives it one tool to answer with
(``ir.Written.unwrap_tool``). Its arguments are the answer's text.
"""

from switchgear.wire.neutral.events import Event, Finish, TextDelta, ToolDelta, ToolEnd, ToolStart


class Unwrapper:
    """Push events; get them with the calls of ``tool`` as text, and the other calls counted anew."""

    __slots__ = ("_keys", "_tool", "_unwrapped")

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._keys: dict[int, int] = {}
        """Of the other calls: as the upstream counts → as the client does."""
        self._unwrapped: set[int] = set()

    def take(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if (changed := self._changed(event)) is not None:
                out.append(changed)
        return out

    def _changed(self, event: Event) -> Event | None:
        match event:
            case ToolStart():
                if event.name == self._tool:
                    self._unwrapped.add(event.key)
                    return None
                key = self._keys[event.key] = len(self._keys)
                return ToolStart(key, event.id, event.name, event.kind, event.opaque)
            case ToolDelta():
                if event.key in self._unwrapped:
                    return TextDelta(event.text) if event.text else None
                return ToolDelta(self._keys.get(event.key, event.key), event.text)
            case ToolEnd():
                return None if event.key in self._unwrapped else ToolEnd(self._keys.get(event.key, event.key))
            case Finish() if event.reason == "tool_calls" and self._unwrapped and not self._keys:
                return Finish("stop", event.stop_sequence, event.message)
        return event
