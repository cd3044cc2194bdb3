"""Keeps the reasoning of answers for their next turns: here, and with the controller for other workers."""

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping

from switchgear.kernel.clock import Clock
from switchgear.kernel.kept import Kept
from switchgear.kernel.limits import (
    THOUGHTS_ASK_TIMEOUT_S,
    THOUGHTS_IDS_MAX,
    THOUGHTS_KEEP_S,
    THOUGHTS_WORKER_BYTES_MAX,
)
from switchgear.link.protocol import FindThoughts, FoundThoughts, KeepThoughts, WorkerCall
from switchgear.wire.neutral.reasoning_memory import Thoughts, decode, encode

Ask = Callable[[WorkerCall, float], Awaitable[object]]


class KeptThoughts:
    """Of one worker."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._own = Kept(THOUGHTS_WORKER_BYTES_MAX, THOUGHTS_KEEP_S)

    async def keep(self, owner: str, found: Mapping[str, Thoughts]) -> None:
        """``found``: call id → what belongs to it. Nobody but the owner gets it back.

        Returns when every worker can find it; without the controller only this one can.
        """
        now_ns = self._clock.monotonic_ns()
        entries = {_key(owner, id): encode(thoughts) for id, thoughts in found.items()}
        for key, data in entries.items():
            self._own.put(key, data, now_ns)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._ask(KeepThoughts(entries), THOUGHTS_ASK_TIMEOUT_S)

    async def find(self, owner: str, ids: Iterable[str]) -> dict[str, Thoughts]:
        """What is kept under these call ids. Without the controller it is what this worker knows."""
        now_ns = self._clock.monotonic_ns()
        keys = {_key(owner, id): id for id in list(ids)[-THOUGHTS_IDS_MAX:]}
        known = {key: data for key in keys if (data := self._own.get(key, now_ns)) is not None}
        missing = tuple(key for key in keys if key not in known)
        if missing:
            known |= await self._ask_for(missing)
        return {
            keys[key]: thoughts
            for key, data in known.items()
            if key in keys and (thoughts := decode(data)) is not None
        }

    async def _ask_for(self, keys: tuple[bytes, ...]) -> dict[bytes, bytes]:
        try:
            answer = await self._ask(FindThoughts(keys), THOUGHTS_ASK_TIMEOUT_S)
        except (ConnectionError, TimeoutError):
            return {}
        return answer.thoughts if isinstance(answer, FoundThoughts) else {}


def _key(owner: str, id: str) -> bytes:
    return hashlib.blake2b(f"{owner}\0{id}".encode("utf-8", "replace"), digest_size=16).digest()
