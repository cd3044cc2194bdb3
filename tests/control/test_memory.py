"""Without this a controller could keep something of every configuration that it was ever given."""

import gc
import sys

from switchgear.kernel.config import ChannelConfig
from switchgear.link.unix import refresh

WARM, MORE = 15, 150
"""So many that the rest of the process, which comes and goes by some two hundred blocks, does not count."""
BLOCKS_PER_CHANGE_MAX = 5
"""Of Python's allocator. One kept snapshot has more than a hundred."""


async def test_changes_of_the_configuration_leave_nothing_behind(site) -> None:
    site.apply()
    await site.start()
    workers = [await site.worker(0), await site.worker(1)]

    async def change(number: int) -> None:
        names = [f"{number % 7}-{n}" for n in range(6)]
        site.apply(
            channels=tuple(
                ChannelConfig(n, "compatible", "http://127.0.0.1:1", keys=(n,), models=(n,)) for n in names
            )
        )
        pushed = await refresh(site.home)
        assert pushed is not None
        assert pushed.workers == len(workers)
        for worker in workers:
            worker.versions.clear()

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    for number in range(WARM):
        await change(number)
    before = blocks()
    for number in range(MORE):
        await change(number)
    assert blocks() - before < MORE * BLOCKS_PER_CHANGE_MAX
