"""Transcripts of every client dialect against every upstream dialect, as files to be read at each change.

Without them a change in one codec could alter what another client sees, what an upstream is asked, or what a
call costs, and no test of that codec would say so. ``make golden`` writes them again; then read the diff.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.wire.pairs.scenarios import PAIRS, SCENARIOS, Turn, play, scenarios_of
from tests.wire.pairs.sdk import Broke, Sdks
from tests.wire.pairs.transcript import told

from switchgear.kernel.dialects import DIALECTS, DialectName

GOLDEN = Path(__file__).parent / "golden"
RECORDS = bool(os.environ.get("RECORD_GOLDEN"))
BREAKS = {"error": "error", "error_midstream": "error", "cut": "cut"}
CASES = [(client, upstream, name) for client, upstream in PAIRS for name in scenarios_of(upstream)]


@cache
def played(client: DialectName, upstream: DialectName, name: str) -> list[Turn]:
    return play(client, upstream, SCENARIOS[name], sdks())


@cache
def sdks() -> Sdks:
    return Sdks()


def file_of(client: str, upstream: str, name: str) -> Path:
    return GOLDEN / f"{client}-to-{upstream}" / f"{name}.txt"


@pytest.mark.parametrize(("client", "upstream", "name"), CASES)
def test_transcript(client: DialectName, upstream: DialectName, name: str) -> None:
    turns = played(client, upstream, name)
    text = "\n".join(told(turn.path, turn.body, turn.outcome) for turn in turns)
    file = file_of(client, upstream, name)
    if RECORDS:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("client", "upstream", "name"), CASES)
def test_a_strict_upstream_and_the_official_sdk_are_content(
    client: DialectName, upstream: DialectName, name: str
) -> None:
    turns = played(client, upstream, name)
    ends = [turn.outcome.state for turn in turns]
    assert ends == ["complete"] * (len(turns) - 1) + [BREAKS.get(name, "complete")]
    for turn in turns:
        assert turn.outcome.said is not None
        assert turn.outcome.said.status in ((200, 429) if name == "error" else (200,))
    assert isinstance(turns[-1].heard, Broke) == (name in BREAKS)


@pytest.mark.parametrize(
    ("upstream", "name"), [(upstream, name) for upstream in DIALECTS for name in scenarios_of(upstream)]
)
def test_every_client_pays_the_same(upstream: DialectName, name: str) -> None:
    told_of = {client: played(client, upstream, name) for client in DIALECTS}
    bills = {
        client: [(turn.outcome.usage, turn.outcome.charge_nanos) for turn in turns]
        for client, turns in told_of.items()
    }
    assert len(set(map(tuple, bills.values()))) == 1, bills


def test_no_transcript_is_left_over() -> None:
    assert sorted(_files()) == sorted(file_of(*case) for case in CASES)


def _files() -> Iterator[Path]:
    yield from GOLDEN.rglob("*.txt")


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_source_of_a_text_reaches_every_client(client: DialectName, upstream: DialectName) -> None:
    (turn,) = played(client, upstream, "search")
    assert b'"https://example.com/france"' in turn.outcome.body
    assert turn.outcome.usage.calls == (0 if upstream == "openai_chat" else 1)
