"""A whole message from all the events of an answer."""

from typing import Any

import msgspec

from switchgear.wire.anthropic_messages.arguments import input_of
from switchgear.wire.anthropic_messages.to_client.writer import Writer
from switchgear.wire.dialect import Head
from switchgear.wire.neutral.events import Event

_encode = msgspec.json.Encoder().encode


def write_reply(events: list[Event], head: Head) -> bytes:
    """The message that a stream of the same events makes."""
    writer = _MessageWriter(head)
    writer.feed(events)
    writer.closing()
    return _encode(writer.message)


class _MessageWriter(Writer):
    """Takes what would go into a stream, and puts the message together from it."""

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self.message: dict[str, Any] = {}
        self._content: list[dict[str, Any]] = []
        self._pieces: dict[str, list[str]] = {}

    def _delta(self, kind: str, text: str) -> None:
        self._pieces.setdefault(kind, []).append(text)

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        match name:
            case "message_start":
                self.message = fields["message"]
                self.message["content"] = self._content
            case "content_block_start":
                self._content.append(fields["content_block"])
            case "content_block_delta":
                self._content[-1].setdefault("citations", []).append(fields["delta"]["citation"])
            case "content_block_stop":
                self._complete(self._content[-1])
            case "message_delta":
                self.message.update(fields["delta"])
                self.message["usage"] = fields["usage"]

    def _complete(self, block: dict[str, Any]) -> None:
        for kind, pieces in self._pieces.items():
            text = "".join(pieces)
            if kind == "partial_json":
                block["input"] = input_of(text)
            else:
                block[kind] = text
        self._pieces.clear()
