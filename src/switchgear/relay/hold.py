"""What is held for a call before its upstream is asked, and for a stream while it runs.

A call that caps its output holds what that may cost. One that does not holds what the model's own maximum may
cost, or its share of what is there, and is capped by that. Neither can spend what another one holds.
"""

import asyncio
from collections.abc import Callable

import msgspec

from switchgear.catalog.estimate import CostBound, cost_bound
from switchgear.catalog.modes import in_modes
from switchgear.catalog.price import Price
from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.errors import QUOTA, ApiError
from switchgear.kernel.limits import (
    HOLD_AHEAD_TOKENS,
    HOLD_STEP_TOKENS,
    RESERVE_FILE_TOKENS,
    RESERVE_IMAGE_TOKENS,
    RESERVE_OUTPUT_TOKENS,
    RESERVE_OUTPUT_TOKENS_UNKNOWN,
)
from switchgear.kernel.money import PPM, Nanos
from switchgear.link.snapshot import Principal
from switchgear.relay.admit import Terms
from switchgear.relay.beside import input_of
from switchgear.relay.funds import Funds, Span, legs_of
from switchgear.relay.meter import Count, count_or_guess
from switchgear.relay.prepare import Fit
from switchgear.wire.call import Call
from switchgear.wire.dialect import Dialect

_AN_HOUR = b'"1h"'
"""Of a cache. Twice the price of a token is below that of its bytes, so only a counted input looks for it."""


class Hold(msgspec.Struct, frozen=True):
    """What a call was let in with."""

    bound: CostBound
    output_tokens: int
    """That it may write in each choice."""
    choices: int = 1
    waited: bool = False
    """The leases at hand did not cover it."""


class Wanted(msgspec.Struct, frozen=True):
    """A call as far as its price depends on it."""

    call: Call
    dialect: Dialect
    """The client's."""
    terms: Terms
    fit: Fit

    @property
    def most(self) -> int:
        """Tokens of output in each choice, when money does not matter."""
        if self.call.operation in EMBEDDING_OPERATIONS:
            return 0
        return self.fit.output_ceiling or RESERVE_OUTPUT_TOKENS_UNKNOWN

    @property
    def least(self) -> int:
        """With fewer the call is of no use; what its client names is what it wants."""
        return self.most if self.call.output_tokens_cap else min(self.most, RESERVE_OUTPUT_TOKENS)

    def bound(self) -> CostBound:
        """By the size of the body, at no cost."""
        call = self.fit.multiplied(self.call)
        return self._bound(call.input_bytes + _named_tokens(call), long_cache=False)

    async def refined_bound(self, count: Count) -> CostBound:
        """By its counted text. What else stands in the body has no better bound than its size."""
        call = self.call
        text, overhead = await input_of(self.dialect, call)
        tokens = await count_or_guess(count, text, call.model) + overhead
        if call.has_media:
            tokens += max(0, call.input_bytes - len(text))
        long_cache = any(_AN_HOUR in bytes(raw) for raw in call.fields.values())
        return self._bound((tokens + _named_tokens(call)) * self.fit.copies, long_cache=long_cache)

    def _bound(self, input_tokens: int, *, long_cache: bool) -> CostBound:
        call = self.call
        return cost_bound(
            in_modes(self.terms.price, _dearer(self.fit.modes, self.terms.price)),
            input_tokens,
            choices=call.choices,
            ratio_ppm=self.terms.ratio_ppm,
            context_tokens=self.terms.model.context_tokens * self.fit.copies,
            images=call.images > 0,
            audio=call.has_audio,
            long_cache=long_cache,
            calls=self.fit.calls_in_all(),
        )

    def span(self, bound: CostBound) -> Span:
        """The amounts between which the call can be served."""

        def advice(available: Nanos) -> str:
            fitting = bound.output_tokens(available)
            if not fitting:
                return "Top up, or send less."
            return f"Set '{self.dialect.cap_field}' to {fitting} or less, or top up."

        most, least = self.most, self.least
        dearest = bound.nanos(most)
        return Span(dearest, dearest if least == most else bound.nanos(least), advice)


def _dearer(modes: tuple[str, ...], price: Price) -> tuple[str, ...]:
    """An upstream may serve a call in the usual way that asked for less."""
    return tuple(mode for mode in modes if price.modes.get(mode, PPM) > PPM) if modes else ()


def _named_tokens(call: Call) -> int:
    """Of what stands behind URLs and ids, and of pictures."""
    return call.images * RESERVE_IMAGE_TOKENS + call.files * RESERVE_FILE_TOKENS


async def reserve(funds: Funds, reservation: str, who: Principal, wanted: Wanted, count: Count) -> Hold:
    """Holds the price on the wallet and the key's budget. Raises ApiError ``quota``."""
    bound, choices = wanted.bound(), wanted.call.choices
    span = wanted.span(bound)
    if funds.hold(reservation, legs_of(who, span.most)):
        return Hold(bound, wanted.most, choices)

    async def refine() -> Span:
        nonlocal bound
        bound = await wanted.refined_bound(count)
        return wanted.span(bound)

    held = await funds.hold_with_help(reservation, who, span, refine)
    covered = bound.output_tokens(held)
    tokens = wanted.most if covered is None else min(wanted.most, max(wanted.least, covered))
    return Hold(bound, tokens, choices, waited=True)


class Cover:
    """The money that is held for one call, as its candidates come."""

    __slots__ = ("_count", "_funds", "_reservation", "hold", "wanted")

    def __init__(self, funds: Funds, reservation: str, wanted: Wanted, hold: Hold, count: Count) -> None:
        self._funds = funds
        self._reservation = reservation
        self._count = count
        self.wanted = wanted
        self.hold = hold

    async def reach(self, fit: Fit) -> bool:
        """Sees to it that a further candidate is covered, which may be dearer: it is called more often, or
        offers more tools of its own. Whether more is held now. Raises ApiError ``quota``."""
        if fit == self.wanted.fit:
            return False
        wanted = msgspec.structs.replace(self.wanted, fit=fit)
        tokens = wanted.most
        if not wanted.call.output_tokens_cap:
            tokens = min(tokens, self.hold.output_tokens)
        held = min((nanos for _, nanos in self._funds.book.legs(self._reservation)), default=0)
        bound = wanted.bound()
        if bound.nanos(tokens) <= held:
            return False
        bound = await wanted.refined_bound(self._count)
        missing = bound.nanos(tokens) - held
        if missing <= 0:
            return False
        if not await self._funds.raise_hold(self._reservation, missing):
            raise _dearer_elsewhere()
        self.wanted, self.hold = wanted, Hold(bound, tokens, self.hold.choices)
        return True


class Stretch:
    """Keeps what is held for a running stream above what it has written, for an upstream that writes more
    than it was asked for."""

    __slots__ = ("_cut", "_funds", "_hold", "_reservation", "_task", "_tokens")

    def __init__(self, funds: Funds, reservation: str, hold: Hold, cut: Callable[[], None]) -> None:
        """``cut`` ends the stream."""
        self._funds = funds
        self._reservation = reservation
        self._hold = hold
        self._cut = cut
        self._tokens = hold.output_tokens * hold.choices
        """Held, of all choices together."""
        self._task: asyncio.Task[None] | None = None

    def look(self, seen_tokens: int) -> None:
        """To be called now and then with the output that was seen so far."""
        if seen_tokens + HOLD_AHEAD_TOKENS <= self._tokens or self._task is not None:
            return
        least = seen_tokens + HOLD_AHEAD_TOKENS - self._tokens
        if self._price_of(least):
            self._task = asyncio.get_running_loop().create_task(self._grow(least, seen_tokens))

    def close(self) -> None:
        """The stream is over."""
        if self._task is not None:
            self._task.cancel()

    async def _grow(self, least: int, seen_tokens: int) -> None:
        for step in (max(least, HOLD_STEP_TOKENS), least):
            if await self._funds.raise_hold(self._reservation, self._price_of(step)):
                self._tokens += step
                break
        self._task = None
        if seen_tokens > self._tokens:
            self._cut()

    def _price_of(self, step: int) -> Nanos:
        """Of so many tokens more."""
        nanos, choices = self._hold.bound.nanos, self._hold.choices
        return nanos(-(-(self._tokens + step) // choices)) - nanos(-(-self._tokens // choices))


def _dearer_elsewhere() -> ApiError:
    return ApiError(
        QUOTA,
        "What is left of the balance or the key's quota does not cover the call at the next upstream.",
    )


def spent() -> ApiError:
    """What a client hears whose stream is cut."""
    return ApiError(
        QUOTA,
        "The answer is longer than what was held for it, and what is left of the balance or the key's quota "
        "does not cover more of it, so it ends here.",
    )
