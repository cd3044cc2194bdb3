"""Without this an upstream of the same dialect could get something else than the client sent, or what breaks
it: a line that defeats its cache, a role it does not know, a token that another maker signed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_messages.vectors import call_of

from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import MODEL_NAME_CHARS_MAX
from switchgear.wire.anthropic_messages.estimate_input import input_text, overhead_tokens
from switchgear.wire.anthropic_messages.passing.request import pass_request, with_thinking
from switchgear.wire.anthropic_messages.peek import read_call
from switchgear.wire.call import Operation
from switchgear.wire.dialect import Edits
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.request import Thinking

USER: dict[str, Any] = {"role": "user", "content": "hi"}
BASE: dict[str, Any] = {"model": "m", "max_tokens": 10, "messages": [USER]}
FOREIGN = Edits(foreign=True)
LONG = {"type": "ephemeral", "ttl": "1h"}


def passed(
    found: dict[str, Any], edits: Edits = Edits(), operation: Operation = "anthropic_messages"
) -> dict[str, Any]:
    call = call_of({**BASE, **found}, operation)
    before = dict(call.fields)
    body: dict[str, Any] = json.loads(pass_request(call, "up", edits).body)
    assert call.fields == before, "a call is rendered again for the next candidate"
    return body


def test_every_byte_stays_but_the_model() -> None:
    body = (
        b'{"max_tokens":1e1,"odd":1.50,"model":"m","messages":[ {"role":"user","content":"\\u00e9 system"} ],'
        b'"system":[{"type":"text","text":"x-anthropic-billing-header: cch=1","cache_control":{"ttl":"1h"}}],'
        b'"tools":[{"type":"web_search_20250305","name":"web_search"}]}'
    )
    call = read_call("anthropic_messages", read_fields(body), "m")
    assert pass_request(call, "m", Edits()).body == body


def test_named_edits() -> None:
    found = passed({"top_k": 5, "output_config": {}}, Edits(drop=("top_k",), rename={"output_config": "out"}))
    assert "top_k" not in found
    assert found["out"] == {}
    assert found["model"] == "up"


def test_a_count_of_tokens_needs_no_limit_and_sends_none() -> None:
    call = call_of({"model": "m", "messages": [USER]}, "anthropic_count_tokens")
    assert not call.stream
    found = passed({"stream": True, "temperature": 1}, operation="anthropic_count_tokens")
    assert found == {"model": "up", "messages": [USER]}


def test_leading_system_messages_are_lifted() -> None:
    """Some models refuse them as the first message."""
    leading = {"role": "system", "content": "b"}
    later = {"role": "system", "content": "c"}
    found = passed({"system": "a", "messages": [leading, USER, later]})
    assert [block["text"] for block in found["system"]] == ["a", "b"]
    assert found["messages"] == [USER, later]


def test_later_system_messages_are_text_for_models_that_do_not_know_the_role() -> None:
    results = [{"type": "text", "text": "x"}, {"type": "tool_result", "tool_use_id": "a", "content": "1"}]
    found = passed(
        {"messages": [USER, {"role": "system", "content": "Be."}, {"role": "user", "content": results}]},
        FOREIGN,
    )
    last = found["messages"][-1]["content"]
    assert [block["type"] for block in last] == ["tool_result", "text", "text"]
    assert "Be." in last[1]["text"]
    found = passed({"messages": [USER, {"role": "system", "content": "Be."}]}, FOREIGN)
    assert [message["role"] for message in found["messages"]] == ["user", "user"]


def test_the_billing_line_goes_to_anthropic_only() -> None:
    system = [{"type": "text", "text": "x-anthropic-billing-header: cch=1"}, {"type": "text", "text": "Be."}]
    assert passed({"system": system})["system"] == system
    assert passed({"system": system}, FOREIGN)["system"] == system[1:]
    assert "system" not in passed({"system": system[:1]}, FOREIGN)
    assert "system" not in passed({"system": system[0]["text"]}, FOREIGN)


def test_the_age_of_cache_markers_goes_to_anthropic_only_and_no_other_ttl_is_touched() -> None:
    tool = {
        "name": "f",
        "input_schema": {"properties": {"cache_control": {"ttl": {}}}},
        "cache_control": LONG,
    }
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {"cache_control": {"ttl": "1h"}}}
    result = {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": [{"type": "text", "text": "1", "cache_control": LONG}],
    }
    sent = {
        "system": [{"type": "text", "text": "s", "cache_control": LONG}],
        "tools": [tool],
        "messages": [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}],
    }
    assert passed(sent)["tools"] == [tool]
    found = passed(sent, FOREIGN)
    assert found["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert found["tools"][0] == {**tool, "cache_control": {"type": "ephemeral"}}
    assert found["messages"][1]["content"] == [use]
    assert found["messages"][2]["content"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert passed({"system": 'say "ttl"'}, FOREIGN)["system"] == 'say "ttl"'


def test_tools_of_anthropics_servers_are_not_asked_of_others() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    own = {"name": "f", "input_schema": {"type": "object"}}
    assert passed({"tools": [search, own]}, FOREIGN)["tools"] == [own]
    found = passed({"tools": [search], "tool_choice": {"type": "auto"}}, FOREIGN)
    assert "tools" not in found
    assert "tool_choice" not in found


def test_reasoning_that_was_sealed_here_goes_to_nobody_as_it_is() -> None:
    sealed = {"type": "thinking", "thinking": "T", "signature": "relay1.abc.def"}
    redacted = {"type": "redacted_thinking", "data": "relay1.abc.def"}
    own = {"type": "thinking", "thinking": "T", "signature": "Eo8"}
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]}
    thinking = {"type": "enabled", "budget_tokens": 1024}

    def after(*blocks: dict[str, Any]) -> dict[str, Any]:
        messages = [USER, {"role": "assistant", "content": list(blocks)}, result]
        return passed({"messages": messages, "thinking": thinking})

    found = after(sealed, redacted, use)
    assert found["messages"][1]["content"] == [use]
    assert "thinking" not in found, "the loop can't go on with manual thinking"
    found = after(own, sealed, use)
    assert found["messages"][1]["content"] == [own, use]
    assert found["thinking"] == thinking
    (only,) = after(sealed)["messages"]
    assert only == {"role": "user", "content": [{"type": "text", "text": "hi"}, *result["content"]]}


def test_searches_that_another_upstream_ran_go_to_nobody() -> None:
    """Anthropic refuses results and citations without its own sealed text; a user may change models."""

    def search(id: str, sealed: str) -> list[dict[str, Any]]:
        source = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": sealed}
        location = {"type": "web_search_result_location", "url": "u", "title": "t", "encrypted_index": sealed}
        return [
            {"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": id, "content": [source]},
            {"type": "text", "text": "said", "citations": [{**location, "cited_text": ""}]},
        ]

    def after(*blocks: dict[str, Any]) -> Any:
        messages = [USER, {"role": "assistant", "content": list(blocks)}, USER]
        return [message["content"] for message in passed({"messages": messages})["messages"]]

    own, foreign = search("srvtoolu_1", "Eo8"), search("srvtoolu_2", "")
    assert after(*own) == ["hi", own, "hi"]
    assert after(*foreign) == ["hi", [{"type": "text", "text": "said"}], "hi"]
    assert after(*own, *foreign) == ["hi", [*own, {"type": "text", "text": "said"}], "hi"]
    assert after(*foreign[:2]) == [[{"type": "text", "text": "hi"}] * 2], "an answer of nothing else is gone"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "x"}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": "x" * (MODEL_NAME_CHARS_MAX + 1)}, "model"),
    ],
)
def test_what_is_no_request_is_named(found: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        call_of({**BASE, **found})
    assert caught.value.param == message
    assert caught.value.row.status == 400


def test_what_a_call_says() -> None:
    paper = {"type": "document", "source": {"type": "url", "url": "https://host/paper.pdf"}}
    content = [{"type": "image", "source": {}}, paper]
    call = call_of(
        {**BASE, "max_tokens": 4096.0, "stream": True, "messages": [{"role": "user", "content": content}]}
    )
    assert (call.stream, call.output_tokens_cap, call.images, call.files) == (True, 4096, 1, 1)


def test_the_text_of_a_request_has_all_that_is_read_and_no_picture() -> None:
    content = [
        {"type": "text", "text": "one"},
        {"type": "image", "source": {"type": "base64", "data": "QUJD"}},
        {"type": "tool_result", "content": [{"type": "text", "text": "two"}]},
        {"type": "tool_use", "name": "three", "input": {"four": ["five", 6]}},
        {"type": "document", "title": "seven", "source": {"type": "text", "data": "eight"}},
    ]
    call = call_of(
        {
            **BASE,
            "system": "nine",
            "messages": [{"role": "user", "content": content}],
            "tools": [{"name": "ten"}],
        }
    )
    text = input_text(call)
    for word in ("one", "two", "three", "four", "five", "6", "seven", "eight", "nine", "ten"):
        assert word in text
    assert "QUJD" not in text
    assert overhead_tokens(call) > 340


@given(st.binary(max_size=80), st.sampled_from(["messages", "system", "tools", "thinking"]), st.booleans())
def test_odd_values_never_raise_anything_else(value: bytes, key: str, foreign: bool) -> None:
    words = b'["x", {"role":"system"}, "system", {"ttl":"relay1.", "signature":"relay1."}, '
    for spelt in (
        words + json.dumps(value.decode("latin-1")).encode() + b"]",
        b'{"ttl":"\\"relay1.\\""}',
        b'"ttl"',
    ):
        body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"%s":%s}' % (
            key.encode(),
            spelt,
        )
        fields = read_fields(body)
        try:
            call = read_call("anthropic_messages", fields, "m")
        except ApiError:
            continue
        assert json.loads(pass_request(call, "up", Edits(foreign=foreign)).body)["model"] == "up"


def test_a_wish_about_reasoning_replaces_what_the_body_says() -> None:
    call = call_of(
        {
            **BASE,
            "max_tokens": 4096,
            "thinking": {"type": "disabled"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
            "temperature": 0.5,
        }
    )
    manual = with_thinking(call, Thinking(budget_tokens=8192), ModelFacts(64_000, thinking="manual"))
    found = json.loads(pass_request(manual, "up", Edits()).body)
    assert found["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert found["max_tokens"] > 8192
    assert found["output_config"] == {"format": {"type": "json_schema", "schema": {}}}
    assert "temperature" not in found
    facts = ModelFacts(64_000, thinking="adaptive", efforts=("low", "high", "max"))
    adaptive = with_thinking(call, Thinking(effort="max"), facts)
    found = json.loads(pass_request(adaptive, "up", Edits()).body)
    assert found["thinking"]["type"] == "adaptive"
    assert found["output_config"]["effort"] == "max"
    off = with_thinking(call, Thinking(effort="none"), ModelFacts(64_000, thinking="adaptive"))
    found = json.loads(pass_request(off, "up", Edits()).body)
    assert found["thinking"] == {"type": "disabled"}
    assert found["temperature"] == 0.5
    assert found["max_tokens"] == 4096


@pytest.mark.parametrize("cap", [10, 1024, 1025, 4096, 8192, 100_000])
@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_no_budget_raises_a_clients_own_cap(cap: int, effort: str) -> None:
    """For more than that no money is held."""
    adaptive = {"max_tokens": cap, "thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
    found = passed(adaptive, Edits(facts=ModelFacts(64_000, thinking="manual")))
    assert found["max_tokens"] == min(cap, 64_000)
    if cap > 1024:
        assert 1024 <= found["thinking"]["budget_tokens"] < found["max_tokens"]
    else:
        assert found.get("thinking", {}).get("type") in (None, "disabled")


@pytest.mark.parametrize(
    ("facts", "sent", "expected"),
    [
        (ModelFacts(64_000, thinking="manual"), "adaptive", {"type": "enabled", "budget_tokens": 2048}),
        (ModelFacts(64_000, thinking="type"), "adaptive", {"type": "enabled", "budget_tokens": 2048}),
        (ModelFacts(64_000, thinking="adaptive"), "enabled", {"type": "adaptive", "display": "summarized"}),
        (ModelFacts(64_000, thinking="none"), "adaptive", None),
        (ModelFacts(64_000, thinking="manual_adaptive"), "adaptive", {"type": "adaptive"}),
        (ModelFacts(), "adaptive", {"type": "adaptive"}),
    ],
)
def test_reasoning_is_switched_the_way_the_model_knows(facts: ModelFacts, sent: str, expected: Any) -> None:
    """Agents send the newest form to every model whose name they do not know; a wrong one is a 400."""
    thinking: dict[str, Any] = {"type": sent} | ({"budget_tokens": 2048} if sent == "enabled" else {})
    found = passed(
        {"max_tokens": 8192, "thinking": thinking, "output_config": {"effort": "low"}}, Edits(facts=facts)
    )
    assert found.get("thinking") == expected
    if expected is not None and expected["type"] == "adaptive":
        assert found["output_config"]["effort"] == "low"
