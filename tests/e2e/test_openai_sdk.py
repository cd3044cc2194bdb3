"""The official OpenAI SDK, current major and the one before, against a real server. Without it a reply that
the SDK refuses, or an error that it takes for another, would only be met by users."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import settings
from tests.e2e.harness import ROOT, Server
from tests.sim import replies

OTHER_MAJOR = ROOT / ".venv-sdk-previous" / "bin" / "python"
SCRIPT = Path(__file__).with_name("sdk_script.py")
MODELS = ["gpt-5.2", "text-embedding-3-small", "fault-500", "fault-reset-mid"]
QUESTION = {"messages": [{"role": "user", "content": "Say a few words."}], "max_tokens": 5}
INPUT_TOKENS = replies.prompt_tokens(QUESTION["messages"])  # type: ignore[arg-type]
SDK_TIMEOUT_S = 60

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """Base URL and the keys by what is the matter with them."""
    keys = {name: settings.fresh_key() for name in ("good", "narrow", "poor", "slow")}
    upstream = subprocess.Popen(
        [sys.executable, "-m", "tests.sim.upstream"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert upstream.stdout is not None
    try:
        base_url = json.loads(upstream.stdout.readline())["base_url"]
        parts = [
            settings.group(),
            settings.user(),
            settings.key(keys["good"], "good"),
            settings.key(keys["narrow"], "narrow", models=["text-embedding-3-small"]),
            settings.key(keys["poor"], "poor", quota_usd="0.000000001"),
            settings.key(keys["slow"], "slow", rpm=1),
            settings.channel(base_url, MODELS),
            *(settings.price(model) for model in MODELS),
        ]
        with Server("\n".join(parts), workers=2) as server:
            yield server.base_url, json.dumps(keys | {"wrong": settings.fresh_key()})
    finally:
        upstream.kill()
        upstream.wait()
        upstream.stdout.close()


@pytest.fixture(scope="module", params=["current", "one before"])
def found(request: pytest.FixtureRequest, served: tuple[str, str]) -> dict[str, Any]:
    """What the script found with one major version of the SDK."""
    python = Path(sys.executable) if request.param == "current" else OTHER_MAJOR
    if not python.exists():
        pytest.skip("the SDK's major version before this one is not installed: make .venv-sdk-previous/.done")
    done = subprocess.run(
        [str(python), str(SCRIPT), *served],
        capture_output=True,
        text=True,
        timeout=SDK_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    expected = "2." if request.param == "one before" else ("3.", "4.", "5.")
    assert result["version"].startswith(expected)
    return result


def test_json_reply(found: dict[str, Any]) -> None:
    assert found["chat"] == {
        "text": "word0 word1 word2 word3 word4",
        "finish": "stop",
        "usage": [INPUT_TOKENS, 5],
        "request_id": True,
        "fingerprint": "fp_sim",
    }


def test_stream_hides_the_usage_that_was_not_asked_for(found: dict[str, Any]) -> None:
    assert found["stream_plain"] == {
        "text": "word0 word1 word2 word3 word4",
        "usages": [],
        "finishes": ["stop"],
    }


def test_stream_shows_the_usage_that_was_asked_for(found: dict[str, Any]) -> None:
    assert found["stream_with_usage"] == {
        "text": "word0 word1 word2 word3 word4",
        "usages": [[INPUT_TOKENS, 5, 0]],
        "finishes": ["stop"],
    }


def test_tool_calls_pass_through(found: dict[str, Any]) -> None:
    assert found["tools"] == ["call_sim1", "weather", replies.TOOL_ARGUMENTS, "tool_calls"]
    assert found["tools_stream"] == ["weather", replies.TOOL_ARGUMENTS, "tool_calls"]


def test_embeddings_as_base64_and_as_floats(found: dict[str, Any]) -> None:
    tokens = replies.prompt_tokens([{"content": "one"}, {"content": "two"}])
    assert found["embeddings"] == {
        "count": 2,
        "size": replies.EMBEDDING_DIMENSIONS,
        "same": True,
        "tokens": tokens,
    }


def test_models_are_those_the_key_may_call(found: dict[str, Any]) -> None:
    assert set(MODELS) <= set(found["models"]["ids"])
    assert found["models"]["one"] == "gpt-5.2"


def test_completions(found: dict[str, Any]) -> None:
    assert found["completions"] == ["word0 word1 word2 word3", "word0 word1 word2 word3"]


@pytest.mark.parametrize(
    ("case", "kind", "status", "code"),
    [
        ("bad_key", "AuthenticationError", 401, "invalid_api_key"),
        ("model_unknown", "NotFoundError", 404, "model_not_found"),
        ("retrieve_unknown", "NotFoundError", 404, "model_not_found"),
        ("model_not_allowed", "PermissionDeniedError", 403, "model_not_allowed"),
        ("bad_request", "BadRequestError", 400, ...),
        ("quota", "RateLimitError", 429, "insufficient_quota"),
        ("rate", "RateLimitError", 429, "rate_limit_exceeded"),
        ("upstream_500", "InternalServerError", ..., "upstream_error"),
        ("cut_stream", "APIError", None, "upstream_cut"),
    ],
)
def test_each_error_is_of_the_sdk_class(
    found: dict[str, Any], case: str, kind: str, status: Any, code: Any
) -> None:
    raised = found["errors"][case]
    assert raised["class"] == kind, raised
    assert status in (..., raised["status"]), raised
    assert code in (..., raised["code"]), raised


def test_what_will_not_get_better_is_not_asked_again(found: dict[str, Any]) -> None:
    assert found["errors"]["quota_retried"]["requests"] == 1
    assert found["errors"]["upstream_500_retried"]["requests"] == 3
