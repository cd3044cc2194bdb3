"""Settings of the server from four places, and which of them each value came from.

Strongest first: command line, environment (``SWITCHGEAR_SERVER_PORT`` …), file, default.
"""

from collections.abc import Mapping

import msgspec

from switchgear.config.locate import Path, line_of
from switchgear.config.problem import ConfigProblem
from switchgear.config.read import BadValue
from switchgear.config.tables import SERVER
from switchgear.kernel.config import ServerConfig

ENV_PREFIX = "SWITCHGEAR_SERVER_"
DEFAULTS: dict[str, object] = {
    **msgspec.structs.asdict(ServerConfig()),
    "host": "127.0.0.1",
    "port": 8080,
    "workers": 2,
}


class Origin(msgspec.Struct, frozen=True):
    """One setting in force and where it was said."""

    key: str
    value: object
    origin: str
    """``default``, ``FILE:LINE``, ``environment NAME`` or ``command line --FLAG``."""


def resolve_server(
    in_file: ServerConfig,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    file: str = "",
    lines: Mapping[Path, int] | None = None,
) -> tuple[ServerConfig, tuple[Origin, ...], tuple[ConfigProblem, ...]]:
    """The settings in force, with every field set. ``flags`` holds those given on the command line."""
    lines = dict(lines or {})
    values: dict[str, object] = {}
    origins: list[Origin] = []
    problems: list[ConfigProblem] = []
    for field in SERVER.fields:
        value, origin = DEFAULTS[field.name], "default"
        if ("server", field.name) in lines:
            value = getattr(in_file, field.name)
            origin = f"{file}:{line_of(lines, ('server', field.name))}"
        name = ENV_PREFIX + field.name.upper()
        if environ.get(name, ""):
            try:
                value, origin = field.read(_from_text(environ[name], field.kind)), f"environment {name}"
            except BadValue as bad:
                problems.append(ConfigProblem("environment", 0, name, bad.message, bad.suggestion))
        if flags.get(field.name) is not None:
            flag = f"--{field.name.replace('_', '-')}"
            try:
                value, origin = field.read(flags[field.name]), f"command line {flag}"
            except BadValue as bad:
                problems.append(ConfigProblem("command line", 0, flag, bad.message, bad.suggestion))
        values[field.name] = value
        origins.append(Origin(f"server.{field.name}", value, origin))
    return msgspec.convert(values, ServerConfig), tuple(origins), tuple(problems)


def _from_text(text: str, kind: str) -> object:
    """An environment variable as the TOML value that its setting wants; left as text when it is none."""
    if kind.startswith("array"):
        each = kind.removeprefix("array of ").removesuffix("s")
        return [_from_text(part.strip(), each) for part in text.split(",") if part.strip()]
    try:
        if kind == "integer":
            return int(text)
        return float(text) if kind == "seconds" else text
    except ValueError:
        return text
