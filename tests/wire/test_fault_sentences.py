"""What vendors say in words alone. Without it an empty or closed account would be shown to clients as a fault
of theirs, in the vendor's words, and the channel would be asked for ever; or a client could take it out by
what it writes into a request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.faults.sentences import kind_of_sentence, plain_words
from switchgear.wire.faults.upstream_error import read_upstream_error, to_api_error, upstream_error_of

FUNDS = {
    "anthropic": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    "anthropic limit": "You have reached your specified API usage limits. You will regain access",
    "openai": "You exceeded your current quota, please check your plan and billing details.",
    "openai hard limit": "Billing hard limit has been reached",
    "deepseek": "Insufficient Balance",
    "minimax": "insufficient balance (1008)",
    "siliconflow": "Sorry, your account balance is insufficient",
    "moonshot": "Your account org-abc<ak-xyz> is suspended due to insufficient balance, please recharge",
    "openrouter": "Insufficient credits. Add more using https://openrouter.ai/credits",
    "openrouter key": "Key limit exceeded (total limit).",
    "xai": "Your team 0000-11 has either used all available credits or reached its monthly spending limit.",
    "xai new": "Your newly created team doesn't have any credits or licenses yet.",
    "google": "Your prepayment credits are depleted. Please go to AI Studio.",
    "fireworks": "Account acme is suspended, possibly due to reaching the monthly spending limit",
    "dashscope": "Access denied, please make sure your account is in good standing.",
    "ark": "Your account 21000 has reached the set inference limit for the m model, and it has been paused",
    "mistral": "Inactive subscription or usage limit reached",
    "new-api": "用户额度不足, 剩余额度: $0.00",
    "new-api token": "该令牌额度已用尽",
    "zhipu": "余额不足或无可用资源包,请充值。",
    "litellm": 'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":"x",'
    '"message":"Your credit balance is too low to access the Anthropic API."}}',
    "sdk": "Error code: 400 - Your credit balance is too low to access the Anthropic API.",
}
AUTH = {
    "google": "API key expired. Please renew the API key.",
    "google leaked": "Your API key was reported as leaked. Please use another API key.",
    "google project": "Your project has been denied access. Please contact support.",
    "xai": "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.",
    "anthropic": "This organization has been disabled.",
    "anthropic token": "This credential is only authorized for use with Claude Code and cannot be",
    "groq": "Organization has been restricted. Please reach out to support if you believe this was in error.",
    "openai": "The OpenAI account associated with this API key has been deactivated.",
    "minimax": "login fail: Please carry the API secret key in the 'Authorization' field (1004)",
    "deepseek": "Authentication Fails (no such user)",
    "aws": "The security token included in the request is expired",
    "azure": "Access denied due to invalid subscription key or wrong API endpoint.",
    "consumer": "Permission denied: Consumer 'api_key:x' has been suspended.",
    "new-api": "该令牌已过期",
}
MODEL = {
    "google": "User location is not supported for the API use.",
    "openai": "Country, region, or territory not supported",
    "openai verify": "Your organization must be verified to stream this model. Please go to: https://x",
    "openai project": "Project `proj_abc` does not have access to model `gpt-x`",
    "bedrock": "Access to Anthropic models is not allowed from unsupported countries, regions",
    "bedrock access": "You don't have access to the model with the specified model ID.",
    "bedrock demand": "Invocation of model ID anthropic.claude with on-demand throughput isn’t supported.",
    "groq": "The model `llama` has been decommissioned and is no longer supported.",
    "dashscope": "The free tier of the model has been exhausted. If you wish to continue access",
    "ollama": 'model "llama9" not found, try pulling it first',
    "vllm": "The model `x` does not exist.",
    "google model": "models/x is not found for API version v1beta, or is not supported for generateContent.",
    "anthropic model": "model: claude-9",
    "azure": "The chatCompletion operation does not work with the specified model, x.",
    "zhipu": "模型不存在，请检查模型代码。",
}
CASES = [
    (kind, said)
    for kind, table in (("funds", FUNDS), ("auth", AUTH), ("model", MODEL))
    for said in table.values()
]


def shapes(message: str) -> list[Any]:
    """An error as vendors put it, without a code."""
    return [
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}},
        {"type": "error", "error": {"type": "invalid_request_error", "message": message}},
        {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}},
        {"error": message},
        {"object": "error", "message": message, "type": "BadRequestError", "code": 400},
        {"detail": message},
    ]


@pytest.mark.parametrize(("kind", "message"), CASES)
@pytest.mark.parametrize("status", [400, 403, 500, 200])
def test_a_sentence_tells_the_kind_in_every_shape_and_status(kind: str, message: str, status: int) -> None:
    for shape in shapes(message):
        error = upstream_error_of(status, shape)
        assert error.kind == kind, shape
        assert not error.of_request


@pytest.mark.parametrize(("kind", "message"), CASES)
@pytest.mark.parametrize("client", DIALECT_OF)
def test_no_client_reads_of_the_operators_account(kind: str, message: str, client: str) -> None:
    shown = to_api_error(upstream_error_of(400, shapes(message)[0]))
    dialect = DIALECT_OF[client]  # type: ignore[index]  # names of dialects
    rendered = dialect.render_error(shown, "r")[2] + dialect.render_stream_error(shown, "r")
    assert message[:20] not in rendered.decode()
    for word in ("credit", "balance", "billing", "quota", "suspended", "expired", "organization", "region"):
        assert word not in rendered.decode().lower()


@pytest.mark.parametrize(("kind", "message"), CASES)
@pytest.mark.parametrize(
    "quoted",
    [
        "Invalid value: '{}'.",
        "'{}' is not one of ['system', 'user'] - 'messages.0.role'",
        '"{}" is not a valid tool name',
        "messages.0.role: {}",
        "Invalid 'tools[0].name': {}",
        "{{'role': '{}'}} is not valid under any of the given schemas",
    ],
)
def test_a_clients_words_in_a_message_take_nothing_out(kind: str, message: str, quoted: str) -> None:
    error = upstream_error_of(400, shapes(quoted.format(message))[0])
    assert error.kind == "client"


@pytest.mark.parametrize(
    "message",
    [
        "Invalid token in grammar",
        "Token not found in the vocabulary",
        "The token 151643 is invalid for logit_bias",
        "User prompt has been blocked by the content filter",
        "Your request was rejected as a result of our safety system.",
        "Unknown parameter: 'credits'.",
        "Your messages are not valid.",
        "messages: text content blocks must be non-empty",
        "max_tokens: 99999 > 8192, which is the maximum allowed number of output tokens",
        "This model does not support image input.",
    ],
)
def test_ordinary_refusals_stay_refusals(message: str) -> None:
    error = upstream_error_of(400, shapes(message)[0])
    assert error.kind == "client"
    assert to_api_error(error).message == message


def test_googles_rate_limit_is_none_of_money() -> None:
    body = {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "status": "RESOURCE_EXHAUSTED",
        }
    }
    assert upstream_error_of(429, body).kind == "limited"
    assert upstream_error_of(200, body).kind == "limited"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            402,
            {"error": {"message": "This request requires more credits, or fewer max_tokens."}},
        ),
        (404, {"error": {"message": "File file-abc was not found.", "type": "invalid_request_error"}}),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "File not found: file_1"}}),
        (413, {"error": {"message": "Request too large for model", "code": "rate_limit_exceeded"}}),
    ],
)
def test_what_one_request_brought_about_is_not_held_against_the_channel(status: int, body: Any) -> None:
    assert upstream_error_of(status, body).of_request


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>nginx</html>"),
        (404, b'{"detail":"Not Found"}'),
        (404, b"404 page not found"),
        (405, b""),
    ],
)
def test_a_base_url_that_leads_nowhere_is_held_against_the_channel(status: int, body: bytes) -> None:
    error = read_upstream_error(status, {}, body)
    assert (error.kind, error.of_request) == ("model", False)


def test_a_page_of_a_firewall_does_not_end_a_credential() -> None:
    assert read_upstream_error(403, {}, b"\n<!doctype html><html>blocked").kind == "transient"
    assert read_upstream_error(403, {}, b"").kind == "auth"


def test_a_filters_refusal_with_the_status_of_a_credential_is_the_requests() -> None:
    for message in (
        "Content violates usage guidelines. Team: x, API key ID: y",
        'openai/gpt-4 requires moderation on OpenAI. Your input was flagged for "violence".',
    ):
        assert upstream_error_of(403, {"code": "c", "error": message}).kind == "content"


@pytest.mark.parametrize(
    "message",
    [
        "the input length exceeds the context length",
        "Trying to keep the first 5215 tokens when context the overflows. However, the model is loaded with "
        "context length of only 4096 tokens, which is not enough.",
        "The number of tokens to keep from the initial prompt is greater than the context length.",
        "Input is too long for requested model.",
        "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
        "invalid params, context window exceeds limit (2013)",
        "the request exceeds the available context size, try increasing it",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "Input length (5000) exceeds model's maximum context length (4096).",
        "Requested token count exceeds the model's maximum context length of 4096 tokens.",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        "Input tokens exceed the configured limit of 272000 tokens.",
        "prompt token count of 140000 exceeds the limit of 128000",
        "Please reduce the length of the messages or completion.",
        "Prompt exceeds max length",
        "Total tokens of image and text exceed max message tokens",
    ],
)
def test_a_context_overflow_is_said_in_the_form_that_agents_know(message: str) -> None:
    for shape in shapes(message):
        shown = to_api_error(upstream_error_of(400, shape))
        assert shown.row.name == "context_too_long", shape
        for name, words in (
            ("openai_chat", '"code":"context_length_exceeded"'),
            ("openai_responses", '"code":"context_length_exceeded"'),
            ("anthropic_messages", "prompt is too long"),
            ("gemini_generate", "exceeds the maximum number of tokens"),
        ):
            body = DIALECT_OF[name].render_error(shown, "r")[2].decode()  # type: ignore[index]
            assert words in body


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}),
        (500, {"error": "the input length exceeds the context length"}),
        (200, {"error": "Trying to keep the first 9 tokens when context the overflows. However, …"}),
        (200, {"error": {"message": "Context size has been exceeded."}}),
    ],
)
def test_servers_that_call_an_overflow_their_failure_are_understood(status: int, body: Any) -> None:
    assert to_api_error(upstream_error_of(status, body)).row.name == "context_too_long"


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        (
            {
                "detail": [
                    {"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required"}
                ]
            },
            "messages.0.content: Field required",
            "messages.0.content",
        ),
        (
            {"detail": [{"loc": ["body", "a"], "msg": "bad"}, {"loc": ["body", "b"], "msg": "worse"}]},
            "a: bad; b: worse",
            "a",
        ),
        (
            {
                "object": "error",
                "message": {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs"}]},
                "code": None,
            },
            "x: Extra inputs",
            "x",
        ),
        ({"detail": {"message": "no"}}, "no", None),
        ({"errors": [{"code": 5007, "message": "no"}], "success": False}, "no", None),
        ({"detail": ["no"]}, "no", None),
        ({"error": {"message": [{"msg": "no"}]}}, "no", None),
    ],
)
def test_validation_errors_keep_their_text(body: Any, message: str, param: str | None) -> None:
    shown = to_api_error(upstream_error_of(422, body))
    assert (shown.message, shown.param, shown.row.status) == (message, param, 422)


@given(st.text(max_size=600))
def test_any_words_are_read(message: str) -> None:
    kind_of_sentence("client", message)
    plain_words("Error: " + json.dumps({"error": {"message": message}}))


def test_hostile_words_cost_linear_time() -> None:
    for start in ("your account ", "a" * 60, "the model ", "Error: " * 100, "{" * 500, "your team " * 50):
        assert kind_of_sentence("client", start + "x " * 100_000) == "client"
