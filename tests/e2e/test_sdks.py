"""The official Python SDKs, current majors and the ones before, against a server whose models answer in each
of four dialects. Without it a conversion that an SDK cannot read, or that loses something, would be met by
users."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e import client, sdk_expected, sdk_rig
from tests.e2e.harness import ROOT
from tests.e2e.sdk_rig import UPSTREAMS, Rig, Script
from tests.e2e.sdks import asked
from tests.sim import replies

SCRIPTS = {
    f"{dialect}-{major}": Script(
        f"{dialect}-{major}",
        dialect,
        [str(sdk_rig.python_of(major)), str(ROOT / "tests" / "e2e" / "sdks" / f"{dialect}.py")],
    )
    for dialect in UPSTREAMS
    for major in ("current", "previous")
}
COMMON = ["text", "stream", "history", "tools", "tools_stream", "forced", "structured", "structured_schema"]
COMMON += ["thinking", "thinking_stream", "image", "cache", "length", "refusal"]
CASES = {
    "chat": [*COMMON, "models"],
    "responses": [*COMMON, "stream_helper", "state", "state_tools", "count"],
    "messages": [*COMMON, "count", "models"],
    "gemini": [*COMMON, "chat", "count", "models"],
}
EMBEDDING = ("chat", "gemini")
"""Dialects that have embeddings."""
VERSIONS = {"chat": ("3.", "2."), "responses": ("3.", "2."), "messages": ("2.", "1."), "gemini": ("3.", "2.")}

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with sdk_rig.running(list(SCRIPTS)) as rig:
        yield rig
        rig.server.assert_audit_clean()


@pytest.fixture(scope="module")
def found(rig: Rig) -> dict[str, Any]:
    """What each script found; those whose environment is not installed are left out."""
    scripts = [script for name, script in SCRIPTS.items() if sdk_rig.python_of(name.split("-")[1]).exists()]
    return sdk_rig.run_all(rig, scripts)


def of(found: dict[str, Any], script: str, upstream: str) -> dict[str, Any]:
    if script not in found:
        pytest.skip("the SDKs' major versions before these are not installed: make .venv-sdk-previous/.done")
    assert "failed" not in found[script], found[script]["failed"]
    findings: dict[str, Any] = found[script]["found"][sdk_rig.model(upstream)]
    return findings


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize(
    ("script", "case"), [(name, case) for name, script in SCRIPTS.items() for case in CASES[script.dialect]]
)
def test_an_sdk_meets_an_upstream(found: dict[str, Any], script: str, case: str, upstream: str) -> None:
    finding = of(found, script, upstream)[case]
    assert not (isinstance(finding, dict) and "raised" in finding), finding
    sdk_expected.check(case, finding, SCRIPTS[script].dialect, sdk_rig.model(upstream))


@pytest.mark.parametrize("upstream", EMBEDDING)
@pytest.mark.parametrize("script", [name for name, script in SCRIPTS.items() if script.dialect in EMBEDDING])
def test_a_vector_is_the_same_whoever_asks(found: dict[str, Any], script: str, upstream: str) -> None:
    vector = of(found, script, upstream)["embedding"]
    assert vector == pytest.approx(replies.embedding_of(asked.EMBEDDED), abs=1e-6)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_errors_are_raised_as_the_sdk_s_own(found: dict[str, Any], script: str, upstream: str) -> None:
    expected = sdk_expected.ERRORS[SCRIPTS[script].dialect]
    sdk_expected.check_errors(of(found, script, upstream)["errors"], expected)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_same_answer_costs_the_same_whoever_asks(rig: Rig, found: dict[str, Any], upstream: str) -> None:
    ids = {script: of(found, script, upstream)["charge"] for script in found}
    assert all(isinstance(request_id, str) for request_id in ids.values()), ids
    rows = rig.server.usage_with(set(ids.values()))
    charges = {script: rows[request_id]["charge_nanos"] for script, request_id in ids.items()}
    assert charges == dict.fromkeys(charges, sdk_expected.charge_nanos()), json.dumps(
        {script: rows[request_id]["usage"] for script, request_id in ids.items()}
    )


USER = [{"role": "user", "content": "Say a few words."}]
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": USER, "stream": True}),
    "responses": ("/v1/responses", {"input": "Say a few words.", "stream": True, "store": False}),
    "messages": ("/v1/messages", {"messages": USER, "stream": True, "max_tokens": 100}),
    "gemini": (
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "Say a few words."}]}]},
    ),
}
"""Dialect → path and body of a streamed call, without the model's name."""


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("dialect", STREAMS)
async def test_the_end_of_a_stream_is_told_once(rig: Rig, dialect: str, upstream: str) -> None:
    """Not every dialect has an end marker. What comes after the end is the next answer on the connection."""
    path, body = STREAMS[dialect]
    model = sdk_rig.model(upstream)
    asked = json.dumps(body | ({} if dialect == "gemini" else {"model": model})).encode()
    lines = [f"POST {path.replace('{model}', model)} HTTP/1.1", "host: relay"]
    lines += [f"authorization: Bearer {rig.keys['good']}", "content-type: application/json"]
    lines += [f"content-length: {len(asked)}"]
    first = "\r\n".join([*lines, "", ""]).encode() + asked
    last = "\r\n".join([*lines, "connection: close", "", ""]).encode() + asked
    answers = (await client.exchange(rig.server.port, first + last)).split(b"\r\n0\r\n\r\n")
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b""]
    assert b"word11" in answers[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_version_is_the_one_meant(found: dict[str, Any], script: str) -> None:
    if script not in found:
        pytest.skip("the SDKs' major versions before these are not installed: make .venv-sdk-previous/.done")
    major = VERSIONS[SCRIPTS[script].dialect][script.endswith("previous")]
    assert found[script]["version"].startswith(major)
