"""Logins of operators: checked on a thread of their own, and throttled by account and by address.

Argon2 takes 50 ms of a core by design. On the threads that look keys up, two dozen wrong logins would keep
every call waiting. The wait of an account counts not for an address that has logged in to it before, and a
login that was right a moment ago is known without the work, so that nobody's guessing shuts the operator out.
"""

import asyncio
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from switchgear.control.threads import StoreThreads
from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import (
    LOGIN_CHECKS_MAX,
    LOGIN_FAILURES_FREE,
    LOGIN_FORGET_S,
    LOGIN_REMEMBER_S,
    LOGIN_SOURCES_MAX,
    LOGIN_WAIT_S_MAX,
    LOGINS_REMEMBERED_MAX,
)
from switchgear.link.protocol import CheckAdmin, Failed, Ok, Throttled
from switchgear.store.admins import admin_hash, is_password

NS = 1_000_000_000
_WRONG = Failed("the name or the password is wrong")


class Logins:
    """Of one controller. ``token`` opens the metrics."""

    def __init__(self, store: StoreThreads, clock: Clock, token: str) -> None:
        self._store = store
        self._clock = clock
        self._token = token.encode()
        self._thread = ThreadPoolExecutor(1, "admin-login")
        self._waiting = 0
        self._failures = Failures()
        self._secret = os.urandom(32)
        self._right: dict[bytes, tuple[str, int]] = {}
        """Keyed digest of a right login → (the hash that it fits, until when)."""
        self._known: dict[tuple[str, str], None] = {}
        """(account, address) of right logins."""

    async def check(self, body: CheckAdmin) -> Ok | Failed | Throttled:
        """Raises StoreError."""
        if body.token:
            return self._check_token(body)
        known = await self._store.read(partial(admin_hash, name=body.name))
        now_ns = self._clock.monotonic_ns()
        digest = self._digest(body)
        fitting, until_ns = self._right.get(digest, ("", 0))
        if fitting == known and now_ns < until_ns:
            return Ok()
        sources = [f"address {body.address}"]
        if (body.name, body.address) not in self._known:
            sources.append(f"account {body.name}")
        if wait_s := max(self._failures.wait_s(source, now_ns) for source in sources):
            return Throttled(wait_s)
        if self._waiting >= LOGIN_CHECKS_MAX:
            return Throttled(1)
        for source in sources:  # before the answer is known: many guesses at once are many
            self._failures.count(source, now_ns)
        if not await self._is_password(known, body.password):
            return _WRONG
        for source in sources:
            self._failures.forget(source)
        self._remember(body, digest, known or "", now_ns)
        return Ok()

    def close(self) -> None:
        """Ends the thread after what it does now."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _check_token(self, body: CheckAdmin) -> Ok | Failed | Throttled:
        """Cheap, so it is asked before the wait: a right token never waits."""
        if hmac.compare_digest(self._token, body.token.encode()):
            return Ok()
        now_ns, source = self._clock.monotonic_ns(), f"address {body.address}"
        if wait_s := self._failures.wait_s(source, now_ns):
            return Throttled(wait_s)
        self._failures.count(source, now_ns)
        return Failed("the token is wrong")

    async def _is_password(self, known: str | None, password: str) -> bool:
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, is_password, known, password)
        finally:
            self._waiting -= 1

    def _remember(self, body: CheckAdmin, digest: bytes, known: str, now_ns: int) -> None:
        if len(self._right) >= LOGINS_REMEMBERED_MAX:
            del self._right[next(iter(self._right))]
        if len(self._known) >= LOGINS_REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._right[digest] = known, now_ns + int(LOGIN_REMEMBER_S * NS)
        self._known[body.name, body.address] = None

    def _digest(self, body: CheckAdmin) -> bytes:
        name = body.name.encode()
        words = len(name).to_bytes(4, "big") + name + body.password.encode()
        return hashlib.blake2b(words, key=self._secret, digest_size=32).digest()


class Failures:
    """Wrong logins by source, each with the time until which it waits."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, int, int]] = {}
        """Source → (number, when the last was, until when it waits)."""

    def wait_s(self, source: str, now_ns: int) -> int:
        """Whole seconds until the next try; 0: at once."""
        _, _, until_ns = self._found.get(source, (0, 0, 0))
        return max(0, -((now_ns - until_ns) // NS))

    def count(self, source: str, now_ns: int) -> None:
        number, last_ns, _ = self._found.pop(source, (0, 0, 0))
        if now_ns - last_ns > LOGIN_FORGET_S * NS:
            number = 0
        number += 1
        if len(self._found) >= LOGIN_SOURCES_MAX:
            del self._found[next(iter(self._found))]
        over = number - LOGIN_FAILURES_FREE
        wait_ns = int(min(2.0 ** min(over, 10), LOGIN_WAIT_S_MAX) * NS) if over >= 0 else 0
        self._found[source] = number, now_ns, now_ns + wait_ns

    def forget(self, source: str) -> None:
        self._found.pop(source, None)
