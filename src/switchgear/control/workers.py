"""Which workers are connected, by epoch."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from switchgear.kernel.limits import SNAPSHOT_PUSH_TIMEOUT_S
from switchgear.link.peer import LinkAway, Peer
from switchgear.link.protocol import ControllerCall, StopCalls, Stopped

log = logging.getLogger(__name__)


class Workers:
    """The connected worker lives. Asked from the writer thread too, where only membership is read."""

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}
        self._epochs: dict[Peer, str] = {}
        self._catch_up: Callable[[], Awaitable[None]] | None = None

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, epoch: object) -> bool:
        return epoch in self._peers

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._peers))

    def add(self, epoch: str, peer: Peer) -> Peer | None:
        """Makes this the connection of the epoch; returns the one it had before."""
        before = self._peers.get(epoch)
        if before is not None:
            self._epochs.pop(before, None)
        self._peers[epoch] = peer
        self._epochs[peer] = epoch
        return before

    def remove(self, peer: Peer) -> str | None:
        """Its epoch; None when the connection was no worker's, or another one has taken its place."""
        epoch = self._epochs.pop(peer, None)
        if epoch is not None:
            del self._peers[epoch]
        return epoch

    def peer_of(self, epoch: str) -> Peer | None:
        return self._peers.get(epoch)

    def epoch_of(self, peer: Peer) -> str | None:
        return self._epochs.get(peer)

    async def tell_others(self, peer: Peer, call: ControllerCall, timeout_s: float) -> None:
        """Calls every worker but this one. Raises LinkAway for the last that could not be reached."""
        others = [other for other in self._epochs if other is not peer]
        results = await asyncio.gather(
            *(other.call(call, timeout_s) for other in others), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def on_catch_up(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Sets what ``catch_up`` does: ingest every connected worker's journal to its end."""
        self._catch_up = catch_up

    async def stop_calls(self, wanted: StopCalls) -> int:
        """Has every worker end these calls; how many they ended."""
        answers = await asyncio.gather(*(_stopped(peer, wanted) for peer in self._peers.values()))
        return sum(answers)

    async def catch_up(self) -> None:
        if self._catch_up is not None:
            await self._catch_up()


async def _stopped(peer: Peer, wanted: StopCalls) -> int:
    try:
        answer = await peer.call(wanted, SNAPSHOT_PUSH_TIMEOUT_S)
    except LinkAway as fault:
        log.warning("a worker did not end the calls of a disabled key", extra={"reason": str(fault)})
        return 0
    return answer.calls if isinstance(answer, Stopped) else 0
