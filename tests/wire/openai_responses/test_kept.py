"""What is kept of an answer. Without this a later turn would lose its reasoning, or a reference its item."""

from msgspec import Raw, json

from switchgear.wire.openai_responses.kept import (
    answered_stream,
    items_of,
    own_references,
    read_answered,
    with_items,
)
from switchgear.wire.openai_responses.passing.tap import StreamTap

ID = "0190aa" + "0" * 26


def raw(value: object) -> Raw:
    return Raw(json.encode(value))


def test_an_answer_is_kept_with_more_than_it_shows() -> None:
    shown = json.encode({"id": "resp_1", "status": "incomplete", "output": [{"id": "rs_1"}]})
    kept = read_answered(shown, [raw({"id": "rs_1", "encrypted_content": "x"})])
    assert kept is not None
    assert (kept.id, kept.status, kept.response, kept.is_open) == ("resp_1", "incomplete", shown, False)
    assert [bytes(item) for item in items_of(kept.output)] == [b'{"id":"rs_1","encrypted_content":"x"}']


def test_an_answer_without_an_id_can_not_be_kept() -> None:
    assert read_answered(b"") is None
    assert read_answered(b'{"status":"completed"}') is None
    assert read_answered(b"not JSON") is None


def test_a_state_that_nobody_knows_is_over() -> None:
    found = read_answered(b'{"id":"resp_1","status":"paused"}')
    assert found is not None
    assert found.status == "completed"


def test_a_stream_that_passed_through_is_kept_whole() -> None:
    response = {"id": "resp_1", "status": "completed", "output": [{"type": "message"}], "usage": None}
    created = {"type": "response.created", "response": response | {"status": "in_progress", "output": []}}
    completed = {"type": "response.completed", "response": response}
    tap = StreamTap()
    for event in (created, completed):
        tap.feed(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.encode(event)))  # type: ignore[attr-defined]
    assert tap.finish() == "complete"
    found = answered_stream(tap)
    assert found is not None
    assert json.decode(found.response) == response
    assert json.decode(found.output) == response["output"]


def test_only_ids_of_our_making_name_their_response() -> None:
    ids = [f"msg_{ID}00", f"rs_{ID}01", "msg_abc", f"MSG_{ID}00", 7, None]
    items = [{"type": "item_reference", "id": id} for id in ids] + [
        {"role": "user", "content": f"msg_{ID}00"}
    ]
    assert own_references({"input": raw(items)}) == (f"resp_{ID}",)
    assert own_references({"input": raw("item_reference")}) == ()
    assert own_references({}) == ()


def test_references_take_the_place_of_their_items_and_nothing_else_changes() -> None:
    item = {"id": f"msg_{ID}00", "type": "message", "role": "assistant", "content": []}
    asked = [
        {"type": "item_reference", "id": item["id"]},
        {"type": "item_reference", "id": "x"},
        {"role": "u"},
    ]
    fields = {"model": raw("m"), "input": raw(asked)}
    resolved = with_items(fields, [raw(item), raw("no object")])
    assert json.decode(resolved["input"]) == [item, *asked[1:]]
    assert resolved["model"] == fields["model"]
    odd = {"input": raw([1, "item_reference"])}
    assert with_items(odd, [raw(item)]) == odd
