"""Notices that the supervisor has gone: its end of a pipe closes."""

import asyncio
import os
from collections.abc import Callable


def watch_parent(descriptor: int, gone: Callable[[], None]) -> None:
    """Calls ``gone`` once, on the running loop, when the other end of the pipe is closed by everybody."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(descriptor, 1):
            loop.remove_reader(descriptor)
            gone()

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, readable)
