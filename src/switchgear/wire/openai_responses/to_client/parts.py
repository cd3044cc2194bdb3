"""Output items while they are written: each sends its events as it goes and ends as the whole item.

Order within an item: ``output_item.added``, for each part its ``added``, deltas and ``done``, then
``output_item.done``; ids and indices are the same throughout, and what a ``done`` says is what the deltas
before it said together.
"""

import msgspec
from msgspec import Raw

from switchgear.wire.neutral.free_text_tools import unwrapped
from switchgear.wire.neutral.request import Citation
from switchgear.wire.openai_responses.to_client.sequence import Sequence

_encode = msgspec.json.Encoder().encode


class _Item:
    """``place`` names the item in its events."""

    __slots__ = ("_place", "id", "index", "sequence")

    def __init__(self, sequence: Sequence, index: int, id: str, skeleton: bytes) -> None:
        self.sequence = sequence
        self.index = index
        self.id = id
        self._place = b',"item_id":"%b","output_index":%d' % (id.encode(), index)
        sequence.add(b"response.output_item.added", b',"output_index":%d,"item":%b' % (index, skeleton))

    def _end(self, item: bytes) -> bytes:
        self.sequence.add(b"response.output_item.done", b',"output_index":%d,"item":%b' % (self.index, item))
        return item


class MessageItem(_Item):
    """Text with its sources, and refusals; a change between the two opens another part."""

    __slots__ = ("_base", "_delta", "_kind", "_logprobs", "_notes", "_parts", "_size", "_texts", "_where")

    def __init__(self, sequence: Sequence, index: int, id: str) -> None:
        skeleton = (
            b'{"id":"%b","type":"message","status":"in_progress","content":[],"role":"assistant"}'
            % id.encode()
        )
        super().__init__(sequence, index, id, skeleton)
        self._parts: list[bytes] = []
        self._kind = ""
        self._texts: list[str] = []
        self._logprobs: list[bytes] = []
        self._notes: list[bytes] = []
        self._base = 0
        """Where the part begins in the text of the whole answer."""
        self._size = 0
        """Of the part's text so far, in code points."""
        self._where = b""
        self._delta = b""

    def say(self, text: str, logprobs: Raw | None, said: int) -> None:
        """``said``: code points of the answer's text before this one."""
        if self._kind != "output_text":
            self._open_part("output_text", b'{"type":"output_text","annotations":[],"logprobs":[],"text":""}')
            self._base = said
        self._texts.append(text)
        self._size += len(text)
        shown = b"[]"
        if logprobs is not None:
            shown = one_line(logprobs)
            if inner := shown.strip()[1:-1].strip():
                self._logprobs.append(inner)
        self.sequence.add(
            b"response.output_text.delta", b'%b%b,"logprobs":%b' % (self._delta, _encode(text), shown)
        )

    def refuse(self, text: str) -> None:
        if self._kind != "refusal":
            self._open_part("refusal", b'{"type":"refusal","refusal":""}')
        self._texts.append(text)
        self.sequence.add(b"response.refusal.delta", self._delta + _encode(text))

    def cite(self, citation: Citation) -> None:
        """A source that comes before any text has nowhere to stand."""
        if self._kind != "output_text":
            return
        start, end = self._span(citation)
        note = _encode(
            {
                "type": "url_citation",
                "start_index": start,
                "end_index": end,
                "url": citation.url,
                "title": citation.title,
            }
        )
        self.sequence.add(
            b"response.output_text.annotation.added",
            b'%b,"annotation_index":%d,"annotation":%b' % (self._where, len(self._notes), note),
        )
        self._notes.append(note)

    def close(self, status: str) -> bytes:
        self._close_part()
        return self._end(_message(self.id, status, b",".join(self._parts)))

    def _span(self, citation: Citation) -> tuple[int, int]:
        """Within the part; its end where the source doesn't say."""
        if citation.start < 0:
            return self._size, self._size
        start = min(max(citation.start - self._base, 0), self._size)
        return start, min(max(citation.end - self._base, start), self._size)

    def _open_part(self, kind: str, skeleton: bytes) -> None:
        self._close_part()
        self._kind = kind
        self._size = 0
        self._where = b'%b,"content_index":%d' % (self._place, len(self._parts))
        self._delta = self._where + b',"delta":'
        self.sequence.add(b"response.content_part.added", b'%b,"part":%b' % (self._where, skeleton))

    def _close_part(self) -> None:
        if not self._kind:
            return
        text = _encode("".join(self._texts))
        if self._kind == "refusal":
            part = b'{"type":"refusal","refusal":%b}' % text
            self.sequence.add(b"response.refusal.done", b'%b,"refusal":%b' % (self._where, text))
        else:
            logprobs = b",".join(self._logprobs)
            part = b'{"type":"output_text","annotations":[%b],"logprobs":[%b],"text":%b}' % (
                b",".join(self._notes),
                logprobs,
                text,
            )
            self.sequence.add(
                b"response.output_text.done", b'%b,"text":%b,"logprobs":[%b]' % (self._where, text, logprobs)
            )
        self.sequence.add(b"response.content_part.done", b'%b,"part":%b' % (self._where, part))
        self._parts.append(part)
        self._kind = ""
        self._texts, self._logprobs, self._notes = [], [], []


def _message(id: str, status: str, content: bytes) -> bytes:
    return b'{"id":"%b","type":"message","status":"%b","content":[%b],"role":"assistant"}' % (
        id.encode(),
        status.encode(),
        content,
    )


class ReasoningItem(_Item):
    """Reasoning as one summary; nothing of it is shown when ``hidden``."""

    __slots__ = ("_delta", "_hidden", "_is_open", "_texts")

    def __init__(self, sequence: Sequence, index: int, id: str, hidden: bool) -> None:
        super().__init__(sequence, index, id, b'{"id":"%b","type":"reasoning","summary":[]}' % id.encode())
        self._hidden = hidden
        self._is_open = False
        self._texts: list[str] = []
        self._delta = self._place + b',"summary_index":0,"delta":'

    def think(self, text: str) -> None:
        self._texts.append(text)
        if self._hidden:
            return
        if not self._is_open:
            self._is_open = True
            self._add(b"part.added", b'"part":{"type":"summary_text","text":""}')
        self.sequence.add(b"response.reasoning_summary_text.delta", self._delta + _encode(text))

    def close(self, encrypted: str, is_shown: bool) -> tuple[bytes, bytes]:
        """(the item as the client gets it, as it is to be kept); ``is_shown``: the client gets ``encrypted``,
        too."""
        text = _encode("".join(self._texts))
        part = b'{"type":"summary_text","text":%b}' % text
        if self._is_open:
            self._add(b"text.done", b'"text":' + text)
            self._add(b"part.done", b'"part":' + part)
        kept = self._whole(part if self._texts else b"", encrypted)
        shown = self._whole(part if self._is_open else b"", encrypted if is_shown else "")
        return self._end(shown), kept

    def _whole(self, summary: bytes, encrypted: str) -> bytes:
        sealed = b',"encrypted_content":' + _encode(encrypted) if encrypted else b""
        return b'{"id":"%b","type":"reasoning","summary":[%b]%b}' % (self.id.encode(), summary, sealed)

    def _add(self, event: bytes, field: bytes) -> None:
        self.sequence.add(
            b"response.reasoning_summary_" + event, b'%b,"summary_index":0,%b' % (self._place, field)
        )


class CallItem(_Item):
    """A call of a function or of a custom tool. ``is_wrapped``: the client's custom tool is a function to the
    upstream, and its input stands in the arguments."""

    __slots__ = ("_delta", "_is_custom", "_is_wrapped", "_name", "_texts")

    def __init__(
        self,
        sequence: Sequence,
        index: int,
        id: str,
        call_id: str,
        name: tuple[str, str],
        is_custom: bool,
        is_wrapped: bool,
    ) -> None:
        namespace, own = name
        front = b'"call_id":%b,"name":%b' % (_encode(call_id), _encode(own))
        self._name = front + (b',"namespace":' + _encode(namespace) if namespace else b"")
        self._is_custom = is_custom
        self._is_wrapped = is_wrapped
        self._texts: list[str] = []
        super().__init__(sequence, index, id, self._whole(id, b'""', b"in_progress"))
        self._delta = self._place + b',"delta":'

    def argue(self, text: str) -> None:
        self._texts.append(text)
        if not self._is_wrapped:
            self.sequence.add(self._event(b"delta"), self._delta + _encode(text))

    def close(self, status: str) -> bytes:
        said = "".join(self._texts)
        if self._is_wrapped:
            said = unwrapped(said)
            if said:
                self.sequence.add(self._event(b"delta"), self._delta + _encode(said))
        elif not said and not self._is_custom:
            said = "{}"
        text = _encode(said)
        if self._is_custom:
            self.sequence.add(self._event(b"done"), b'%b,"input":%b' % (self._place, text))
        else:
            own = self._name[self._name.index(b'"name":') :]
            self.sequence.add(self._event(b"done"), b'%b,%b,"arguments":%b' % (self._place, own, text))
        return self._end(self._whole(self.id, text, status.encode()))

    def _event(self, end: bytes) -> bytes:
        if self._is_custom:
            return b"response.custom_tool_call_input." + end
        return b"response.function_call_arguments." + end

    def _whole(self, id: str, text: bytes, status: bytes) -> bytes:
        kind, key = (b"custom_tool_call", b"input") if self._is_custom else (b"function_call", b"arguments")
        return b'{"id":"%b","type":"%b","status":"%b",%b,"%b":%b}' % (
            id.encode(),
            kind,
            status,
            self._name,
            key,
            text,
        )


def one_line(raw: Raw | bytes) -> bytes:
    """JSON without line feeds, which stand between its tokens only and would end a line of data."""
    spelt = bytes(raw)
    return spelt.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in spelt or b"\r" in spelt else spelt
