"""Which candidate is tried next, and whether the retry budget allows it.

An upstream key with no fault on record may always be tried: that is how calls survive the first moments of an
outage. Only, when many turn to it at once, the first of them go ahead, and the others wait a moment for what
these learn. Tries at upstreams that are known to fail are rationed, so that an outage of all of them is not
made worse by the calls that it fails. A retry is free again once its answer has begun; one that failed stays
spent for RETRY_WINDOW_S.
"""

import asyncio
import contextlib
from collections import deque

import msgspec

from switchgear.kernel.clock import Clock
from switchgear.kernel.limits import RETRY_BUDGET_FLOOR, RETRY_BUDGET_RATIO, RETRY_NEWS_WAIT_S, RETRY_WINDOW_S
from switchgear.relay.health import NS, Health
from switchgear.relay.plan import Candidate


class Retry:
    """One retry, which counts against the budget (None: this is none)."""

    __slots__ = ("_budget", "_candidate", "_waits")

    def __init__(self, budget: "RetryBudget | None", candidate: Candidate) -> None:
        self._budget = budget
        self._candidate = candidate
        self._waits = budget is not None
        if budget is not None:
            budget.waiting += 1

    def answered(self, now_ns: int) -> None:
        """The upstream's answer has begun."""
        if self._budget is not None:
            self.close()
            self._budget.proved(self._candidate, now_ns)

    def failed(self, now_ns: int) -> None:
        """An upstream was asked in vain."""
        if self._budget is not None:
            self.close()
            self._budget.wasted(now_ns)

    def close(self) -> None:
        """It is over. May be called again."""
        if self._budget is not None and self._waits:
            self._waits = False
            self._budget.waiting -= 1


class RetryBudget:
    """Counts the requests of the last RETRY_WINDOW_S, and the retries that wait for an answer or failed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[list[int]] = deque()
        """[second, requests in it, retries that failed in it], oldest first."""
        self._requests = 0
        self._failed = 0
        self._proved_ns: dict[tuple[str, str], int] = {}
        """(channel, model) → when a retry there was answered last."""
        self._news: asyncio.Future[None] | None = None
        self.waiting = 0
        """Retries to which no answer has begun."""

    def requested(self, now_ns: int) -> None:
        """A request came."""
        self._bucket(now_ns)[1] += 1
        self._requests += 1

    async def take(self, candidate: Candidate, health: Health) -> Retry | None:
        """A retry at this candidate; None where it has failed before and the budget has none left."""
        channel, secret, model = candidate.channel.id, candidate.secret, candidate.upstream_model
        until_ns = self._clock.monotonic_ns() + int(RETRY_NEWS_WAIT_S * NS)
        while True:
            now_ns = self._clock.monotonic_ns()
            if self._has_left(now_ns):
                return Retry(self, candidate)
            if health.has_fault(channel, secret, model, now_ns):
                return None
            if now_ns >= until_ns or self._is_proved(channel, model, now_ns):
                return Retry(self, candidate)
            await self._wait_for_news((until_ns - now_ns) / NS)

    def proved(self, candidate: Candidate, now_ns: int) -> None:
        """An answer of this candidate has begun."""
        self._proved_ns[candidate.channel.id, candidate.upstream_model] = now_ns
        self._tell()

    def wasted(self, now_ns: int) -> None:
        """A retry failed."""
        self._bucket(now_ns)[2] += 1
        self._failed += 1
        self._tell()

    def _has_left(self, now_ns: int) -> bool:
        self._forget(now_ns // NS)
        slots = max(RETRY_BUDGET_FLOOR, int(self._requests * RETRY_BUDGET_RATIO))
        return self.waiting + self._failed < slots

    def _is_proved(self, channel: str, model: str, now_ns: int) -> bool:
        proved_ns = self._proved_ns.get((channel, model))
        return proved_ns is not None and now_ns - proved_ns < RETRY_WINDOW_S * NS

    async def _wait_for_news(self, timeout_s: float) -> None:
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._news)

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set_result(None)
            self._news = None

    def _bucket(self, now_ns: int) -> list[int]:
        second = now_ns // NS
        recent = self._recent
        if not recent or recent[-1][0] != second:
            self._forget(second)
            recent.append([second, 0, 0])
        return recent[-1]

    def _forget(self, second: int) -> None:
        recent = self._recent
        while recent and recent[0][0] <= second - RETRY_WINDOW_S:
            _, requests, failed = recent.popleft()
            self._requests -= requests
            self._failed -= failed


class Turns:
    """The candidates of one call that are still to be tried. One that was taken out since the call was
    planned is passed over; when all were, the first is tried, unless another upstream was asked already."""

    __slots__ = ("_health", "_left", "asked")

    def __init__(self, candidates: tuple[Candidate, ...], health: Health) -> None:
        self._left = list(candidates)
        self._health = health
        self.asked = False
        """An upstream has got the call."""

    def next(self, now_ns: int) -> Candidate | None:
        """The one to try now; None when there is none."""
        left, health = self._left, self._health
        if not left:
            return None
        if not health.troubled():
            return left.pop(0)
        for place, candidate in enumerate(left):
            state = health.fitness(candidate.channel.id, candidate.secret, candidate.upstream_model, now_ns)
            if state in ("fit", "probe"):
                del left[place]
                return _as_probe(candidate, is_probe=state == "probe")
        return None if self.asked else _as_probe(left.pop(0), is_probe=True)

    def again(self, candidate: Candidate) -> None:
        """Puts the one that was tried last before all others."""
        self._left.insert(0, candidate)


def _as_probe(candidate: Candidate, *, is_probe: bool) -> Candidate:
    if candidate.probe == is_probe:
        return candidate
    return msgspec.structs.replace(candidate, probe=is_probe)
