"""Work on large bodies, beside the event loop: in threads, between which and the loop the interpreter changes
every few milliseconds, so that no other call waits for one of these."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from switchgear.kernel.limits import BODY_THREADS, PASSED_AT_ONCE_BYTES_MAX
from switchgear.wire.call import Call
from switchgear.wire.dialect import Dialect

T = TypeVar("T")

# What waits for a thread is bounded by the calls in flight: each has one piece of work at a time.
_threads = ThreadPoolExecutor(BODY_THREADS, "bodies")


async def beside(size: int, size_max: int, work: Callable[[], T]) -> T:
    """What ``work`` returns, which touches nothing that others may change meanwhile; done at once where it is
    about no more than ``size_max`` of ``size`` bytes. Raises what it raises."""
    if size <= size_max:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


async def input_of(dialect: Dialect, call: Call) -> tuple[str, int]:
    """(text of a request that costs tokens, tokens that stand for no text)."""
    return await beside(
        call.input_bytes,
        PASSED_AT_ONCE_BYTES_MAX,
        lambda: (dialect.input_text(call), dialect.overhead_tokens(call)),
    )
