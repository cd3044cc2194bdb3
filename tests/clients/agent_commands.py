"""How each command-line agent is told where the server is, asked without a terminal, and understood.

An agent gets a home folder of its own, an environment that holds nothing else, and no way to update itself or
to report on its use. What it is told is what the guide for users says.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.clients.install import AIDER, FOLDER

BIN = FOLDER / "agents" / "node_modules" / ".bin"
NOTE = "note.txt"
SECRET = "plum"


class Place(NamedTuple):
    """Where an agent runs and whom it asks."""

    home: Path
    work: Path
    """The folder that it works in; has a file ``NOTE`` that tells ``SECRET``."""
    origin: str
    """Scheme, host and port of the server."""
    key: str
    model: str

    @property
    def note(self) -> str:
        return str(self.work / NOTE)


class Run(NamedTuple):
    command: list[str]
    env: dict[str, str]
    stdin: str = ""
    before: list[str] | None = None
    """A command that must have run once in that home."""


class Agent(NamedTuple):
    run: Callable[[Place, str], Run]
    """From a place and a prompt."""
    said: Callable[[str], str]
    """The agent's last words, from what it printed."""
    reads: Callable[[Place], str] | None
    """The steering word that makes the model call the agent's own tool to read the note."""


def _tool(name: str, arguments: dict[str, Any]) -> str:
    return f"[tool:{name} {json.dumps(arguments)}]"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _events(printed: str) -> Iterator[dict[str, Any]]:
    """The JSON objects among the lines that were printed."""
    for line in printed.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _claude(place: Place, prompt: str) -> Run:
    env = {
        "ANTHROPIC_BASE_URL": place.origin,
        "ANTHROPIC_AUTH_TOKEN": place.key,
        "ANTHROPIC_MODEL": place.model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": place.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    command = [str(BIN / "claude"), "-p", prompt, "--allowedTools", "Read", "--output-format", "json"]
    return Run(command, env)


def _claude_said(printed: str) -> str:
    return str(next(_events(printed))["result"])


def _codex(place: Place, prompt: str) -> Run:
    settings = f"""
model_provider = "relay"
model = "{place.model}"
check_for_update_on_startup = false
[model_providers.relay]
name = "relay"
base_url = "{place.origin}/v1"
env_key = "RELAY_KEY"
wire_api = "responses"
[analytics]
enabled = false
"""
    _write(place.home / ".codex" / "config.toml", settings)
    command = [str(BIN / "codex"), "exec", "--json", "--skip-git-repo-check", prompt]
    return Run(command, {"RELAY_KEY": place.key})


def _codex_said(printed: str) -> str:
    items = [event["item"] for event in _events(printed) if event["type"] == "item.completed"]
    return "".join(item["text"] for item in items if item["type"] == "agent_message")


def _gemini(place: Place, prompt: str) -> Run:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    _write(place.home / ".gemini" / "settings.json", json.dumps(settings))
    env = {
        "GEMINI_API_KEY": place.key,
        "GOOGLE_GEMINI_BASE_URL": place.origin,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    return Run([str(BIN / "gemini"), "-m", place.model, "-p", prompt, "--output-format", "json"], env)


def _gemini_said(printed: str) -> str:
    return str(json.loads(printed[printed.index("{\n") :])["response"])


def _opencode(place: Place, prompt: str) -> Run:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "relay",
        "options": {"baseURL": f"{place.origin}/v1", "apiKey": place.key},
        "models": {place.model: {"name": place.model}},
    }
    settings = {"autoupdate": False, "share": "disabled", "provider": {"relay": provider}}
    _write(place.work / "opencode.json", json.dumps(settings))
    env = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    # By standard input: an argument would reach the model with its quotes escaped.
    command = [str(BIN / "opencode"), "run", "-m", f"relay/{place.model}", "--format", "json"]
    return Run(command, env, stdin=prompt)


def _opencode_said(printed: str) -> str:
    return "".join(event["part"]["text"] for event in _events(printed) if event["type"] == "text")


def _cline(place: Place, prompt: str) -> Run:
    cline = str(BIN / "cline")
    where = ["-k", place.key, "-m", place.model, "-b", f"{place.origin}/v1"]
    return Run(
        [cline, "-P", "openai", "--json", prompt],
        {"CLINE_NO_AUTO_UPDATE": "1", "CLINE_TELEMETRY_DISABLED": "1"},
        before=[cline, "auth", "-p", "openai", *where],
    )


def _cline_said(printed: str) -> str:
    results = [event for event in _events(printed) if event["type"] == "run_result"]
    return str(results[-1]["text"])


def _aider(place: Place, prompt: str) -> Run:
    # A price list that is not empty, or it would look for one on the network.
    prices = json.dumps({f"openai/{place.model}": {}})
    _write(place.home / ".aider" / "caches" / "model_prices_and_context_window.json", prices)
    quiet = ["--no-git", "--yes", "--no-check-update", "--no-show-release-notes", "--analytics-disable"]
    quiet += ["--no-show-model-warnings", "--no-pretty"]
    env = {
        "OPENAI_API_BASE": f"{place.origin}/v1",
        "OPENAI_API_KEY": place.key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    model = f"openai/{place.model}"
    command = [str(AIDER / "bin" / "aider"), "--model", model, "--weak-model", model, *quiet]
    return Run([*command, "--message", prompt], env)


def _aider_said(printed: str) -> str:
    found = re.search(r"\n\n([^\n]+)\nTokens: ", printed)
    return found[1] if found else ""


AGENTS = {
    "claude": Agent(_claude, _claude_said, lambda place: _tool("Read", {"file_path": place.note})),
    "codex": Agent(_codex, _codex_said, lambda _: _tool("exec_command", {"cmd": f"cat {NOTE}"})),
    "gemini": Agent(_gemini, _gemini_said, lambda _: _tool("read_file", {"file_path": NOTE})),
    "opencode": Agent(_opencode, _opencode_said, lambda place: _tool("read", {"filePath": place.note})),
    "cline": Agent(_cline, _cline_said, lambda place: _tool("read_files", {"files": [{"path": place.note}]})),
    "aider": Agent(_aider, _aider_said, None),
}
"""By name. aider has no tools: it edits files by what the answer's text says."""
