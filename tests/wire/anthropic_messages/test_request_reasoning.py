"""Without this reasoning could be sent to one who did not make it, or switched in a way that the model
refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.wire.anthropic_messages.vectors import (
    ADAPTIVE,
    CLAUDE,
    FOREIGN,
    TOOL,
    USER,
    body_of,
    write,
)

from switchgear.kernel.facts import ModelFacts
from switchgear.wire.anthropic_messages.to_upstream.request import write_request
from switchgear.wire.neutral.request import (
    Opaque,
    Reasoning,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
)


def loop(*reasoning: Reasoning) -> tuple[Turn, ...]:
    """A conversation within a loop of tool calls."""
    return (
        USER,
        Turn("assistant", (*reasoning, ToolCall("c1", "f", "{}"))),
        Turn("user", (ToolResult("c1", (Text("ok"),)),)),
    )


def test_reasoning_goes_back_to_its_maker_only() -> None:
    for origin, is_kept in (("anthropic", True), ("google", False), ("", False)):
        request = Request(loop(Reasoning("Hm", Opaque(origin, "signature", "SIG"))), tools=(TOOL,))
        kinds = [block["type"] for block in write(request)["messages"][1]["content"]]
        assert ("thinking" in kinds) == is_kept
    nobody = Upstream("m", "compatible", "")
    request = Request(loop(Reasoning("Hm", Opaque("", "signature", "SIG"))), tools=(TOOL,))
    assert "SIG" not in json.dumps(write(request, nobody))


def test_a_loop_that_lost_its_reasoning_goes_on_without() -> None:
    request = Request(
        loop(Reasoning("Hm", Opaque("google", "signature", "X"))),
        tools=(TOOL,),
        thinking=Thinking(effort="high"),
    )
    written = write_request(request, CLAUDE)
    assert "thinking" not in written.body
    assert "thinking" in written.dropped
    assert write(request, ADAPTIVE)["thinking"]["type"] == "adaptive"


def test_a_forced_call_outweighs_reasoning() -> None:
    request = Request(
        (USER,), tools=(TOOL,), tool_choice=ToolChoice("named", "f"), thinking=Thinking(effort="high")
    )
    written = write_request(request, CLAUDE)
    assert body_of(written)["tool_choice"] == {"type": "tool", "name": "f"}
    assert "thinking" not in written.body
    assert written.dropped == ("thinking",)


@pytest.mark.parametrize(
    ("thinking", "facts", "expected"),
    [
        (
            Thinking(effort="high"),
            ModelFacts(64_000, thinking="manual"),
            {"type": "enabled", "budget_tokens": 16_384},
        ),
        (
            Thinking(effort="high"),
            ModelFacts(64_000, thinking="adaptive"),
            {"type": "adaptive", "display": "summarized"},
        ),
        (Thinking(effort="high"), ModelFacts(64_000, thinking="manual_adaptive"), {"type": "adaptive"}),
        (
            Thinking(budget_tokens=5000),
            ModelFacts(64_000, thinking="manual_adaptive"),
            {"type": "enabled", "budget_tokens": 5000},
        ),
        (
            Thinking(budget_tokens=5000),
            ModelFacts(64_000, thinking="adaptive"),
            {"type": "adaptive", "display": "summarized"},
        ),
        (Thinking(effort="none"), ModelFacts(64_000, thinking="adaptive"), {"type": "disabled"}),
        (Thinking(effort="none"), ModelFacts(64_000, thinking="adaptive", thinking_off=False), None),
        (Thinking(effort="high"), ModelFacts(64_000, thinking="always"), None),
        (
            Thinking(budget_tokens=5),
            ModelFacts(64_000, thinking="manual"),
            {"type": "enabled", "budget_tokens": 1024},
        ),
    ],
)
def test_one_switch_for_each_family(thinking: Thinking, facts: ModelFacts, expected: Any) -> None:
    found = write(Request((USER,), thinking=thinking), replace(CLAUDE, facts=facts))
    assert found.get("thinking") == expected
    if expected is None or expected["type"] != "adaptive":
        assert "effort" not in found.get("output_config", {}), "two switches may disagree"
    else:
        assert found["output_config"]["effort"]


@given(st.integers(1, 70_000), st.integers(1, 70_000), st.sampled_from([0, 8192, 64_000]))
def test_a_budget_is_always_below_the_tokens_of_the_answer(limit: int, budget: int, most: int) -> None:
    upstream = replace(CLAUDE, facts=ModelFacts(most, thinking="manual"))
    found = write(
        Request((USER,), thinking=Thinking(budget_tokens=budget), output_tokens_max=limit), upstream
    )
    assert not most or found["max_tokens"] <= most
    if found["thinking"]["type"] == "enabled":
        assert 1024 <= found["thinking"]["budget_tokens"] < found["max_tokens"]


def test_sampling_that_reasoning_forbids_is_left_out_and_named() -> None:
    request = Request((USER,), temperature=0.2, top_p=0.5, top_k=3, thinking=Thinking(effort="low"))
    written = write_request(request, CLAUDE)
    assert not {"temperature", "top_p", "top_k"} & set(written.body)
    assert set(written.dropped) == {"temperature", "top_p", "top_k"}


def test_sampling_fits_the_dialect() -> None:
    written = write_request(Request((USER,), temperature=1.7, top_p=0.5), CLAUDE)
    assert body_of(written)["temperature"] == 1
    assert set(written.dropped) == {"temperature", "top_p"}
    assert not {"temperature"} & set(write_request(Request((USER,), temperature=0.5), ADAPTIVE).body)


def test_an_answer_without_a_limit_may_be_as_long_as_the_model_can() -> None:
    assert write(Request((USER,)))["max_tokens"] == 64_000
    assert write(Request((USER,)), FOREIGN)["max_tokens"] == 8192


def test_stop_sequences_that_the_upstream_refuses_are_left_to_the_relay() -> None:
    written = write_request(Request((USER,), stop=("\n", "END")), CLAUDE)
    assert body_of(written)["stop_sequences"] == ["END"]
    assert written.stops == ("\n",)
    knows_none = replace(FOREIGN, facts=ModelFacts(no_stop=True))
    written = write_request(Request((USER,), stop=("END",)), knows_none)
    assert "stop_sequences" not in written.body
    assert written.stops == ("END",)
