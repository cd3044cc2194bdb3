"""Command-line agents, each in one turn without a terminal, against a server whose models answer in each of
four dialects. Without it an agent that cannot start on the server, or that loses a tool's result, would be
met by users."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.agent_commands import AGENTS, NOTE, SECRET, Place, Run
from tests.e2e import sdk_expected, sdk_rig
from tests.e2e.sdk_rig import UPSTREAMS, Rig

TURN_TIMEOUT_S = 120
GIVE_UP_TIMEOUT_S = 60
"""Most of it is what some agents need to start on a busy machine."""
WITH_TOOLS = [name for name, agent in AGENTS.items() if agent.reads is not None]

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(2 * TURN_TIMEOUT_S)]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with sdk_rig.running([]) as rig:
        yield rig
        rig.server.assert_audit_clean()


@pytest.fixture
def place(rig: Rig, upstream: str, tmp_path: Path) -> Place:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / NOTE).write_text(f"the secret word is {SECRET}\n")
    return Place(home, work, rig.server.origin, rig.keys["good"], sdk_rig.model(upstream))


def carried_out(place: Place, run: Run, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """A turn of an agent; nothing of this environment but the path reaches it."""
    env = {"PATH": os.environ["PATH"], "HOME": str(place.home), "TERM": "dumb", "LANG": "C.UTF-8"} | run.env
    before = [(run.before, "")] if run.before is not None else []
    for command, stdin in (*before, (run.command, run.stdin)):
        done = subprocess.run(
            command,
            cwd=place.work,
            env=env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    return done


def printed(place: Place, run: Run) -> str:
    """What an agent wrote to its standard output in a turn that went well."""
    done = carried_out(place, run, TURN_TIMEOUT_S)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_gets_its_answer(name: str, place: Place) -> None:
    agent = AGENTS[name]
    assert agent.said(printed(place, agent.run(place, "ping please"))) == sdk_expected.WORDS


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("name", WITH_TOOLS)
def test_an_agent_reads_a_file_when_the_model_asks_for_it(name: str, place: Place) -> None:
    agent = AGENTS[name]
    assert agent.reads is not None
    said = agent.said(printed(place, agent.run(place, f"{agent.reads(place)} please")))
    assert said.startswith("The tool said:")
    assert f"the secret word is {SECRET}" in said


@pytest.mark.parametrize("upstream", ["chat"])
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_says_at_once_that_its_key_is_wrong(name: str, place: Place) -> None:
    """Not after minutes of trying it again."""
    place = place._replace(key="sk-wrongwrongwrong")
    done = carried_out(place, AGENTS[name].run(place, "ping please"), GIVE_UP_TIMEOUT_S)
    said = " ".join((done.stdout + done.stderr).split())
    assert "Incorrect API key provided: sk-…rong" in said
