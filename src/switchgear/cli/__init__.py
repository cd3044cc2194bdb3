"""The command line: ``switchgear`` and ``python -m switchgear.cli``."""

import os
import signal
import sys
from types import FrameType

from switchgear.kernel.process import fill_standard_streams


def main() -> None:
    """Runs one command. Ends with 0 when all is well, 1 when a problem was found, 2 when used wrongly."""
    if os.getpid() == 1:
        # The first process of a container gets no signal that it does not ask for.
        signal.signal(signal.SIGTERM, _stop)
    fill_standard_streams()
    from switchgear.cli.app import run  # only here, so that importing a part of the package loads no typer

    run()


def _stop(number: int, _: FrameType | None) -> None:
    """Ends a command as its default would; a server that has started takes its signals by itself."""
    sys.exit(128 + number)
