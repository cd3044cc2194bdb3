"""Without this a converted request could be one that the upstream answers with 400: a switch that its model
does not have, a turn out of order, a call without its result. What the upstream takes is checked by rules
that were written from its documents, not from ours."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from tests.sim import seal
from tests.sim.messages_strict import check
from tests.wire.anthropic_messages.vectors import PlainSeals, call_of

from switchgear.kernel.errors import ApiError
from switchgear.vendors.shipped import shipped
from switchgear.wire.anthropic_messages.from_client.request import read_request
from switchgear.wire.anthropic_messages.passing.request import pass_request
from switchgear.wire.anthropic_messages.to_upstream.request import write_request
from switchgear.wire.dialect import Edits
from switchgear.wire.framing.splice import NULL
from switchgear.wire.neutral.effort import EFFORTS
from switchgear.wire.neutral.request import (
    CustomTool,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Opaque,
    Reasoning,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
    Written,
)

MODELS = ["claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-3-7-sonnet-20250219"]
HEADERS = {"anthropic-version": "2023-06-01"}

words = st.sampled_from(["", " ", "one", "two ", "é"])
cached_texts = st.builds(Text, words, st.sampled_from(["", "", "5m", "1h"]))
ids = st.sampled_from(["c1", "c2", "c3", "functions.f:0", ""])
names = st.sampled_from(["f", "g", "n" * 140, "mcp.f"])
signed = st.sampled_from(
    [
        Reasoning("I see", Opaque("anthropic", "signature", seal.seal("messages", "I see"))),
        Reasoning("foreign", Opaque("google", "signature", "X")),
        Reasoning("unsigned"),
        Reasoning("", Opaque("openai:main", "encrypted", "Y")),
    ]
)
media = st.sampled_from(
    [
        Image(data="QUJD", media_type="image/png"),
        Image(url="https://example.org/a.png"),
        File(text="plain", media_type="text/plain"),
        File(data="QUJD", media_type="application/pdf", filename="a.pdf"),
    ]
)
calls = st.builds(
    ToolCall,
    ids,
    names,
    st.sampled_from(["", "{}", '{"a":1}', "{broken", "[1]"]),
    st.sampled_from(["function", "custom"]),
)
results = st.builds(
    ToolResult, ids, st.lists(cached_texts | media, max_size=2).map(tuple), st.just(""), st.booleans()
)
turns = st.one_of(
    st.builds(Turn, st.sampled_from(["system", "developer"]), st.lists(cached_texts, max_size=2).map(tuple)),
    st.builds(Turn, st.just("user"), st.lists(cached_texts | media | results, max_size=3).map(tuple)),
    st.builds(
        Turn,
        st.just("assistant"),
        st.lists(signed | calls | cached_texts | st.just(Refusal("No.")), max_size=4).map(tuple),
    ),
)
SCHEMA = Raw(
    b'{"type":"object","properties":{"n":{"type":"integer","minimum":1,"title":"N"}},"required":["n"]}'
)
tools = st.lists(
    st.one_of(
        st.builds(
            FunctionTool,
            names,
            words,
            st.sampled_from([None, SCHEMA, Raw(b"{}"), Raw(b'{"anyOf":[{"properties":{"a":{}}}]}')]),
            st.sampled_from([None, False]),
            st.sampled_from(["", "5m", "1h"]),
        ),
        st.just(CustomTool("patch", "Patches.")),
        st.just(HostedTool("web_search", "openai_responses", NULL, type="web_search", uses_max=3)),
        st.just(HostedTool("code_execution", "gemini_generate", NULL, type="codeExecution")),
    ),
    max_size=4,
    unique_by=lambda tool: getattr(tool, "name", "") or getattr(tool, "kind", ""),
).map(tuple)
requests = st.builds(
    Request,
    st.lists(turns, min_size=1, max_size=6).map(tuple),
    tools,
    st.sampled_from(
        [
            None,
            ToolChoice("auto"),
            ToolChoice("none"),
            ToolChoice("required"),
            ToolChoice("named", "f"),
            ToolChoice("required", allowed=("g",)),
        ]
    ),
    parallel=st.sampled_from([None, True, False]),
    thinking=st.none()
    | st.builds(Thinking, st.sampled_from(EFFORTS), show=st.sampled_from([None, True, False]))
    | st.builds(Thinking, budget_tokens=st.sampled_from([-1, 0, 1, 1024, 60_000])),
    output_tokens_max=st.sampled_from([None, 1, 1025, 4096, 200_000]),
    temperature=st.sampled_from([None, 0.0, 1.0, 2.0]),
    top_p=st.sampled_from([None, 0.5, 0.97]),
    top_k=st.sampled_from([None, 5]),
    stop=st.sampled_from([(), ("END",), ("\n", "END")]),
    format=st.sampled_from([None, Format("json_object"), Format("json_schema", SCHEMA)]),
    user=st.sampled_from(["", "u", "u" * 400]),
    service_tier=st.sampled_from(["", "auto", "default", "flex"]),
    stream=st.booleans(),
)


def upstream_of(model: str) -> Upstream:
    return Upstream(model, "anthropic", "anthropic", shipped().facts_of("anthropic", model))


def body_of(written: Written) -> dict[str, Any]:
    return {key: json.loads(bytes(value)) for key, value in written.body.items()}


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=300)
@given(request=requests)
def test_what_is_written_is_taken(model: str, request: Request) -> None:
    try:
        written = write_request(request, upstream_of(model))
    except ApiError as error:
        refused = error
    else:
        check(body_of(written), {**HEADERS, **dict(written.headers)})
        return
    assert refused.param in ("messages", "tool_choice")


@settings(max_examples=200)
@given(request=requests, model=st.sampled_from(MODELS))
def test_what_a_client_could_send_is_taken_after_a_change_of_models(request: Request, model: str) -> None:
    """A conversation that is written for one model, read again and written for another."""
    try:
        body = body_of(write_request(request, upstream_of("claude-opus-4-6")))
        again = read_request(call_of(body), PlainSeals())
        written = write_request(again, upstream_of(model))
    except ApiError:
        return
    check(body_of(written), {**HEADERS, **dict(written.headers)})


def test_reasoning_of_another_model_is_taken_out_of_what_passes_through() -> None:
    """A client that changes models in the middle of a conversation sends back what it was given."""
    foreign = PlainSeals().seal(Opaque("google", "signature", "X"))
    body = {
        "model": MODELS[0],
        "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": foreign},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "1"}]},
        ],
    }
    check(json.loads(pass_request(call_of(body), MODELS[0], Edits()).body), HEADERS)
