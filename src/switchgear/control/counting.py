"""Token counts by the real vocabulary, for text whose upstream reported no usage.

The vocabularies take some 90 MiB and stay in memory once they are loaded, so a process of its own holds them,
started when a count is first asked for and ended when none has been for a while.
"""

import asyncio
import contextlib
import logging
import os
import sys

from switchgear.control.vocabulary import SIZE, Wanted, encode_wanted
from switchgear.kernel.limits import (
    COUNT_ANSWER_TIMEOUT_S,
    COUNT_PROCESS_IDLE_S,
    COUNT_TEXT_CHARS_MAX,
    COUNT_WAITING_MAX,
)
from switchgear.link.protocol import CountTokens, Failed, TokenCount

log = logging.getLogger(__name__)


class TokenCounter:
    """Counts one text after the other, in a child process that is there only while it is needed."""

    def __init__(self, idle_s: float = COUNT_PROCESS_IDLE_S) -> None:
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._waiting = 0

    @property
    def pid(self) -> int | None:
        """Of the child; None while there is none."""
        return None if self._child is None else self._child.pid

    async def count(self, call: CountTokens) -> TokenCount | Failed:
        """The number of tokens in ``call.text`` as the vocabulary of ``call.model`` cuts it."""
        if len(call.text) > COUNT_TEXT_CHARS_MAX:
            return Failed(f"the text has more than {COUNT_TEXT_CHARS_MAX} characters")
        if self._waiting >= COUNT_WAITING_MAX:
            return Failed("too many texts are waiting to be counted")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._counted(Wanted(call.text, call.model))
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Ends the child."""
        self._stay()
        if self._child is not None:
            await self._end(self._child)

    async def _counted(self, wanted: Wanted) -> TokenCount | Failed:
        self._stay()
        child: asyncio.subprocess.Process | None = None
        try:
            async with asyncio.timeout(COUNT_ANSWER_TIMEOUT_S):
                child = self._child or await self._start()
                if child.stdin is None or child.stdout is None:
                    raise RuntimeError("the child was started without pipes")
                child.stdin.write(encode_wanted(wanted))
                await child.stdin.drain()
                answer = await child.stdout.readexactly(SIZE.size)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as fault:
            log.warning("the counter of tokens failed", extra={"reason": str(fault) or type(fault).__name__})
            return Failed("the counter of tokens failed")
        else:
            self._rest = asyncio.get_running_loop().call_later(self._idle_s, self._let_go)
            return TokenCount(SIZE.unpack(answer)[0])
        finally:
            # A child whose answer was not read would give it to the next question.
            if self._rest is None and child is not None:
                await self._end(child)

    async def _start(self) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "switchgear.control.vocabulary"]
        pipe = asyncio.subprocess.PIPE
        environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self._child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment)
        return self._child

    def _stay(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _let_go(self) -> None:
        """Nobody has asked for a while: the child ends by itself when it can read no more."""
        self._rest = None
        child, self._child = self._child, None
        if child is not None and child.stdin is not None:
            child.stdin.close()

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        self._child = None
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
