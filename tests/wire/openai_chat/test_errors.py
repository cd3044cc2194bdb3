"""Without this a client could be told our secrets or a wrong status, and a dead channel asked for ever."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel import errors
from switchgear.kernel.errors import TABLE, ApiError
from switchgear.kernel.limits import COOL_MAX_S, ERROR_MESSAGE_CHARS_MAX
from switchgear.wire.faults.scrub import scrub
from switchgear.wire.faults.upstream_error import UpstreamError, has_error, read_upstream_error, to_api_error
from switchgear.wire.openai_chat.errors import render_error, render_stream_error

GOLDEN = Path(__file__).parent / "golden" / "errors"
ID = "req_1"


def openai_error(message: str = "m", **parts: Any) -> bytes:
    return json.dumps(
        {"error": {"message": message, "type": "x", "param": None, "code": None, **parts}}
    ).encode()


def read(status: int, body: bytes = b"", **headers: str) -> UpstreamError:
    return read_upstream_error(status, {key.replace("_", "-"): value for key, value in headers.items()}, body)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    """An upstream's answer, its kind, and what the client gets for it. Written anew under RECORD_GOLDEN=1."""
    case = json.loads(path.read_text())
    err = read_upstream_error(case["status"], case.get("headers", {}), case["body"].encode(), 1_700_000_000)
    status, headers, body = render_error(to_api_error(err), ID)
    found = {"kind": err.kind, "client": {"status": status, "headers": dict(headers), "body": body.decode()}}
    if os.environ.get("RECORD_GOLDEN"):
        case.update(found)
        path.write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")
    assert found == {"kind": case["kind"], "client": case["client"]}


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_of_the_table_in_openai_form(row: errors.ErrorRow) -> None:
    status, headers, body = render_error(ApiError(row, "Something.", param="p", retry_after_s=3), ID)
    found = json.loads(body)
    assert status == row.status
    assert list(found) == ["error"]
    assert list(found["error"]) == ["message", "type", "param", "code"]
    assert (found["error"]["type"], found["error"]["code"], found["error"]["param"]) == (
        row.type,
        row.code,
        "p",
    )
    own = row not in (errors.UPSTREAM_REFUSED, errors.CONTEXT_TOO_LONG)
    assert found["error"]["message"] == ("Something. (request id: req_1)" if own else "Something.")
    assert headers[0] == ("content-type", "application/json; charset=utf-8")
    assert ("retry-after", "3") in headers
    assert (("x-should-retry", "false") in headers) == (row.should_retry is False)


def test_headers_of_the_refusal_are_passed_on_and_retry_after_is_at_least_one() -> None:
    error = ApiError(errors.RATE_REQUESTS, "Slow down.", retry_after_s=0, headers=(("x-ratelimit-x", "1"),))
    _, headers, _ = render_error(error, ID)
    assert ("retry-after", "1") in headers
    assert ("x-ratelimit-x", "1") in headers
    assert "retry-after" not in dict(render_error(ApiError(errors.INTERNAL, "No."), ID)[1])


def test_a_stream_error_is_one_frame_without_an_end_marker() -> None:
    frame = render_stream_error(ApiError(errors.UPSTREAM_CUT, "Line\nbreak."), ID)
    assert frame.startswith(b"data: {")
    assert frame.count(b"\n") == 2
    assert frame.endswith(b"}\n\n")
    assert json.loads(frame[6:])["error"]["code"] == "upstream_cut"
    assert b"[DONE]" not in frame


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai_error(param="temperature", code="unsupported_value"), "client"),
        (400, b"", "client"),
        (413, b"<html>too large</html>", "client"),
        (422, b'{"detail":"bad"}', "client"),
        (400, openai_error(param="model"), "model"),
        (400, openai_error(code="model_not_found"), "model"),
        (403, openai_error(code="model_not_found"), "model"),
        (404, openai_error(code="model_not_found"), "model"),
        (404, b"<html>", "model"),
        (405, b"", "model"),
        (403, openai_error(code="unsupported_country_region_territory"), "model"),
        (401, b"", "auth"),
        (403, b"", "auth"),
        (400, openai_error(code="invalid_api_key"), "auth"),
        (402, b"", "funds"),
        (429, openai_error(code="insufficient_quota"), "funds"),
        (429, openai_error(type="insufficient_quota"), "funds"),
        (400, b'{"code":"Arrearage","message":"m","request_id":"r"}', "funds"),
        (429, openai_error(code="1113"), "funds"),
        (429, b"", "limited"),
        (400, b'{"code":"Throttling.RateQuota","message":"m"}', "limited"),
        (429, openai_error(code=1302), "limited"),
        (500, b"", "transient"),
        (502, b"<html>bad gateway</html>", "transient"),
        (503, b"", "transient"),
        (529, openai_error(type="overloaded_error"), "transient"),
        (408, b"", "transient"),
        (500, openai_error(type="invalid_request_error"), "transient"),
        (302, b"", "transient"),
        (400, openai_error(code="data_inspection_failed"), "content"),
        (400, openai_error(code="1301"), "content"),
        (403, openai_error(code="content_filter"), "content"),
        (200, b'{"base_resp":{"status_code":1027,"status_msg":"m"}}', "content"),
        (200, b'{"base_resp":{"status_code":1004,"status_msg":"m"}}', "auth"),
        (200, b'{"base_resp":{"status_code":1008,"status_msg":"m"}}', "funds"),
        (200, b'{"base_resp":{"status_code":2013,"status_msg":"m"}}', "client"),
        (200, b'{"Response":{"Error":{"Code":"InvalidParameter","Message":"m"}}}', "client"),
        (200, openai_error(code=503), "transient"),
        (200, openai_error(code=401), "auth"),
        (200, openai_error(type="authentication_error"), "auth"),
        (200, openai_error(type="invalid_request_error"), "client"),
        (200, openai_error(type="server_error"), "transient"),
        (200, b'"Unauthorized"', "transient"),
        (400, b'[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]', "client"),
        (400, b'{"error":"model is bad: insufficient_quota, rate limit, unauthorized"}', "client"),
    ],
)
def test_kinds(status: int, body: bytes, kind: str) -> None:
    assert read(status, body).kind == kind


@pytest.mark.parametrize(
    ("status", "body", "row", "shown"),
    [
        (401, b"", "upstream_auth", 502),
        (403, b"", "upstream_auth", 502),
        (402, b"", "upstream_funds", 503),
        (429, b"", "upstream_limited", 429),
        (500, b"", "upstream_error", 500),
        (502, b"", "upstream_error", 502),
        (503, b"", "upstream_error", 503),
        (504, b"", "upstream_error", 502),
        (529, b"", "upstream_error", 503),
        (404, b"", "model_unknown", 404),
        (400, b"", "upstream_refused", 400),
        (422, b"", "upstream_refused", 422),
        (200, openai_error(type="invalid_request_error"), "upstream_refused", 400),
        (403, openai_error(code="sensitive"), "upstream_refused", 400),
    ],
)
def test_what_the_client_is_told(status: int, body: bytes, row: str, shown: int) -> None:
    error = to_api_error(read(status, body))
    assert (error.row.name, error.row.status) == (row, shown)


def test_a_refusal_is_passed_on_word_for_word() -> None:
    text = "Unsupported value: 'temperature' does not support 0.2. See messages.0.content:12, 10:30."
    error = to_api_error(
        read(400, openai_error(text, type="t", code="unsupported_value", param="temperature"))
    )
    _, _, body = render_error(error, ID)
    assert json.loads(body)["error"] == {
        "message": text,
        "type": "t",
        "param": "temperature",
        "code": "unsupported_value",
    }


def test_nothing_of_the_operators_account_is_shown() -> None:
    for status in (401, 402, 403, 429, 500, 503):
        error = to_api_error(
            read(status, openai_error("org-secret owes $5 at vllm.internal:8000, key sk-abcdef123"))
        )
        shown = render_error(error, ID)[2]
        assert b"org-secret" not in shown
        assert b"sk-" not in shown
        assert b"vllm" not in shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Incorrect API key provided: sk-proj-AbC_d123.", "Incorrect API key provided: sk-***"),
        ("header Authorization: Bearer eyJhbGciOi.J9-x_y=", "header Authorization: Bearer ***"),
        ("key AIzaSyA1234567890abcdefghijk is bad", "key *** is bad"),
        ("POST https://user:pass@example.com/v1 failed", "POST https://***@example.com/v1 failed"),
        ("POST http://vllm:8000/v1 failed", "POST http://***/v1 failed"),
        ("POST http://u:p@vllm:8000/v1 failed", "POST http://***@***/v1 failed"),
        ("connect to 10.0.3.7:8080 refused", "connect to *** refused"),
        ("connect to 192.168.1.20 refused", "connect to *** refused"),
        ("connect to [::1]:8000", "connect to ***"),
        ("connect to localhost:8000", "connect to ***"),
        ("node a.b.svc.cluster.local:443 down", "node *** down"),
        ("see https://platform.example.com/docs#x", "see https://platform.example.com/docs#x"),
        ("max_tokens:4096 at messages.0.content, ratio 1:20, 10.5 and 1.2.3", None),
        ("your organization org-AbCdEf0123456789xyz owes", "your organization org-*** owes"),
        ("task-12345 risk-free sketch, org-chart, proj_a", None),
    ],
)
def test_secrets_are_cut_and_nothing_else(message: str, shown: str | None) -> None:
    assert scrub(message) == (message if shown is None else shown)


@given(st.text(alphabet=st.sampled_from(list("ab1.:/@-[]skBearer ")), max_size=60))
@settings(max_examples=200)
def test_scrubbing_twice_changes_nothing_more(message: str) -> None:
    assert scrub(scrub(message)) == scrub(message)


@pytest.mark.parametrize("unit", ["a.", "a:", "http://", "@a", "sk-", "1.", "bearer ", "["])
def test_hostile_messages_are_bounded(unit: str) -> None:
    message = to_api_error(read(400, openai_error(unit * 30_000))).message
    assert len(message) <= ERROR_MESSAGE_CHARS_MAX


def test_retry_after_is_read_and_bounded() -> None:
    assert read(429, b"", retry_after="7").retry_after_s == 7
    assert read(429, b"", retry_after="999999").retry_after_s == int(COOL_MAX_S)
    assert to_api_error(read(429, b"", retry_after="7")).retry_after_s == 7


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"choices": [{}]}, False),
        ({"choices": [{}], "error": None}, False),
        ({"choices": [{}], "error": {}}, False),
        ({}, False),
        ({"choices": []}, False),
        ({"data": [{}], "code": 1, "message": "ok"}, False),
        ({"error": {"message": "m"}}, True),
        ({"error": "m"}, True),
        ("m", True),
        ([], True),
        (None, True),
        ({"object": "error", "message": "m"}, True),
        ({"code": "x", "message": "m"}, True),
        ({"base_resp": {"status_code": 0}}, False),
        ({"choices": [{}], "base_resp": {"status_code": 1}}, True),
    ],
)
def test_errors_in_answers(found: Any, expected: bool) -> None:
    assert has_error(found) == expected


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "param", "base_resp", "Response", "Error", "status_code"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(st.integers(0, 999), JSONS.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=30))
@settings(max_examples=120, deadline=None)
def test_any_answer_becomes_an_error_that_can_be_shown(status: int, body: bytes) -> None:
    shown, headers, rendered = render_error(to_api_error(read(status, body)), ID)
    assert 400 <= shown <= 599
    assert shown not in (401, 402, 403)
    assert json.loads(rendered)["error"]["message"]
    assert all("\n" not in value for _, value in headers)


@pytest.mark.parametrize(
    ("status", "said", "code", "retry_after"),
    [
        (429, {"retry_after": "7"}, "rate_limit_exceeded", "7"),
        (429, {}, "rate_limit_exceeded", "5"),
        (503, {}, None, "1"),
        (503, {"retry_after": "30"}, None, "30"),
        (402, {}, "insufficient_quota", "1"),
        (500, {}, None, None),
    ],
)
def test_what_may_be_asked_again_says_when(
    status: int, said: dict[str, str], code: str | None, retry_after: str | None
) -> None:
    error = to_api_error(read(status, openai_error(code=code), **said))
    _, headers, _ = render_error(error, ID)
    assert dict(headers).get("retry-after") == retry_after


def test_what_is_no_use_to_ask_again_names_no_time() -> None:
    _, headers, _ = render_error(ApiError(errors.QUOTA, "No money."), ID)
    assert "retry-after" not in dict(headers)


def test_a_403_for_a_region_is_about_our_account_and_not_about_the_model() -> None:
    found = read(403, openai_error(code="unsupported_country_region_territory"))
    assert found.kind == "model"
    assert to_api_error(found).row.name == "upstream_auth"


@pytest.mark.parametrize("code", ["relay_loop", None])
def test_a_channel_that_leads_back_is_a_loop_and_no_fault_of_an_upstream(code: str | None) -> None:
    err = read(508, openai_error(code=code))
    assert err.kind == "loop"
    assert to_api_error(err).row.name == "loop"
