"""The text of a start: what a newcomer needs to make the first call."""

from pathlib import Path

import msgspec

from switchgear.kernel.limits import BANNER_MODELS_MAX

_NEW_KEY = "switchgear keys create NAME"


class Started(msgspec.Struct, frozen=True):
    """What is true of a server that has just started."""

    version: str
    host: str
    port: int
    workers: int
    data: Path
    created_keys: tuple[tuple[str, str], ...]
    """(name, key in plain) of keys made at this start."""
    known_keys: tuple[tuple[str, str], ...]
    """(name, masked key) of the keys that can be used."""
    admin: str
    admin_password: str | None
    """None: it was shown at an earlier start."""
    models: tuple[str, ...]
    unpriced: tuple[str, ...]
    """Served by a channel, but refused until they are priced."""
    from_environment: tuple[tuple[str, str], ...]
    """(channel, variable) of channels whose credential lies in the environment."""
    embedded_models: tuple[str, ...] = ()
    example: tuple[str, str] | None = None
    """(key, model) that make a first call; the key in plain only if it was made at this start."""


def banner(started: Started) -> str:
    """The whole text, with a line break at its end."""
    base_url = f"{address(started.host, started.port)}/v1"
    lines = [
        f"Switchgear {started.version} is ready ({_count(started.workers, 'worker')}).",
        "",
        f"  Base URL      {base_url}",
        *_keys(started),
        *_admin(started),
        f"  Models        {_models(started)}",
    ]
    if started.unpriced:
        lines.append(f"  Unpriced      {_some(started.unpriced)}: refused until they have a price")
    lines += [
        f"  Environment   {_environment(started)}",
        f"  Data folder   {started.data.absolute()}",
    ]
    if started.example is not None:
        lines += ["", "Try it:", "", _curl(base_url, *started.example)]
    return "\n".join([*lines, "", "Stop with Ctrl-C; calls that run get time to finish.", ""])


def address(host: str, port: int) -> str:
    """A URL that works on this machine, also when the server listens on every address."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host)  # noqa: S104  # compared, not bound
    if shown is None:
        shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _keys(started: Started) -> list[str]:
    if started.created_keys:
        keys = started.created_keys
        lines = [f"  API key       {key}   (key {name!r}, shown only now)" for name, key in keys]
        return [*lines[:BANNER_MODELS_MAX], *_more(len(lines) - BANNER_MODELS_MAX, "keys")]
    if not started.known_keys:
        return [f"  API key       none yet: {_NEW_KEY}"]
    shown = ", ".join(f"{masked} ({name})" for name, masked in started.known_keys[:3])
    more = len(started.known_keys) - 3
    tail = f" and {more} more" if more > 0 else ""
    return [f"  API key       {shown}{tail}; another: {_NEW_KEY} --data {started.data}"]


def _more(count: int, what: str) -> list[str]:
    return [f"                and {count} more {what}"] if count > 0 else []


def _admin(started: Started) -> list[str]:
    if started.admin_password is None:
        return [f"  Admin login   {started.admin} (password shown at the first start)"]
    return [f"  Admin login   {started.admin} / {started.admin_password}   (shown only now)"]


def _models(started: Started) -> str:
    # What answers without any account comes first.
    names = sorted(started.models, key=lambda name: name not in started.embedded_models)
    return _some(tuple(names)) if names else "none yet: add a channel, or set a vendor's key"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - BANNER_MODELS_MAX
    shown = ", ".join(names[:BANNER_MODELS_MAX])
    return f"{shown} and {more} more" if more > 0 else shown


def _environment(started: Started) -> str:
    if not started.from_environment:
        return "no vendor key found (OPENAI_API_KEY, ANTHROPIC_API_KEY, … become channels)"
    return ", ".join(f"channel {channel} from {variable}" for channel, variable in started.from_environment)


def _curl(base_url: str, key: str, model: str) -> str:
    """Double quotes around the credential, so that the shell fills in ``$SWITCHGEAR_KEY``."""
    body = f'{{"model":"{model}","messages":[{{"role":"user","content":"What is the capital of France?"}}]}}'
    return (
        f'  curl {base_url}/chat/completions -H "Authorization: Bearer {key}" '
        f"-H 'Content-Type: application/json' -d '{body}'"
    )


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
