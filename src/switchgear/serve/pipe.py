"""Notices what the supervisor says by closing its end of a pipe: it is gone, or the start has been shown."""

import asyncio
import os
from collections.abc import Callable


def watch_pipe(descriptor: int, closed: Callable[[], None]) -> None:
    """Calls ``closed`` once, on the running loop, when the other end of the pipe is closed by everybody."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(descriptor, 1):
            loop.remove_reader(descriptor)
            closed()

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, readable)
