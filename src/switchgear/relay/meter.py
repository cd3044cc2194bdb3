"""From what an upstream reported, or what was seen of its reply, to usage that can be billed."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from switchgear.kernel.limits import PLAUSIBLE_TOKENS_MAX
from switchgear.kernel.usage import TOKENS_MAX, Usage
from switchgear.wire.dialect import Tap

Count = Callable[[str, str], Awaitable[int]]
"""(text, model) → tokens, by the controller. Raises ConnectionError when it can't be asked."""

BYTES_PER_TOKEN = 4
"""Of ordinary text, where nobody can be asked."""
PENDING_MAX = 4
SEEN_OVER_REPORTED_MAX = 2
"""How much more output may be counted here than a running report told; tokenizers differ so much."""


class TokenTally:
    """Counts the output of one reply piece by piece, so that its text is never held whole."""

    __slots__ = ("_count", "_counted", "_is_closed", "_model", "_pending", "text_bytes")

    def __init__(self, count: Count, model: str) -> None:
        self._count = count
        self._model = model
        self._counted = 0
        self._is_closed = False
        self._pending: list[asyncio.Task[int]] = []
        self.text_bytes = 0
        """Of all pieces."""

    def seen_tokens(self, tap: Tap) -> int:
        """A guess at the output so far, at next to no cost: by its text, or by what the upstream reported
        meanwhile."""
        seen = (self.text_bytes + tap.text_bytes) // BYTES_PER_TOKEN
        return max(seen, tap.usage.output_total) if tap.usage is not None else seen

    def add(self, text: str) -> None:
        """Takes the next piece; counting goes on beside the stream."""
        if not text:
            return
        self.text_bytes += text_size(text)
        if self._is_closed:
            return
        if len(self._pending) >= PENDING_MAX:
            self._counted += rough_count(text)
            return
        task = asyncio.get_running_loop().create_task(count_or_guess(self._count, text, self._model))
        self._pending.append(task)

    def close(self, text: str) -> None:
        """This piece is the last that is counted: what comes after it, nobody gets."""
        self.add(text)
        self._is_closed = True

    async def total(self) -> int:
        """Tokens of all pieces so far. May be given up, and asked again: counting goes on, and no piece is
        counted twice."""
        while self._pending:
            tokens = await asyncio.shield(self._pending[0])
            self._counted += tokens
            del self._pending[0]
        return self._counted


async def count_or_guess(count: Count, text: str, model: str) -> int:
    """Tokens of a text: counted, or guessed by its length while the controller is away."""
    if not text:
        return 0
    try:
        return await count(text, model)
    except (ConnectionError, TimeoutError):
        return rough_count(text)


def rough_count(text: str) -> int:
    """A guess: a token for every four bytes, at least one."""
    return -(-text_size(text) // BYTES_PER_TOKEN)


def text_size(text: str) -> int:
    """Bytes of a text: the one unit in which answers are measured, whatever their script."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def is_plausible(usage: Usage) -> bool:
    """Whether a reported usage can be believed; no model reads or writes so much in a call."""
    return usage.tokens_total <= PLAUSIBLE_TOKENS_MAX


def with_seen_output(usage: Usage, seen_tokens: int) -> Usage:
    """A report that came before the end of its stream, raised to the output that was seen.

    Some upstreams tell the input at the start, with an output of 0 or 1, and the output only at the end: a
    stream that breaks off between would be almost free. The usage itself where it counts its output as it
    goes.
    """
    if seen_tokens <= SEEN_OVER_REPORTED_MAX * usage.output_total:
        return usage
    more = min(seen_tokens, TOKENS_MAX) - usage.output_total
    return replace(usage, output_text=usage.output_text + more)
