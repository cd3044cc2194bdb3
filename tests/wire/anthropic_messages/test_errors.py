"""Without this clients of this dialect could be told a wrong kind of error: their SDK picks its exception by
the status, and agents compact or switch features off by the wording."""

import json
from typing import Any

import pytest

from switchgear.kernel import errors
from switchgear.kernel.errors import TABLE, ApiError
from switchgear.wire.anthropic_messages.errors import render_error, render_stream_error
from switchgear.wire.faults.upstream_error import read_upstream_error, to_api_error


def rendered(err: ApiError) -> tuple[int, dict[str, str], dict[str, Any]]:
    status, headers, body = render_error(err, "r1")
    return status, dict(headers), json.loads(body)


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_of_the_table_in_this_form(row: errors.ErrorRow) -> None:
    status, headers, body = rendered(ApiError(row, "Something.", param="p"))
    assert list(body) == ["type", "error", "request_id"]
    assert body["type"] == "error"
    assert list(body["error"]) == ["type", "message"]
    assert body["request_id"] == headers["request-id"] == "req_r1"
    assert 400 <= status < 600
    assert body["error"]["message"]
    event = render_stream_error(ApiError(row, "Something.", param="p"), "r1")
    assert event.startswith(b"event: error\ndata: {")
    assert json.loads(event.split(b"data: ")[1]) == body


@pytest.mark.parametrize(
    ("row", "status", "kind"),
    [
        (errors.BAD_KEY, 401, "authentication_error"),
        (errors.QUOTA, 402, "billing_error"),
        (errors.MODEL_NOT_ALLOWED, 403, "permission_error"),
        (errors.MODEL_UNKNOWN, 404, "not_found_error"),
        (errors.BODY_TOO_LARGE, 413, "request_too_large"),
        (errors.RATE_REQUESTS, 429, "rate_limit_error"),
        (errors.UPSTREAM_LIMITED, 429, "rate_limit_error"),
        (errors.UPSTREAM_AUTH, 500, "api_error"),
        (errors.INTERNAL, 500, "api_error"),
        (errors.UPSTREAM_CONNECTION, 502, "api_error"),
        (errors.NO_CHANNEL, 503, "api_error"),
        (errors.UPSTREAM_TIMEOUT, 504, "timeout_error"),
        (errors.CHANNELS_COOLING, 529, "overloaded_error"),
        (errors.OVERLOADED, 529, "overloaded_error"),
        (errors.UNSUPPORTED_PARAMETER, 400, "invalid_request_error"),
        (errors.UNSUPPORTED_MEDIA, 415, "invalid_request_error"),
    ],
)
def test_status_and_kind(row: errors.ErrorRow, status: int, kind: str) -> None:
    found, headers, body = rendered(ApiError(row, "Something."))
    assert (found, body["error"]["type"]) == (status, kind)
    assert ("retry-after" in headers) == (status in (429, 503, 529) and row.should_retry is not False)


def test_a_missing_field_is_told_as_the_dialect_does() -> None:
    err = ApiError(errors.MISSING_PARAMETER, "Missing required parameter: 'max_tokens'.", param="max_tokens")
    assert rendered(err)[2]["error"]["message"] == "max_tokens: Field required"


def test_a_place_is_told_once() -> None:
    err = ApiError(errors.INVALID_TYPE, "expected a string", param="messages.0.content")
    assert rendered(err)[2]["error"]["message"] == "messages.0.content: expected a string"


def test_a_context_that_is_too_long_has_the_words_on_which_agents_compact() -> None:
    found = rendered(ApiError(errors.CONTEXT_TOO_LONG, "9 tokens are more than 8."))
    assert found[0] == 400
    assert found[2]["error"]["message"] == "prompt is too long: 9 tokens are more than 8."
    kept = ApiError(errors.CONTEXT_TOO_LONG, "prompt is too long: 9 tokens > 8 maximum")
    assert rendered(kept)[2]["error"]["message"] == "prompt is too long: 9 tokens > 8 maximum"


def test_an_upstreams_refusal_stays_word_for_word() -> None:
    words = "thinking.enabled.budget_tokens: Extra inputs are not permitted"
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    err = to_api_error(read_upstream_error(400, {}, json.dumps(body).encode()))
    status, _, found = rendered(err)
    assert (status, found["error"]) == (400, {"type": "invalid_request_error", "message": words})


def test_a_request_id_gets_its_prefix_once() -> None:
    assert json.loads(render_error(ApiError(errors.INTERNAL, "x"), "req_1")[2])["request_id"] == "req_1"
