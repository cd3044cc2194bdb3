"""Without this an SDK of this dialect could not tell what went wrong or when to come back, a refused key of
the relay's could look like the client's fault, and secrets of an upstream's message could get out."""

import json
from typing import Any

import pytest

from switchgear.kernel import errors as rows
from switchgear.kernel.errors import ApiError
from switchgear.wire.faults.upstream_error import read_upstream_error, to_api_error
from switchgear.wire.gemini_generate.errors import render_error, render_stream_error

QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"


def rendered(error: ApiError) -> tuple[int, dict[str, str], dict[str, Any]]:
    status, headers, body = render_error(error, "q1")
    return status, dict(headers), json.loads(body)["error"]


@pytest.mark.parametrize(
    ("row", "status", "word"),
    [
        (rows.NO_KEY, 401, "UNAUTHENTICATED"),
        (rows.BAD_KEY, 400, "INVALID_ARGUMENT"),
        (rows.KEY_EXPIRED, 400, "INVALID_ARGUMENT"),
        (rows.KEY_DISABLED, 403, "PERMISSION_DENIED"),
        (rows.MODEL_NOT_ALLOWED, 403, "PERMISSION_DENIED"),
        (rows.MODEL_UNKNOWN, 404, "NOT_FOUND"),
        (rows.QUOTA, 429, "RESOURCE_EXHAUSTED"),
        (rows.BODY_TOO_LARGE, 413, "INVALID_ARGUMENT"),
        (rows.UPSTREAM_AUTH, 500, "INTERNAL"),
        (rows.UPSTREAM_CONNECTION, 503, "UNAVAILABLE"),
        (rows.UPSTREAM_TIMEOUT, 504, "DEADLINE_EXCEEDED"),
        (rows.NO_CHANNEL, 503, "UNAVAILABLE"),
    ],
)
def test_status_and_word(row: rows.ErrorRow, status: int, word: str) -> None:
    found_status, headers, error = rendered(ApiError(row, "Sorry."))
    assert (found_status, error["code"], error["status"]) == (status, status, word)
    assert error["message"] == "Sorry. (request id: q1)"
    assert headers["content-type"] == "application/json; charset=utf-8"


def test_a_limit_says_when_to_come_back_in_both_places() -> None:
    _, headers, error = rendered(ApiError(rows.RATE_TOKENS, "Too many.", retry_after_s=22))
    assert headers["retry-after"] == "22"
    details = {detail["@type"]: detail for detail in error["details"]}
    assert details[RETRY]["retryDelay"] == "22s"
    assert details[QUOTA]["violations"][0]["description"] == "Too many."


def test_a_quota_is_not_worth_a_retry() -> None:
    _, headers, error = rendered(ApiError(rows.QUOTA, "Empty."))
    assert headers["x-should-retry"] == "false"
    assert [detail["@type"] for detail in error["details"]] == [QUOTA]


def test_a_wrong_key_has_the_reason_that_clients_look_for() -> None:
    assert rendered(ApiError(rows.BAD_KEY, "No."))[2]["details"][0]["reason"] == "API_KEY_INVALID"


def test_a_wrong_field_is_named() -> None:
    error = rendered(ApiError(rows.INVALID_TYPE, "Bad.", param="contents[0].parts"))[2]
    assert error["details"][0]["fieldViolations"][0]["field"] == "contents[0].parts"


def test_an_upstreams_refusal_stays_word_for_word() -> None:
    assert rendered(ApiError(rows.UPSTREAM_REFUSED, "As it said."))[2]["message"] == "As it said."


def test_a_conversation_that_is_too_long_has_the_words_that_clients_look_for() -> None:
    own = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    assert rendered(ApiError(rows.CONTEXT_TOO_LONG, own))[2]["message"] == own
    status, _, error = rendered(ApiError(rows.CONTEXT_TOO_LONG, "9 tokens are more than 8."))
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
    shown = "The input exceeds the maximum number of tokens allowed: 9 tokens are more than 8."
    assert error["message"] == shown


def test_inside_a_stream_it_is_one_frame() -> None:
    frame = render_stream_error(ApiError(rows.UPSTREAM_CUT, "Two\nlines."), "q1")
    assert frame.startswith(b"data: {")
    assert frame.count(b"\n") == 2


def google(status: int, word: str, message: str = "No.", **detail: Any) -> bytes:
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if detail:
        error["details"] = [{"@type": "x", "other": 1}, detail]
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("status", "word", "detail", "kind"),
    [
        (400, "INVALID_ARGUMENT", {}, "client"),
        (400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}, "auth"),
        (400, "FAILED_PRECONDITION", {}, "model"),
        (401, "UNAUTHENTICATED", {}, "auth"),
        (403, "PERMISSION_DENIED", {"reason": "SERVICE_DISABLED"}, "auth"),
        (404, "NOT_FOUND", {}, "model"),
        (429, "RESOURCE_EXHAUSTED", {"retryDelay": "21.4s"}, "limited"),
        (500, "INTERNAL", {}, "transient"),
        (503, "UNAVAILABLE", {}, "transient"),
        (504, "DEADLINE_EXCEEDED", {}, "transient"),
    ],
)
def test_what_google_says_is_understood(
    wrapped: bool, status: int, word: str, detail: dict[str, Any], kind: str
) -> None:
    body = google(status, word, **detail)
    error = read_upstream_error(status, {}, b"[" + body + b"]" if wrapped else body)
    assert (error.kind, error.message) == (kind, "No.")
    assert error.code == detail.get("reason", word)
    assert error.retry_after_s == (22 if "retryDelay" in detail else None)
    # The same within an answer of status 200.
    assert read_upstream_error(200, {}, body).kind == kind


@pytest.mark.parametrize("delay", ["", "s", "-1s", "1e9s", "9" * 40 + "s", 5, None, "1m", "٣s"])
def test_an_odd_delay_is_none(delay: Any) -> None:
    assert (
        read_upstream_error(429, {}, google(429, "RESOURCE_EXHAUSTED", retryDelay=delay)).retry_after_s
        is None
    )


def test_a_relays_refused_key_is_never_the_clients_fault() -> None:
    message = "API key not valid: AIzaSyA1234567890abcdefghijk."
    error = to_api_error(
        read_upstream_error(400, {}, google(400, "INVALID_ARGUMENT", message, reason="API_KEY_INVALID"))
    )
    assert error.row.name == "upstream_auth"
    assert "AIza" not in error.message
