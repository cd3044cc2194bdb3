"""Without this a request could change its meaning between dialects: lose content, send reasoning to one who
did not make it, or be refused by the upstream for an order or a switch that the client never chose."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_messages.vectors import (
    CLAUDE,
    TOOL,
    UPSTREAMS,
    USER,
    PlainSeals,
    body_of,
    call_of,
)

from switchgear.kernel.errors import ApiError
from switchgear.wire.anthropic_messages.from_client.request import read_request
from switchgear.wire.anthropic_messages.peek import read_call
from switchgear.wire.anthropic_messages.to_upstream.request import write_request
from switchgear.wire.neutral.request import (
    File,
    Image,
    Opaque,
    Reasoning,
    Request,
    Text,
    Thinking,
    Turn,
)

GOLDEN = Path(__file__).parent / "golden" / "requests"


def read(found: dict[str, Any]) -> Request:
    return read_request(call_of({"model": "m", "max_tokens": 10, **found}), PlainSeals())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    """A client's request as it goes on to an upstream of the same dialect by way of the neutral form.
    ``written`` is made anew under RECORD_GOLDEN=1."""
    case = json.loads(path.read_text())
    written = write_request(read_request(call_of(case["sent"]), PlainSeals()), UPSTREAMS[case["upstream"]])
    found = {
        "body": body_of(written),
        "dropped": list(written.dropped),
        "headers": [list(header) for header in written.headers],
        "unwrap_tool": written.unwrap_tool,
        "stops": list(written.stops),
    }
    if os.environ.get("RECORD_GOLDEN"):
        case["written"] = found
        path.write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")
    assert found == case["written"]


words = st.text("abc é🌍", min_size=1, max_size=6).filter(str.strip)
user_parts = st.one_of(
    words.map(Text),
    st.just(Image(data="QUJD", media_type="image/png")),
    st.just(Image(url="https://example.org/a.png")),
    words.map(lambda text: File(text=text, media_type="text/plain")),
    st.just(File(data="QUJD", media_type="application/pdf", filename="a")),
)
answer_parts = st.one_of(
    words.map(Text),
    words.map(lambda text: Reasoning(text, Opaque("anthropic", "signature", "SIG"))),
    st.just(Reasoning("", Opaque("anthropic", "redacted", "DATA"))),
)


@given(
    st.lists(
        st.tuples(
            st.lists(user_parts, min_size=1, max_size=3), st.lists(answer_parts, min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([None, Thinking(budget_tokens=2048, show=True)]),
    st.lists(words, max_size=2),
)
def test_what_is_written_reads_as_the_same_request(
    pairs: list[tuple[list[Any], list[Any]]], thinking: Thinking | None, stop: list[str]
) -> None:
    turns = [
        turn
        for said, answered in pairs
        for turn in (Turn("user", tuple(said)), Turn("assistant", tuple(answered)))
    ]
    request = Request(
        (Turn("system", (Text("s"),)), *turns, USER),
        tools=(TOOL,),
        thinking=thinking,
        output_tokens_max=4096,
        stop=tuple(stop),
        user="u",
        stream=True,
    )
    written = write_request(request, CLAUDE)
    assert not written.dropped
    again = read_request(read_call("anthropic_messages", written.body, "m"), PlainSeals())
    assert again == request


@pytest.mark.parametrize(
    ("found", "param"),
    [
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages.0.content.0.text",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages.0.content.0.source.data",
        ),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "x", "type": "teleport_20990101"}]}, "tools.0.type"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"thinking": {"type": "sometimes"}}, "thinking.type"),
        ({"thinking": "on"}, "thinking"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_can_not_be_read_is_named(found: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        read({"messages": [{"role": "user", "content": "x"}], **found})
    assert caught.value.param == param
    assert caught.value.row.status == 400


def test_unknown_fields_are_named_and_never_refused() -> None:
    request = read({"messages": [{"role": "user", "content": "x"}], "speed": "fast", "odd": None})
    assert list(request.extras) == ["speed"]


def test_half_a_surrogate_pair_is_no_error() -> None:
    fields = call_of({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x\ud800y"}]})
    assert read_request(fields, PlainSeals()).turns[0].parts == (Text("x\ufffdy"),)


@pytest.mark.parametrize(
    ("thinking", "config", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 2048}, {}, Thinking(budget_tokens=2048, show=True)),
        ({"type": "enabled", "budget_tokens": 2048.0}, {}, Thinking(budget_tokens=2048, show=True)),
        ({"type": "adaptive"}, {}, Thinking(effort="high", show=True)),
        ({"type": "adaptive", "display": "omitted"}, {"effort": "low"}, Thinking(effort="low", show=False)),
        ({"type": "disabled"}, {"effort": "high"}, Thinking(effort="none")),
        (None, {"effort": "max"}, Thinking(effort="max")),
        (None, {}, None),
    ],
)
def test_thinking_of_clients(thinking: Any, config: Any, expected: Thinking | None) -> None:
    found = {"messages": [{"role": "user", "content": "x"}], "thinking": thinking, "output_config": config}
    assert read(found).thinking == expected


def test_the_billing_line_of_a_client_goes_nowhere_else() -> None:
    """It changes with each request and would defeat the prompt cache."""
    system = [{"type": "text", "text": "x-anthropic-billing-header: cch=8a"}, {"type": "text", "text": "Be."}]
    request = read({"system": system, "messages": [{"role": "user", "content": "x"}]})
    assert request.turns[0] == Turn("system", (Text("Be."),))
