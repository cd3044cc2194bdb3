"""Whatever an upstream says, and wherever it is split, the client's own SDK can read what is written of it.

Without this an order of events that no example has could crash a client.
"""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.pairs.relay import SEALS, read_call
from tests.wire.pairs.sdk import Broke, Json, Sdks
from tests.wire.pairs.test_heartbeats import asked
from tests.wire.pairs.test_odd_hosts import MEANING

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.errors import UPSTREAM_CUT, ApiError
from switchgear.kernel.usage import Usage
from switchgear.wire.dialect import Head, Writer
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.neutral.events import (
    Cite,
    End,
    Event,
    Finish,
    FinishReason,
    Hosted,
    ImageOut,
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
from switchgear.wire.neutral.request import Citation, Opaque, Raw

ENDS: list[FinishReason] = ["stop", "stop_sequence", "length", "tool_calls", "content_filter", "pause"]
RAW = Raw(
    b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}'
)
texts = st.text(st.characters(codec="utf-8"), max_size=4)
spoken = st.one_of(
    texts.map(TextDelta),
    texts.map(ReasoningDelta),
    texts.map(RefusalDelta),
    st.just(Signature(Opaque("x", "signature", "s"))),
    st.just(Signature(Opaque("x", "signature", "s"), "text")),
    st.just(Redacted(Opaque("x", "redacted", "r"))),
    st.just(Cite(Citation("https://example.org", "A", 0, 1))),
    st.just(Hosted("openai_responses", "web_search", RAW, queries=("q",))),
    st.just(ImageOut("AAAA", "image/png")),
    st.just(UsageSeen(Usage(input_uncached=3, output_text=1))),
)
calls = st.integers(0, 2)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Of the grammar: a start, content with calls that may be open beside each other, and an end."""
    events: list[Event] = [Start("id", "up")] if draw(st.booleans()) else []
    opened: dict[int, bool] = {}
    for _ in range(draw(st.integers(0, 12))):
        key = draw(calls)
        if draw(st.booleans()):
            events.append(draw(spoken))
        elif key not in opened and key == len(opened):
            opened[key] = True
            events += [ToolStart(key, f"call_{key}", "weather"), ToolDelta(key, '{"city":')]
        elif opened.get(key):
            opened[key] = False
            events += [ToolDelta(key, '"Rome"}'), ToolEnd(key)]
    for key in (key for key, is_open in opened.items() if is_open):
        events += [ToolDelta(key, '"Rome"}'), ToolEnd(key)]
    if draw(st.booleans()):
        events.append(UsageSeen(Usage(input_uncached=3, cache_read=2, output_text=4, reasoning=1)))
    return [*events, Finish(draw(st.sampled_from(ENDS))), End()]


@cache
def sdks() -> Sdks:
    return Sdks()


def writer_for(client: DialectName) -> Writer:
    dialect, call = read_call(*asked(client))
    request = dialect.read_request(call, SEALS)
    return dialect.writer(
        Head(
            id="7",
            model="m1",
            created_s=1_700_000_000,
            request=request,
            seals=SEALS,
            input_tokens=9,
            include_usage=call.include_usage,
            fields=call.fields,
        )
    )


def written(writer: Writer, events: list[Event], cut: int) -> list[bytes]:
    cut = min(cut, len(events))
    return [writer.feed(events[:cut]), writer.feed(events[cut:])]


def heard(client: DialectName, frames: list[bytes]) -> Json:
    operation = read_call(*asked(client))[1].operation
    kind = DIALECT_OF_OPERATION[operation].stream_type
    sdks().reply = 200, [("content-type", kind)], frames
    return sdks().hear(client, True)


@pytest.mark.parametrize("client", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(answers(), st.integers(0, 20))
def test_every_answer_is_read(client: DialectName, events: list[Event], cut: int) -> None:
    writer = writer_for(client)
    reply = heard(client, [*written(writer, events, cut), writer.closing()])
    for item in reply.get("output", ()):
        item["content"] = [part for part in item.get("content") or () if "text" in part]  # and no refusals
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    keys = [event.key for event in events if isinstance(event, ToolStart)]
    text, found = MEANING[client](reply)
    assert found == [("weather", {"city": "Rome"})] * len(keys)
    if not any(isinstance(event, RefusalDelta | ImageOut) for event in events):
        assert text == said


@pytest.mark.parametrize("client", DIALECTS)
@settings(max_examples=25, deadline=None)
@given(answers(), st.integers(0, 20))
def test_every_answer_may_break_off(client: DialectName, events: list[Event], cut: int) -> None:
    writer = writer_for(client)
    frames = written(writer, events[: min(cut, len(events) - 2)], 1)
    with pytest.raises(Broke):
        heard(client, [*frames, writer.error_frame(ApiError(UPSTREAM_CUT, "It broke off."), "req7")])
