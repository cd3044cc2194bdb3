"""A server before a simulated upstream of four dialects, a channel for each, and scripts that drive SDKs.

Every model of a channel has a twin for each script, which may be put out of service by faults.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e import settings
from tests.e2e.harness import ROOT, Server
from tests.e2e.sdks import asked

UPSTREAMS = {
    "chat": ("openai_chat", "gpt-5.2"),
    "responses": ("openai_responses", "gpt-5.2"),
    "messages": ("anthropic_messages", "claude-sonnet-4-6"),
    "gemini": ("gemini_generate", "gemini-3-pro-preview"),
}
"""Channel → the dialect that its host speaks, and the name that its models have there."""
SCRIPT_TIMEOUT_S = 150
_FOREIGN_SETTINGS = ("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "CLAUDE_", "CODEX_")


class Script(NamedTuple):
    """A program that takes a spec (see ``tests.e2e.sdks.asked``) and prints findings."""

    name: str
    dialect: str
    """What it speaks: a key of ``UPSTREAMS``, or ``vercel`` for an SDK that hides it."""
    command: Sequence[str]
    more: Sequence[str] = ()
    """Arguments after the spec."""


class Rig(NamedTuple):
    server: Server
    keys: dict[str, str]
    """By what is the matter with them: ``good``, ``wrong``, ``narrow`` (may call no model here), ``slow``."""

    def spec(self, script: str) -> str:
        """The argument of a script. The questions are for those that cannot import them."""
        models = [model(channel) for channel in UPSTREAMS]
        spec = {
            "origin": self.server.origin,
            "keys": self.keys,
            "models": models,
            "faulty": {name: twin(name, script) for name in models},
            "asked": {name: value for name, value in vars(asked).items() if name.isupper()},
        }
        return json.dumps(spec)


def model(channel: str) -> str:
    """The name that clients call a channel's model by."""
    return f"m-{channel}"


def twin(name: str, script: str) -> str:
    return f"{name}-{script}"


@contextlib.contextmanager
def running(scripts: Sequence[str]) -> Iterator[Rig]:
    """The server and its upstream, with twins of the models for these scripts."""
    keys = {name: settings.fresh_key() for name in ("good", "wrong", "narrow", "slow")}
    with upstream() as base_url, Server(_config(base_url, keys, scripts), workers=2) as server:
        yield Rig(server, keys)


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """The base URL of a simulated upstream in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sim.upstream"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["base_url"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _config(base_url: str, keys: dict[str, str], scripts: Sequence[str]) -> str:
    parts = [settings.group(), settings.user()]
    parts.append(settings.key(keys["good"], "good"))
    parts.append(settings.key(keys["narrow"], "narrow", models=["m-none"]))
    parts.append(settings.key(keys["slow"], "slow", rpm=1))
    parts += [settings.channel(base_url, ["m-none"], "none"), settings.price("m-none")]
    for channel, (dialect, upstream_model) in UPSTREAMS.items():
        names = [model(channel), *(twin(model(channel), script) for script in scripts)]
        # A twin has a name of its own upstream too, as health is kept by that name.
        upstream_names = {name: upstream_model + name.removeprefix(model(channel)) for name in names}
        parts.append(settings.channel(base_url, names, channel, dialects=[dialect], model_map=upstream_names))
        parts += [settings.price(name) for name in names]
    return "\n".join(parts)


def run_all(rig: Rig, scripts: Sequence[Script]) -> dict[str, Any]:
    """What each script printed, by its name; all run at the same time."""
    started = {
        script.name: subprocess.Popen(
            [*script.command, rig.spec(script.name), *script.more],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for script in scripts
    }
    try:
        return {name: _printed(process) for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def _printed(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=SCRIPT_TIMEOUT_S)
    if process.returncode:
        return {"version": "", "found": {}, "failed": err[-4000:]}
    return json.loads(out)


def clean_environment() -> dict[str, str]:
    """This environment without what tells an SDK where to go or who it is."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_SETTINGS)}


def python_of(major: str) -> Path:
    """The interpreter that has the SDKs of a major version: ``current`` or ``previous``."""
    if major == "current":
        return Path(sys.executable)
    return ROOT / ".venv-sdk-previous" / "bin" / "python"
