"""The reply of a call that goes on without its client."""

import asyncio

from switchgear.kernel.limits import CLIENT_STALL_TIMEOUT_S
from switchgear.relay.http import ClientGone, DisconnectCallback, Headers, Reply


class Detached:
    """Passes on to the client as long as it is there; what comes after goes nowhere. Never raises
    ClientGone."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._is_answered = False
        self._is_gone = False

    @property
    def started(self) -> bool:
        return self._reply.started or self._is_gone

    def leave(self) -> None:
        """The client has left, or takes nothing any more."""
        self._is_gone = True

    def on_disconnect(self, callback: DisconnectCallback) -> None:
        self._reply.on_disconnect(callback)

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """The first of them is the client's answer."""
        if not self._is_answered and not self._is_gone:
            self._is_answered = True
            self._reply.send_whole(status, headers, body)

    def start_stream(self, status: int, headers: Headers) -> None:
        if not self._is_gone:
            self._reply.start_stream(status, headers)

    def push(self, data: bytes) -> bool:
        if self._is_gone:
            return True
        try:
            return self._reply.push(data)
        except ClientGone:
            self._is_gone = True
            return True

    @property
    def is_full(self) -> bool:
        return not self._is_gone and self._reply.is_full

    async def room(self) -> None:
        if self._is_gone:
            return
        try:
            async with asyncio.timeout(CLIENT_STALL_TIMEOUT_S):
                await self._reply.room()
        except (ClientGone, TimeoutError):
            self._is_gone = True

    def finish(self) -> None:
        self._reply.finish()
