"""Without this some order of events could make a stream that clients of this dialect refuse."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_messages.vectors import frame, message_of, read_strictly

from switchgear.kernel.usage import Usage
from switchgear.wire.anthropic_messages.passing.tap import STOP_FRAME
from switchgear.wire.neutral.events import (
    Cite,
    End,
    Event,
    Finish,
    ReasoningDelta,
    Redacted,
    Signature,
    TextDelta,
    ToolDelta,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from switchgear.wire.neutral.request import Citation, Opaque, Text, Turn

STREAMS = Path(__file__).parent / "golden" / "streams"
EXAMPLE = (STREAMS / "example.sse").read_bytes()
TURNS = (Turn("user", (Text("hi"),)),)


texts = st.text(max_size=4)
keys = st.integers(0, 2)


@given(
    st.lists(
        st.one_of(
            texts.map(TextDelta),
            texts.map(ReasoningDelta),
            texts.map(lambda text: Signature(Opaque("x", "signature", text))),
            texts.map(lambda text: Redacted(Opaque("x", "redacted", text))),
            keys.map(lambda key: ToolStart(key, f"c{key}", "f")),
            keys.map(lambda key: ToolDelta(key, " ")),
            keys.map(ToolEnd),
            st.just(UsageSeen(Usage(output_text=1))),
            st.just(Cite(Citation("https://example.org"))),
        ),
        max_size=30,
    )
)
def test_whatever_happens_the_grammar_holds(events: list[Event]) -> None:
    """Each call once, as a reader never repeats a key."""
    seen: set[int] = set()
    legal: list[Event] = []
    for event in events:
        if isinstance(event, ToolStart):
            if event.key in seen:
                continue
            seen.add(event.key)
        legal.append(event)
    message = message_of([*legal, Finish("stop"), End()])
    said = "".join(event.text for event in legal if isinstance(event, TextDelta))
    assert "".join(block.get("text", "") for block in message["content"]) == said
    calls = {block["id"] for block in message["content"] if block["type"] == "tool_use"}
    assert calls == {f"c{key}" for key in seen}


def test_the_strict_reader_refuses_what_clients_refuse() -> None:
    """So that the tests above mean something."""
    stop = frame({"type": "message_stop"})
    for broken in (
        EXAMPLE + stop,
        EXAMPLE.replace(b'"index":1', b'"index":2'),
        EXAMPLE.removesuffix(STOP_FRAME),
    ):
        with pytest.raises(AssertionError):
            read_strictly(broken)
    assert read_strictly(EXAMPLE)["content"][2]["input"] == {"city": "Rome"}
