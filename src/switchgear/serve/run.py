"""Entry of the supervisor process: ``python -m switchgear.serve.run``, which ``switchgear serve`` becomes.

The command line needs the database, the catalogue and much else to prepare a start; none of it is needed to
watch over a few children, and all of it would stay in memory for as long as the server runs.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from switchgear.kernel.home import Home
from switchgear.kernel.log import set_up_logging
from switchgear.kernel.process import refuse_core_dumps
from switchgear.serve.boot import Boot, read_unnamed, write_unnamed
from switchgear.serve.supervisor import supervise

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def become_supervisor(boot: Boot, listener: int, lock: int, welcome: str) -> NoReturn:
    """Replaces this process by the supervisor, with the same id. ``lock`` holds the data folder; ``welcome``
    is printed once calls are answered. Raises OSError."""
    kept = {"boot": boot.write(), "listener": listener, "lock": lock}
    kept["welcome"] = write_unnamed(welcome.encode())
    for descriptor in kept.values():
        os.set_inheritable(descriptor, True)
    # A stop that comes while nobody listens for it waits until the supervisor does.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    arguments = [f"--{name}-fd={descriptor}" for name, descriptor in kept.items()]
    command = [sys.executable, "-m", "switchgear.serve.run", *arguments]
    os.execv(sys.executable, command)  # noqa: S606  # no shell is wanted


def main(argv: list[str]) -> int:
    """Runs the server; the exit status is 0 after a clean stop, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="switchgear-supervisor")
    for name in ("boot", "welcome", "listener", "lock"):
        parser.add_argument(f"--{name}-fd", type=int, required=True)
    options = parser.parse_args(argv)
    refuse_core_dumps()
    _keep_from_children(vars(options).values())
    boot = Boot.read(options.boot_fd)
    set_up_logging("supervisor", boot.server.log_level, boot.server.log_format)
    welcome = read_unnamed(options.welcome_fd).decode()
    os.close(options.welcome_fd)
    return supervise(boot, options.listener_fd, lambda: say_welcome(welcome, Home(Path(boot.data))))


def say_welcome(text: str, home: Home) -> None:
    """Prints the text of a start. What it shows only once may be forgotten as soon as it is out."""
    try:
        print(text, flush=True)
    except OSError:
        return  # nobody has read it, so the next start shows it
    home.unshown.unlink(missing_ok=True)


def _keep_from_children(descriptors: Iterable[int]) -> None:
    """Children inherit what they are given, and nothing else."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
