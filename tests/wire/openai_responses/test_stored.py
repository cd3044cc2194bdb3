"""Without this a conversation that goes on by ``previous_response_id`` could lose a turn or carry too much,
pages of its items could repeat or skip some, and a resumed stream could be one that clients can't parse."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.wire.openai_responses.support import Grammar, PlainSeals, frames_of, head
from tests.wire.openai_responses.test_writer import SCRIPTS

from switchgear.kernel.errors import ApiError
from switchgear.wire.openai_responses.from_client.request import read_request
from switchgear.wire.openai_responses.from_upstream.reader import Reader, read_events
from switchgear.wire.openai_responses.peek import read_call
from switchgear.wire.openai_responses.replay import events_of
from switchgear.wire.openai_responses.stored import (
    expand_history,
    queued_response,
    render_deleted,
    render_input_items,
    stored_items,
    with_status,
)
from switchgear.wire.openai_responses.to_client.writer import write_kept_reply, write_reply


def fields(**found: Any) -> dict[str, Raw]:
    return {key: Raw(json.dumps(value)) for key, value in found.items()}


def plain(items: list[Raw]) -> list[dict[str, Any]]:
    return [json.loads(bytes(item)) for item in items]


def test_items_are_kept_with_ids_that_depend_on_the_request_alone() -> None:
    asked = fields(
        input=[
            {"role": "user", "content": "a"},
            {"role": "user", "content": "a"},
            {"type": "function_call_output", "call_id": "1", "output": "x"},
            {"type": "reasoning", "id": "rs_own", "summary": []},
        ]
    )
    kept = stored_items(asked, "resp_1")
    ids = [item["id"] for item in plain(kept)]
    assert plain(stored_items(asked, "resp_1")) == plain(kept)
    assert [item["id"] for item in plain(stored_items(asked, "resp_2"))] != ids
    assert [name.rpartition("_")[0] for name in ids] == ["msg", "msg", "fco", "rs"]
    assert len(set(ids)) == 4
    assert plain(kept)[0]["type"] == "message"


def test_a_string_is_kept_as_the_message_that_it_is() -> None:
    (item,) = plain(stored_items(fields(input="hé")))
    assert item["content"] == [{"type": "input_text", "text": "hé"}]
    assert (item["type"], item["role"]) == ("message", "user")
    assert stored_items(fields(prompt={"id": "p"})) == []


def test_a_later_request_goes_on_from_the_kept_turns_without_their_instructions() -> None:
    """What is kept has the tokens of reasoning that the client never got, so that they go back to their
    maker."""
    events = SCRIPTS["thinking_text_call"][1]
    first = fields(input="Weather in Rome?", instructions="Be brief.")
    _, output = write_kept_reply(events, head())
    result = {"type": "function_call_output", "call_id": "toolu_9", "output": "18 C"}
    later = fields(model="m", input=[result], previous_response_id="resp_7", conversation=None)
    expanded = expand_history(later, [(stored_items(first), output)])
    call = read_call("openai_responses", expanded, "m")
    request = read_request(call, PlainSeals())
    assert [turn.role for turn in request.turns] == ["user", "assistant", "user"]
    assert "anthropic" in str(request.turns[1].parts[0])
    assert set(expanded) == {"model", "input"}


def test_a_string_goes_on_from_a_conversation_of_two_turns() -> None:
    one, two = stored_items(fields(input="1")), stored_items(fields(input="2"))
    expanded = expand_history(fields(input="3"), [(one, []), (two, [])])
    contents = [item["content"] for item in json.loads(bytes(expanded["input"]))]
    assert [content if isinstance(content, str) else content[0]["text"] for content in contents] == [
        "1",
        "2",
        "3",
    ]


def test_references_become_the_items_and_unknown_ones_stay_to_be_refused() -> None:
    kept = stored_items(fields(input="1"))
    ids = [plain(kept)[0]["id"], "msg_none"]
    asked = fields(input=[{"type": "item_reference", "id": name} for name in ids])
    expanded = expand_history(asked, [(kept, [])])
    found = json.loads(bytes(expanded["input"]))
    assert [item["type"] for item in found] == ["message", "message", "item_reference"]
    with pytest.raises(ApiError):
        read_request(read_call("openai_responses", expanded, "m"), PlainSeals())


@given(st.integers(0, 9), st.integers(1, 4), st.sampled_from(["asc", "desc"]))
def test_pages_show_every_item_once(count: int, limit: int, order: str) -> None:
    items = [Raw(b'{"id":"msg_%d"}' % number) for number in range(count)]
    seen: list[str] = []
    after, has_more = "", True
    while has_more:
        page = json.loads(render_input_items(items, limit, order, after))
        seen += [item["id"] for item in page["data"]]
        assert page["object"] == "list"
        assert (page["first_id"], page["last_id"]) == (
            (page["data"][0]["id"], page["data"][-1]["id"]) if page["data"] else (None, None)
        )
        after, has_more = page["last_id"] or "", page["has_more"]
        assert len(page["data"]) == limit or not has_more
    expected = [f"msg_{number}" for number in range(count)]
    assert seen == (expected if order == "asc" else expected[::-1])


def test_a_message_given_as_a_plain_string_is_listed_as_parts() -> None:
    """What SDKs read the list into has no other form."""
    kept = stored_items(fields(input=[{"role": "user", "content": "a"}]))
    (item,) = json.loads(render_input_items(kept))["data"]
    assert item["content"] == [{"type": "input_text", "text": "a"}]


@pytest.mark.parametrize(
    ("arguments", "param"),
    [((0,), "limit"), ((101,), "limit"), ((20, "up"), "order"), ((20, "asc", "msg_none"), "after")],
)
def test_a_page_that_can_not_be_is_refused(arguments: Any, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        render_input_items([Raw(b'{"id":"msg_1"}')], *arguments)
    assert caught.value.param == param


def test_small_answers() -> None:
    assert json.loads(render_deleted("resp_1")) == {"id": "resp_1", "object": "response", "deleted": True}


def test_a_call_in_the_background_is_queued_and_may_be_cancelled_or_fail() -> None:
    queued = queued_response(head(background=True))
    found = json.loads(queued)
    Response.model_validate(found)
    assert (found["status"], found["background"], found["output"]) == ("queued", True, [])
    assert json.loads(with_status(queued, "cancelled")) == {**found, "status": "cancelled"}
    error = {"code": "server_error", "message": "x"}
    assert json.loads(with_status(queued, "failed", error)) == {**found, "status": "failed", "error": error}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_stored_response_is_replayed_as_a_legal_stream_that_says_the_same(name: str) -> None:
    made_for, events = SCRIPTS[name]
    body = write_reply(events, made_for)
    replayed = events_of(body)
    frames = frames_of(b"".join(replayed))
    Grammar().check(frames)
    assert frames[-1]["response"] == json.loads(body)
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for frame in frames:
        adapter.validate_python(frame, strict=False)
    reader = Reader()
    assert reader.feed(b"".join(replayed)) == read_events(body)
    assert events_of(body) == replayed


def test_what_is_not_over_has_no_last_event() -> None:
    queued = queued_response(head(background=True))
    assert [frame["type"] for frame in frames_of(b"".join(events_of(queued)))] == [
        "response.created",
        "response.queued",
    ]
    running = with_status(queued, "in_progress")
    assert [frame["type"] for frame in frames_of(b"".join(events_of(running)))] == [
        "response.created",
        "response.in_progress",
    ]
    cancelled = with_status(queued, "cancelled")
    assert frames_of(b"".join(events_of(cancelled)))[-1]["type"] == "response.failed"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"status":"completed","output":[1]}'])
def test_what_is_no_response_is_told(body: bytes) -> None:
    with pytest.raises(ValueError):
        events_of(body)
