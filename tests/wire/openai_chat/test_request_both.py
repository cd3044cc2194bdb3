"""Without this something of a request could be lost between being read and being written, or a request of an
odd shape could raise something else than a refusal."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tests.wire.openai_chat.upstreams import DEEPSEEK, OPENAI, QWEN, F, body_of
from tests.wire.openai_chat.vectors import request_of

from switchgear.kernel.errors import ApiError
from switchgear.wire.neutral.request import (
    Audio,
    CustomTool,
    File,
    Format,
    Image,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Upstream,
)

texts = st.text(alphabet="abc é\n", min_size=1, max_size=5)
contents = st.lists(
    st.builds(Text, texts)
    | st.builds(Image, st.just("AAAA"), st.just("image/png"), detail=st.sampled_from(["", "low"]))
    | st.builds(Audio, st.just("AAAA"), st.just("audio/wav"))
    | st.builds(File, st.just("AAAA"), st.just("application/pdf"), filename=st.just("a.pdf")),
    min_size=1,
    max_size=3,
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    turns: list[Turn] = [Turn("system", (Text(draw(texts)),))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", tuple(draw(contents))))
        calls = [
            ToolCall(f"id_{number}_{i}", "f", json.dumps({"x": draw(texts)}))
            for i in range(draw(st.integers(0, 2)))
        ]
        turns.append(Turn("assistant", (Text(draw(texts)), *calls)))
        if calls:
            turns.append(Turn("user", tuple(ToolResult(call.id, (Text(draw(texts)),)) for call in calls)))
            turns.append(Turn("assistant", (Text(draw(texts)),)))
    return tuple(turns)


@given(
    conversations(),
    st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(0, 2),
            "top_p": st.floats(0, 1),
            "seed": st.integers(0, 2**31),
            "n": st.integers(1, 4),
            "stop": st.lists(texts, max_size=3).map(tuple),
            "output_tokens_max": st.integers(1, 10**6),
            "thinking": st.builds(Thinking, st.sampled_from(["low", "high"])),
            "format": st.just(Format("json_schema", Raw(b'{"type":"object"}'), "answer", True)),
            "tool_choice": st.sampled_from([ToolChoice("required"), ToolChoice("named", "f")]),
            "parallel": st.booleans(),
            "logprobs": st.just(True),
            "stream": st.booleans(),
            "user": texts,
        },
    ),
)
def test_what_is_written_is_read_with_the_same_meaning(turns: tuple[Turn, ...], said: dict[str, Any]) -> None:
    request = Request(turns, (F, CustomTool("patch", "Edits.")), **said)
    upstream = Upstream("gpt-5.2", "openai", "openai")
    again = request_of(body_of(request, upstream))
    names = [
        tuple(msgspec.structs.replace(p, name="") if isinstance(p, ToolResult) else p for p in turn.parts)
        for turn in _joined(again.turns)
    ]
    assert names == [_as_one_text(turn) for turn in _joined(turns)]
    for field in Request.__struct_fields__:
        if field not in ("turns", "extras"):
            assert getattr(again, field) == getattr(request, field), field


def _as_one_text(turn: Turn) -> tuple[Any, ...]:
    """Texts of the user alone go as a string."""
    texts = [part.text for part in turn.parts if isinstance(part, Text)]
    if turn.role != "user" or len(texts) < len(turn.parts):
        return turn.parts
    return (Text("\n".join(texts)),)


def _joined(turns: tuple[Turn, ...]) -> list[Turn]:
    """Results of one turn are messages of their own on the way."""
    out: list[Turn] = []
    for turn in turns:
        if out and out[-1].role == turn.role == "user" and isinstance(turn.parts[0], ToolResult):
            out[-1] = Turn("user", out[-1].parts + turn.parts)
        else:
            out.append(turn)
    return out


ODD = st.recursive(
    st.sampled_from([None, True, 0, 2**70, 1.5, "", "x", "text", "user", "auto", "function", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "text",
                    "role",
                    "content",
                    "tool_calls",
                    "function",
                    "custom",
                    "name",
                    "arguments",
                    "id",
                    "image_url",
                    "url",
                    "file",
                    "reasoning_details",
                    "signature",
                    "data",
                    "format",
                    "allowed_tools",
                    "tools",
                    "mode",
                    "google",
                    "audio",
                    "video",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "tools",
                "tool_choice",
                "functions",
                "function_call",
                "response_format",
                "reasoning",
                "thinking",
                "extra_body",
                "google",
                "stop",
                "web_search_options",
                "modalities",
                "safety_settings",
                "logprobs",
                "n",
                "chat_template_kwargs",
            ]
        ),
        ODD,
        max_size=3,
    ),
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool", "function", "system"])})
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "audio", "refusal"]), ODD
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_odd_requests_are_read_or_refused_and_what_was_read_is_written(
    fields: dict[str, Any], messages: list[Any]
) -> None:
    try:
        request = request_of({**fields, "messages": messages})
    except ApiError:
        return
    for upstream in (OPENAI, DEEPSEEK, QWEN):
        json.dumps(body_of(request, upstream))
