"""Without this a client could be told an upstream's error in a form that its SDK raises as another one or
retries for nothing, or read in it what is the operator's alone; an agent could not compact a conversation
that got too long."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.dialects import DialectName
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.faults.upstream_error import (
    UpstreamError,
    read_upstream_error,
    to_api_error,
    upstream_error_of,
)

ID = "q1"
OWN = None
"""A text of ours, which ends with the request id or stands beside it."""

SAID = "Something is wrong with messages.0.content: really."
TOO_LONG_M = "prompt is too long: 210000 tokens > 200000 maximum"
TOO_LONG_MAX = "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input"
TOO_LONG_G = "The input token count (1300000) exceeds the maximum number of tokens allowed (1048576)."
TOO_LONG_O = "This model's maximum context length is 128000 tokens. However, you asked for 200000."


def openai(type: str, code: str | None, message: str = SAID, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def anthropic(type: str, message: str = SAID) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_1"}


def google(code: int, word: str, message: str = SAID, *details: dict[str, Any]) -> dict[str, Any]:
    error = {"code": code, "message": message, "status": word}
    return {"error": {**error, "details": list(details)} if details else error}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22.3s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}

# What an upstream says: (status, headers, body).
UPSTREAMS: dict[str, tuple[int, dict[str, str], Any]] = {
    "openai refuses": (400, {}, openai("invalid_request_error", "unsupported_value", param="temperature")),
    "anthropic refuses": (400, {}, anthropic("invalid_request_error")),
    "google refuses": (400, {}, google(400, "INVALID_ARGUMENT")),
    "google refuses in an array": (400, {}, [google(400, "INVALID_ARGUMENT")]),
    "fastapi refuses": (422, {}, {"detail": SAID}),
    "anthropic finds it too large": (413, {}, anthropic("request_too_large")),
    "openai finds it too long": (
        400,
        {},
        openai("invalid_request_error", "context_length_exceeded", TOO_LONG_O, "messages"),
    ),
    "vllm finds it too long": (
        400,
        {},
        {"object": "error", "message": TOO_LONG_O, "type": "BadRequestError", "param": None, "code": 400},
    ),
    "anthropic finds it too long": (400, {}, anthropic("invalid_request_error", TOO_LONG_M)),
    "anthropic finds the limit too high": (400, {}, anthropic("invalid_request_error", TOO_LONG_MAX)),
    "google finds it too long": (400, {}, google(400, "INVALID_ARGUMENT", TOO_LONG_G)),
    "openai's filter": (400, {}, openai("invalid_request_error", "content_policy_violation")),
    "dashscope's filter": (400, {}, {"code": "DataInspectionFailed", "message": SAID, "request_id": "x"}),
    "openai limits": (429, {"retry-after": "7"}, openai("requests", "rate_limit_exceeded")),
    "anthropic limits": (429, {"retry-after": "7"}, anthropic("rate_limit_error")),
    "google limits": (429, {}, google(429, "RESOURCE_EXHAUSTED", SAID, RETRY)),
    "google limits in an array": (429, {}, [google(429, "RESOURCE_EXHAUSTED", SAID, RETRY)]),
    "openai wants money": (429, {}, openai("insufficient_quota", "insufficient_quota")),
    "anthropic wants money": (402, {}, anthropic("billing_error")),
    "openai's key": (401, {}, openai("invalid_request_error", "invalid_api_key")),
    "anthropic's key": (401, {}, anthropic("authentication_error")),
    "google's key": (400, {}, google(400, "INVALID_ARGUMENT", SAID, BAD_KEY)),
    "google's permission": (403, {}, google(403, "PERMISSION_DENIED")),
    "openai has no such model": (404, {}, openai("invalid_request_error", "model_not_found")),
    "anthropic has no such model": (404, {}, anthropic("not_found_error")),
    "google has no such model": (404, {}, google(404, "NOT_FOUND")),
    "openai fails": (500, {}, openai("server_error", None)),
    "anthropic fails": (500, {}, anthropic("api_error")),
    "google fails": (500, {}, google(500, "INTERNAL")),
    "anthropic is overloaded": (529, {}, anthropic("overloaded_error")),
    "google is overloaded": (503, {}, google(503, "UNAVAILABLE")),
    "a proxy fails": (502, {}, "Bad gateway"),
    # Inside a stream, or in the body of an answer.
    "anthropic is overloaded at last": (200, {}, anthropic("overloaded_error")),
    "google is overloaded at last": (200, {}, google(503, "UNAVAILABLE")),
    "anthropic limits at last": (200, {}, anthropic("rate_limit_error")),
    "google limits at last": (200, {}, google(429, "RESOURCE_EXHAUSTED", SAID, RETRY)),
    "anthropic refuses at last": (200, {}, anthropic("invalid_request_error")),
    "google refuses at last": (200, {}, google(400, "INVALID_ARGUMENT")),
    "openai fails at last": (200, {}, openai("server_error", None)),
}

# What a client is told: its status and words by dialect, the message (OWN: ours), retry-after.
Told = tuple[tuple[int, str, str | None], tuple[int, str], tuple[int, str], str | None, str | None]
REFUSED: Told = (
    (400, "invalid_request_error", None),
    (400, "invalid_request_error"),
    (400, "INVALID_ARGUMENT"),
    SAID,
    None,
)
FILTERED: Told = (
    (400, "invalid_request_error", "content_policy_violation"),
    (400, "invalid_request_error"),
    (400, "INVALID_ARGUMENT"),
    SAID,
    None,
)
MONEY: Told = (
    (503, "server_error", "upstream_unavailable"),
    (529, "overloaded_error"),
    (503, "UNAVAILABLE"),
    OWN,
    "1",
)
KEY: Told = ((502, "server_error", "upstream_auth_error"), (500, "api_error"), (500, "INTERNAL"), OWN, None)
NO_MODEL: Told = (
    (404, "invalid_request_error", "model_not_found"),
    (404, "not_found_error"),
    (404, "NOT_FOUND"),
    OWN,
    None,
)
FAILED: Told = ((500, "server_error", "upstream_error"), (500, "api_error"), (500, "INTERNAL"), OWN, None)
BROKEN: Told = ((502, "server_error", "upstream_error"), (502, "api_error"), (502, "INTERNAL"), OWN, None)
OVERLOADED: Told = (
    (503, "server_error", "upstream_error"),
    (529, "overloaded_error"),
    (503, "UNAVAILABLE"),
    OWN,
    "1",
)


def limited(seconds: str) -> Told:
    return (
        (429, "requests", "rate_limit_exceeded"),
        (429, "rate_limit_error"),
        (429, "RESOURCE_EXHAUSTED"),
        OWN,
        seconds,
    )


def too_long(message: str) -> Told:
    return (
        (400, "invalid_request_error", "context_length_exceeded"),
        (400, "invalid_request_error"),
        (400, "INVALID_ARGUMENT"),
        message,
        None,
    )


TOLD: dict[str, Told] = {
    "openai refuses": ((400, "invalid_request_error", "unsupported_value"), *REFUSED[1:]),
    "anthropic refuses": REFUSED,
    "google refuses": REFUSED,
    "google refuses in an array": REFUSED,
    "fastapi refuses": (
        (422, "invalid_request_error", None),
        (422, "invalid_request_error"),
        (422, "INVALID_ARGUMENT"),
        SAID,
        None,
    ),
    "anthropic finds it too large": (
        (413, "invalid_request_error", "request_too_large"),
        (413, "request_too_large"),
        (413, "INVALID_ARGUMENT"),
        SAID,
        None,
    ),
    "openai finds it too long": too_long(TOO_LONG_O),
    "vllm finds it too long": too_long(TOO_LONG_O),
    "anthropic finds it too long": too_long(TOO_LONG_M),
    "anthropic finds the limit too high": too_long(TOO_LONG_MAX),
    "google finds it too long": too_long(TOO_LONG_G),
    "openai's filter": FILTERED,
    "dashscope's filter": FILTERED,
    "openai limits": limited("7"),
    "anthropic limits": limited("7"),
    "google limits": limited("23"),
    "google limits in an array": limited("23"),
    "openai wants money": MONEY,
    "anthropic wants money": MONEY,
    "openai's key": KEY,
    "anthropic's key": KEY,
    "google's key": KEY,
    "google's permission": KEY,
    "openai has no such model": NO_MODEL,
    "anthropic has no such model": NO_MODEL,
    "google has no such model": NO_MODEL,
    "openai fails": FAILED,
    "anthropic fails": FAILED,
    "google fails": FAILED,
    "anthropic is overloaded": OVERLOADED,
    "google is overloaded": OVERLOADED,
    "a proxy fails": BROKEN,
    "anthropic is overloaded at last": OVERLOADED,
    "google is overloaded at last": OVERLOADED,
    "anthropic limits at last": limited("5"),
    "google limits at last": limited("23"),
    "anthropic refuses at last": REFUSED,
    "google refuses at last": REFUSED,
    "openai fails at last": BROKEN,
}
PLACE: dict[DialectName, int] = {
    "openai_chat": 0,
    "openai_responses": 0,
    "anthropic_messages": 1,
    "gemini_generate": 2,
}
KNOWN_WORDS: dict[DialectName, str] = {
    "anthropic_messages": "prompt is too long",
    "gemini_generate": "exceeds the maximum number of tokens",
}


def error_of(name: str) -> UpstreamError:
    status, headers, body = UPSTREAMS[name]
    return read_upstream_error(status, headers, json.dumps(body).encode())


def words_in(dialect: DialectName, body: bytes) -> tuple[tuple[Any, ...], str]:
    """(type and code, or the word of the dialect; message). AssertionError for another form."""
    found = json.loads(body)
    error = found["error"]
    if dialect == "anthropic_messages":
        assert found.keys() == {"type", "error", "request_id"}
        assert found["type"] == "error"
        return (error["type"],), error["message"]
    if dialect == "gemini_generate":
        return (error["status"],), error["message"]
    assert error.keys() == {"message", "type", "param", "code"}
    return (error["type"], error["code"]), error["message"]


@pytest.mark.parametrize("client", PLACE)
@pytest.mark.parametrize("name", UPSTREAMS)
def test_what_each_client_is_told_of_each_upstream(name: str, client: DialectName) -> None:
    expected = TOLD[name]
    status, *words = expected[PLACE[client]]
    message, retry_after = expected[3], expected[4]
    found_status, headers, body = DIALECT_OF[client].render_error(to_api_error(error_of(name)), ID)
    found_words, found_message = words_in(client, body)
    assert (found_status, found_words) == (status, tuple(words))
    assert dict(headers).get("retry-after") == retry_after
    if message is OWN:
        assert SAID not in found_message
    elif words[-1] == "context_length_exceeded" or "too long" in name or "limit too high" in name:
        assert found_message.endswith(message)
        assert KNOWN_WORDS.get(client, "") in found_message or message == TOO_LONG_MAX
    else:
        assert found_message == message
    if client == "gemini_generate":
        error = json.loads(body)["error"]
        assert error["code"] == status
        delays = [detail["retryDelay"] for detail in error.get("details", []) if "retryDelay" in detail]
        assert delays == ([f"{retry_after}s"] if retry_after else [])


@pytest.mark.parametrize("client", PLACE)
@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_stream_ends_in_one_frame_of_its_dialect(name: str, client: DialectName) -> None:
    frame = DIALECT_OF[client].render_stream_error(to_api_error(error_of(name)), ID)
    assert frame.endswith(b"\n\n")
    assert b"[DONE]" not in frame
    lines = frame.decode().strip().split("\n")
    named = [line for line in lines if line.startswith("event: ")]
    (data,) = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    if client == "anthropic_messages":
        assert named == ["event: error"]
        assert data["error"]["type"] == TOLD[name][1][1]
    elif client == "openai_responses":
        assert named == ["event: response.failed"]
        assert data["response"]["status"] == "failed"
    else:
        assert named == []
        assert data["error"]["message"]


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("openai refuses", "openai_chat"),
        ("openai finds it too long", "openai_chat"),
        ("openai finds it too long", "openai_responses"),
        ("anthropic refuses", "anthropic_messages"),
        ("anthropic finds it too long", "anthropic_messages"),
        ("anthropic finds the limit too high", "anthropic_messages"),
        ("google refuses", "gemini_generate"),
        ("google finds it too long", "gemini_generate"),
    ],
)
def test_a_refusal_in_the_clients_own_dialect_stays_word_for_word(name: str, client: DialectName) -> None:
    body = DIALECT_OF[client].render_error(to_api_error(error_of(name)), ID)[2]
    assert json.loads(body)["error"]["message"] == UPSTREAMS[name][2]["error"]["message"]


@pytest.mark.parametrize(
    "message",
    [
        "Invalid request: Your request exceeded model token limit: 8192",
        "Range of input length should be [1, 129024]",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "the request exceeds the available context size. try increasing it",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ],
)
def test_vendors_have_each_their_own_words_for_too_long(message: str) -> None:
    error = upstream_error_of(400, openai("invalid_request_error", "invalid_parameter_error", message))
    assert to_api_error(error).row.name == "context_too_long"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, openai("requests", "rate_limit_exceeded", TOO_LONG_M)),
        (500, openai("server_error", None, TOO_LONG_O)),
        (401, openai("invalid_request_error", "invalid_api_key", TOO_LONG_O)),
    ],
)
def test_words_alone_make_no_fault_of_the_client(status: int, body: dict[str, Any]) -> None:
    assert to_api_error(upstream_error_of(status, body)).row.name != "context_too_long"


SECRETS = (
    "sk-ant-api03-abcdef0123456789",
    "AIzaSyA1234567890abcdefghijk",
    "Bearer eyJhbGciOiJIUzI1NiJ9.x",
    "org-AbCdEf0123456789xyz",
    "10.0.3.7",
    "vllm.internal:8000",
    "user:pass@",
)
SECRET_TEXT = (
    "key sk-ant-api03-abcdef0123456789, AIzaSyA1234567890abcdefghijk, Bearer eyJhbGciOiJIUzI1NiJ9.x of "
    "org-AbCdEf0123456789xyz at 10.0.3.7 and https://user:pass@vllm.internal:8000/v1"
)


@pytest.mark.parametrize("client", PLACE)
@pytest.mark.parametrize("name", UPSTREAMS)
def test_no_client_sees_secrets_or_addresses(name: str, client: DialectName) -> None:
    status, headers, body = UPSTREAMS[name]
    told = json.dumps(body)
    for message in (SAID, TOO_LONG_O, TOO_LONG_M, TOO_LONG_G, TOO_LONG_MAX):
        told = told.replace(json.dumps(message)[1:-1], f"{json.dumps(message)[1:-1]} {SECRET_TEXT}")
    shown = to_api_error(read_upstream_error(status, headers, told.encode()))
    rendered = DIALECT_OF[client].render_error(shown, ID)[2] + DIALECT_OF[client].render_stream_error(
        shown, ID
    )
    assert not [secret for secret in SECRETS if secret.encode() in rendered]


SHAPES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["22s", "INVALID_ARGUMENT", "1e9s"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "status", "details", "code", "message", "type", "retryDelay", "reason"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(st.sampled_from([200, 400, 403, 404, 413, 429, 500, 503, 529]), SHAPES)
def test_any_shape_is_told_in_every_dialect(status: int, found: Any) -> None:
    shown = to_api_error(upstream_error_of(status, found))
    for name, dialect in DIALECT_OF.items():
        told, headers, body = dialect.render_error(shown, ID)
        assert 400 <= told <= 599
        assert words_in(name, body)[1]
        assert all("\n" not in value for _, value in headers)
