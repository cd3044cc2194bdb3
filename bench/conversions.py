"""The steps of a conversion in-process, for ``bench.micro``: the request, a whole reply, a streamed frame.

The answers are those of the mock upstream. A frame is measured inside a stream that has begun.
"""

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from bench.bodies import chat_body, messages_body, responses_body
from tests.wire.pairs.relay import TERMS, WHO

from switchgear.kernel.dialects import OperationName
from switchgear.kernel.ids import new_id
from switchgear.kernel.limits import ESTIMATE_TEXT_BYTES_MAX
from switchgear.link.snapshot import ChannelView
from switchgear.relay.plan import Candidate
from switchgear.relay.prepare import Preparation, Prepared
from switchgear.relay.seals import EnvelopeSeals
from switchgear.wire.call import NOTHING_IN_PATH, Call
from switchgear.wire.convert.bridge import Bridge, convert_reply
from switchgear.wire.dialect import Head
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.reasoning_memory import Thoughts, ThoughtsReader
from switchgear.wire.neutral.request import RemoteFile

T = TypeVar("T")

Body = Callable[[str, int, bool], bytes]

PAIRS: tuple[tuple[OperationName, OperationName], ...] = (
    ("openai_chat", "anthropic_messages"),
    ("anthropic_messages", "openai_chat"),
    ("openai_responses", "openai_chat"),
    ("openai_chat", "openai_chat"),
)
"""Client, upstream; the last one passes through, for scale."""
BODIES: Mapping[OperationName, Body] = {
    "openai_chat": chat_body,
    "anthropic_messages": messages_body,
    "openai_responses": responses_body,
}
FRAMES_AT_ONCE = 40
CHAT_REPLY = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1772077478,"model":"bench","choices":[{"index":'
    b'0,"message":{"role":"assistant","content":"%b","refusal":null,"annotations":[]},"logprobs":null,'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":250,"completion_tokens":180,"total_tokens":430}}'
)
CHAT_FRAME = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1772077478,"model":"bench",'
    b'"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],'
    b'"usage":null}\n\n'
)
MESSAGES_REPLY = (
    b'{"id":"msg_bench","type":"message","role":"assistant","model":"bench","content":[{"type":"text","text":"%b"}'
    b'],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":250,"output_tokens":180}}'
)
MESSAGES_BEGIN = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_bench","type":"message",'
    b'"role":"assistant","model":"bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":250'
    b',"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
MESSAGES_FRAME = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":" token"}}\n\n'
)
REPLIES: Mapping[OperationName, bytes] = {
    "openai_chat": CHAT_REPLY % (b"the quick brown fox " * 30),
    "anthropic_messages": MESSAGES_REPLY % (b"the quick brown fox " * 30),
}
FRAMES: Mapping[OperationName, tuple[bytes, bytes]] = {
    "openai_chat": (b"", CHAT_FRAME),
    "anthropic_messages": (MESSAGES_BEGIN, MESSAGES_FRAME),
}
"""What a stream begins with, and a frame of its text."""


def cases() -> dict[str, Callable[[], object]]:
    """Name of a step → the call that is timed. The last of them passes through, for scale."""
    found: dict[str, Callable[[], object]] = {}
    for client, upstream in PAIRS:
        converted = _Conversion(client, upstream)
        name = f"{client}→{upstream}"
        found[f"{name} request"] = converted.request
        found[f"{name} reply"] = converted.reply
        found[f"{name} frame"] = converted.stream(1)
        found[f"{name} {FRAMES_AT_ONCE} frames"] = converted.stream(FRAMES_AT_ONCE)
    return found


class _Conversion:
    """Of one pair."""

    def __init__(self, client: OperationName, upstream: OperationName) -> None:
        self._operation = client
        self._dialect = DIALECT_OF_OPERATION[client]
        self._upstream = upstream
        self._body = BODIES[client]("bench", 1024, False)
        self._seals = EnvelopeSeals(lambda: b"a pepper of thirty-two bytes    ").of("owner")
        channel = ChannelView(
            id="bench",
            name="bench",
            vendor="compatible",
            endpoints={upstream: "http://127.0.0.1/"},
            auth_header="authorization",
            auth_prefix="Bearer ",
            secrets=("s",),
            models={"bench": "bench"},
            groups=("default",),
        )
        self._candidate = Candidate(channel, 0, "bench", (upstream,))

    def request(self) -> Prepared:
        return self._prepare()[1]

    def reply(self) -> object:
        call, prepared = self._prepared
        body = REPLIES[self._upstream]
        if prepared.request is None:
            return self._dialect.read_reply(call, body)
        thoughts = ThoughtsReader(prepared.passage.origin, 1 << 20)
        reply = convert_reply(prepared.dialect, self._dialect, body, self._head(), prepared.passage)
        for event in reply.events:
            thoughts.take(event)
        return reply

    def stream(self, at_once: int) -> Callable[[], object]:
        """A function that feeds so many frames to a stream that has begun."""
        call, prepared = self._prepared
        begin, frame = FRAMES[self._upstream]
        if prepared.request is None:
            tap = self._dialect.tap(call)
        else:
            thoughts = ThoughtsReader(prepared.passage.origin, 1 << 20)
            writer = self._dialect.writer(self._head())
            tap = Bridge(prepared.dialect.reader(), writer, prepared.passage, thoughts.take)
        tap.feed(begin + frame)
        chunk = frame * at_once

        def feed() -> bytes:
            out = tap.feed(chunk)
            if tap.text_bytes > ESTIMATE_TEXT_BYTES_MAX:
                tap.take_text()
            return out

        return feed

    @functools.cached_property
    def _prepared(self) -> tuple[Call, Prepared]:
        return self._prepare()

    def _prepare(self) -> tuple[Call, Prepared]:
        fields = read_fields(self._body)
        model = self._dialect.read_model(fields, NOTHING_IN_PATH)
        call = self._dialect.read_call(self._operation, fields, model, NOTHING_IN_PATH)
        preparation = Preparation(call, self._dialect, WHO, self._seals, _fetch, _find, TERMS)
        return call, _result(preparation.first_prepared((self._candidate,)))[1]

    def _head(self) -> Head:
        call, prepared = self._prepared
        assert prepared.request is not None
        return Head(
            new_id(), call.model, 1_772_077_478, prepared.request, self._seals, 250, fields=call.fields
        )


async def _fetch(urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
    return {}


async def _find(owner: str, ids: Iterable[str]) -> Mapping[str, Thoughts]:
    return {}


def _result(steps: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that waits for nothing returns."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise RuntimeError("a conversion waited for something")
