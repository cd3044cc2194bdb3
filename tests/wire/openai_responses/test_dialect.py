"""Without this requests of the dialect could be misjudged before they are routed, changed when they only pass
through, or refused in a form that its clients can't read."""

import json
from typing import Any

import pytest
from msgspec import Raw
from tests.wire.openai_responses.support import PlainSeals, frames_of, head

from switchgear.kernel.errors import CONTEXT_TOO_LONG, QUOTA, UPSTREAM_REFUSED, ApiError
from switchgear.kernel.ids import new_id
from switchgear.kernel.limits import MODEL_NAME_CHARS_MAX
from switchgear.wire.call import NOTHING_IN_PATH, Call
from switchgear.wire.dialect import Dialect, Edits
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.neutral.request import Request, Upstream

DIALECT: Dialect = DIALECT_OF["openai_responses"]


def call_of(body: str) -> Call:
    fields = read_fields(body.encode())
    model = DIALECT.read_model(fields, NOTHING_IN_PATH)
    return DIALECT.read_call("openai_responses", fields, model, NOTHING_IN_PATH)


def test_what_a_request_wants() -> None:
    call = call_of(
        '{"model":"m","stream":true,"max_output_tokens":9.0,"instructions":"ab",'
        '"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://a"}]}]}'
    )
    assert (call.dialect, call.model, call.stream, call.output_tokens_cap) == (
        "openai_responses",
        "m",
        True,
        9,
    )
    assert (call.choices, call.images) == (1, 1)
    assert call.input_bytes > 40


def test_the_text_of_a_request_is_what_costs_tokens() -> None:
    call = call_of(
        json.dumps(
            {
                "model": "m",
                "instructions": "Be brief.",
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "one"},
                            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                        ],
                    },
                    {"type": "function_call", "call_id": "1", "name": "look", "arguments": '{"at":1}'},
                    {"type": "function_call_output", "call_id": "1", "output": "two"},
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                ],
                "tools": [{"type": "function", "name": "look"}],
            }
        )
    )
    text = DIALECT.input_text(call)
    for said in ("Be brief.", "one", "look", '{"at":1}', "two", "hm", '"type": "function"'):
        assert said in text
    assert "AAAA" not in text
    assert DIALECT.overhead_tokens(call) > DIALECT.overhead_tokens(call_of('{"model":"m","input":"a"}')) > 0


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ("{}", "model", "missing_required_parameter"),
        ('{"model":1}', "model", "invalid_type"),
        ('{"model":""}', "model", "invalid_value"),
        ('{"model":"%s"}' % ("m" * (MODEL_NAME_CHARS_MAX + 1)), "model", "invalid_value"),
        ('{"model":"m"}', "input", "missing_required_parameter"),
        ('{"model":"m","messages":[]}', "messages", "invalid_value"),
        ('{"model":"m","input":{}}', "input", "invalid_type"),
        ('{"model":"m","input":"a","stream":1}', "stream", "invalid_type"),
        ('{"model":"m","input":"a","max_output_tokens":"x"}', "max_output_tokens", "invalid_type"),
    ],
)
def test_what_can_not_be_a_request_is_refused(body: str, param: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        call_of(body)
    assert (caught.value.param, caught.value.row.code) == (param, code)


def test_a_request_without_input_may_go_on_from_what_is_stored() -> None:
    for key in ("previous_response_id", "conversation", "prompt"):
        assert call_of(f'{{"model":"m","{key}":"x"}}').input_bytes >= 0


def test_passing_through_changes_the_named_fields_only() -> None:
    call = call_of('{"model":"m","input":"a","temperature":1.50,"user":null,"x":{"y":[1e2]},"old":1,"odd":2}')
    edits = Edits(drop=("odd",), rename={"old": "new"})
    assert DIALECT.pass_request(call, "up", edits).body == (
        b'{"model":"up","input":"a","temperature":1.50,"x":{"y":[1e2]},"new":1}'
    )


def test_pictures_and_files_are_taken_by_url() -> None:
    assert DIALECT.remote_files(Request(()), Upstream("m")) == ()


def test_errors_have_all_four_keys() -> None:
    status, headers, body = DIALECT.render_error(ApiError(QUOTA, "Used up.", param="model"), "r1")
    assert status == 429
    assert ("x-should-retry", "false") in headers
    assert json.loads(body) == {
        "error": {
            "message": "Used up. (request id: r1)",
            "type": "insufficient_quota",
            "param": "model",
            "code": "insufficient_quota",
        }
    }


@pytest.mark.parametrize(
    ("err", "code", "message"),
    [
        (ApiError(QUOTA, "Used up."), "insufficient_quota", "Used up. (request id: {})"),
        (ApiError(CONTEXT_TOO_LONG, "Too long."), "context_length_exceeded", "Too long."),
        (ApiError(UPSTREAM_REFUSED, "As it was said."), "invalid_prompt", "As it was said."),
    ],
)
def test_a_stream_of_heartbeats_ends_in_a_failed_response(err: ApiError, code: str, message: str) -> None:
    for request_id in (new_id(), "mine"):
        (frame,) = frames_of(DIALECT.render_stream_error(err, request_id))
        assert frame["type"] == "response.failed"
        assert frame["sequence_number"] == 0
        response = frame["response"]
        assert (response["status"], response["output"]) == ("failed", [])
        assert response["error"] == {"code": code, "message": message.format(request_id)}


def test_the_parts_fit_the_contract() -> None:
    made: Any = DIALECT.writer(head())
    stream = made.feed(DIALECT.read_events(b'{"status":"completed","output":[]}')) + made.closing()
    reader = DIALECT.reader()
    assert [type(event).__name__ for event in reader.feed(stream)] == ["Start", "Finish", "End"]
    request = DIALECT.read_request(call_of('{"model":"m","input":"a"}'), PlainSeals())
    assert DIALECT.write_request(request, Upstream("up")).body["model"] == Raw(b'"up"')
    sign = DIALECT.heartbeat(call_of('{"model":"m","input":"a"}'), "7", 0)
    assert sign.startswith(b":")
    assert sign.endswith(b"\n\n")
