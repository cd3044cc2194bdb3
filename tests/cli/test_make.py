"""The verbs of the Makefile. Without these, ``make run`` could overrule the configuration file, or a promised
verb could do nothing and say that all is well."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make") or "make"


@pytest.mark.parametrize(
    ("arguments", "environment", "flags"),
    [
        ((), {}, '--data "data"'),
        ((), {"PORT": "9000"}, '--data "data" --port 9000'),
        ((), {"HOST": "x86_64-conda-linux-gnu"}, '--data "data"'),
        ((), {"SWITCHGEAR_DATA": "/srv/s"}, '--data "/srv/s"'),
        (("HOST=::1", "DATA=d"), {}, '--data "d" --host ::1'),
        (("CONFIG=c.toml",), {}, '--data "data" --config "c.toml"'),
    ],
)
def test_run_passes_on_what_is_given_and_nothing_else(
    arguments: tuple[str, ...], environment: dict[str, str], flags: str
) -> None:
    last = plan("run", *arguments, **environment).splitlines()[-1]
    assert last.split(" serve ")[1].split() == flags.split()


def test_every_verb_does_something() -> None:
    listed = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed is not None
    idle = [verb for verb in listed[1].split() if "Nothing to be done" in plan(verb)]
    # Both only see to it that an environment is there.
    assert [verb for verb in idle if verb not in ("setup", "dev")] == []


def plan(*arguments: str, **environment: str) -> str:
    """What make would do."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [MAKE, "-n", *arguments],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
