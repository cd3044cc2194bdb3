"""The official JavaScript SDKs and the Vercel AI SDK against a server whose models answer in each of four
dialects. Without it a reply that only they read differently would be met by users."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.install import FOLDER
from tests.e2e import sdk_expected, sdk_rig
from tests.e2e.sdk_rig import UPSTREAMS, Rig, Script

SDK = FOLDER / "sdk"
VERCEL = ("openai", "openai-chat", "compatible", "anthropic", "google")
"""Providers of the AI SDK."""
SCRIPTS = {
    script.name: script
    for script in (
        *(Script(f"js-{dialect}", dialect, ["node", str(SDK / f"{dialect}.mjs")]) for dialect in UPSTREAMS),
        *(Script(f"ai-{name}", "vercel", ["node", str(SDK / "vercel.mjs")], [name]) for name in VERCEL),
    )
}
COMMON = ["text", "stream", "history", "tools", "tools_stream", "forced", "structured", "thinking", "image"]
COMMON += ["length"]
CASES = {
    "chat": [*COMMON, "stream_gathered", "models"],
    "responses": [*COMMON, "stream_gathered", "state_tools", "count"],
    "messages": [*COMMON, "thinking_stream", "count", "models"],
    "gemini": [*COMMON, "thinking_stream", "count", "models"],
    "vercel": [*COMMON, "thinking_stream", "cache"],
}
HIDES_REASONING = "ai-openai-chat"
CALL_ERRORS: sdk_expected.Errors = {
    name: ("APICallError", status)
    for name, (_, status) in sdk_expected.GEMINI_ERRORS.items()
    if name not in ("upstream_cut", "upstream_midstream")
}
STREAM_ERRORS: sdk_expected.Errors = dict.fromkeys(
    ("upstream_cut", "upstream_midstream"), ("StreamProviderError", ...)
)
ERRORS: dict[str, sdk_expected.Errors] = {
    "chat": sdk_expected.OPENAI_ERRORS,
    "responses": sdk_expected.OPENAI_ERRORS,
    "messages": sdk_expected.ANTHROPIC_ERRORS
    | {"upstream_cut": ("APIError", ...), "upstream_midstream": ("APIError", ...)},
    "gemini": {name: ("ApiError", status) for name, (_, status) in sdk_expected.GEMINI_ERRORS.items()},
    "vercel": CALL_ERRORS | STREAM_ERRORS,
}

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]


def asked_of() -> Iterator[tuple[str, str]]:
    """Each script with each of its cases."""
    for name, script in SCRIPTS.items():
        for case in CASES[script.dialect]:
            if not (name == HIDES_REASONING and case.startswith("thinking")):
                yield name, case


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with sdk_rig.running(list(SCRIPTS)) as rig:
        yield rig
        rig.server.assert_audit_clean()


@pytest.fixture(scope="module")
def found(rig: Rig) -> dict[str, Any]:
    return sdk_rig.run_all(rig, list(SCRIPTS.values()))


def of(found: dict[str, Any], script: str, upstream: str) -> dict[str, Any]:
    assert "failed" not in found[script], found[script]["failed"]
    findings: dict[str, Any] = found[script]["found"][sdk_rig.model(upstream)]
    return findings


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize(("script", "case"), list(asked_of()))
def test_an_sdk_meets_an_upstream(found: dict[str, Any], script: str, case: str, upstream: str) -> None:
    finding = of(found, script, upstream)[case]
    assert not (isinstance(finding, dict) and "raised" in finding), finding
    sdk_expected.check(case, finding, SCRIPTS[script].dialect, sdk_rig.model(upstream))


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_errors_are_raised_as_the_sdk_s_own(found: dict[str, Any], script: str, upstream: str) -> None:
    sdk_expected.check_errors(of(found, script, upstream)["errors"], ERRORS[SCRIPTS[script].dialect])
