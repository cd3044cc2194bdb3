"""The embedded model asked through every official SDK. Without it the four dialects would only be known to
work with a simulated upstream, and a conversion could charge tokens that no model reported."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e import oracle, sdk_rig, settings
from tests.e2e.harness import ROOT, Server

MODEL = "smollm2-135m-instruct"
SCRIPT = ROOT / "tests" / "e2e" / "sdks" / "capital.py"
CASES = ["chat", "responses", "messages", "gemini"]
SCRIPT_TIMEOUT_S = 100

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def answered() -> Iterator[tuple[Server, dict[str, Any]]]:
    """The server, and what the script found by case."""
    key = settings.fresh_key()
    parts = [settings.group(), settings.user(), settings.key(key)]
    parts.append(settings.table("channels", name="embedded", vendor="local", models=[MODEL]))
    with Server("\n".join(parts)) as server:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), server.origin, key, MODEL],
            env=sdk_rig.clean_environment(),
            capture_output=True,
            text=True,
            timeout=SCRIPT_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield server, json.loads(done.stdout)
        server.assert_audit_clean()


@pytest.mark.parametrize("form", ["", "_stream"])
@pytest.mark.parametrize("dialect", CASES)
def test_the_capital_of_france_is_told_and_charged_exactly(
    answered: tuple[Server, dict[str, Any]], dialect: str, form: str
) -> None:
    server, found = answered
    finding = found[dialect + form]
    assert "raised" not in finding, finding
    assert "Paris" in finding["text"]
    row = server.usage_with({finding["request_id"]})[finding["request_id"]]
    counts = row["usage"]
    told = [counts.get("input_uncached", 0) + counts.get("cache_read", 0), counts["output_text"]]
    assert told == finding["usage"]
    assert (row["end_state"], row["usage_source"]) == ("complete", "reported")
    # The shipped price of the embedded model: 0.01 and 0.02 dollars a million tokens.
    assert oracle.charged_nanos(row) == 10 * told[0] + 20 * told[1]
