"""How fast models write, as seen in calls that ended: by it the price of silent reasoning is estimated.

Speed is output over the whole time from sending the request, so waiting for the first token makes it slower,
never faster.
"""

import msgspec

from switchgear.kernel.limits import (
    HIDDEN_TOKENS_PER_S,
    PACE_TOKENS_KEPT_MAX,
    PACE_TOKENS_MIN,
    PACE_TOKENS_PER_S_MAX,
    PACES_MAX,
)
from switchgear.kernel.usage import Usage

NS = 1_000_000_000


class _Pace(msgspec.Struct, gc=False):
    tokens: int = 0
    ns: int = 0
    reasons: bool = False
    """It has reported reasoning."""


class Paces:
    """Of the models of one worker's channels; bounded, the one that was silent longest goes first."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, str], _Pace] = {}

    def saw(self, channel: str, model: str, usage: Usage, took_ns: int) -> None:
        """A whole answer that the upstream counted, and that no client held up."""
        tokens = usage.output_total
        if tokens < PACE_TOKENS_MIN or took_ns <= 0:
            return
        pace = self._paces.pop((channel, model), None) or _Pace()
        if len(self._paces) >= PACES_MAX:
            del self._paces[next(iter(self._paces))]
        self._paces[channel, model] = pace
        pace.tokens += tokens
        pace.ns += took_ns
        pace.reasons = pace.reasons or usage.reasoning > 0
        while pace.tokens > PACE_TOKENS_KEPT_MAX:
            pace.tokens //= 2
            pace.ns //= 2

    def reasons(self, channel: str, model: str) -> bool:
        """Whether the model has reported reasoning there."""
        pace = self._paces.get((channel, model))
        return pace is not None and pace.reasons

    def tokens_in(self, channel: str, model: str, ns: int) -> int:
        """What the model writes in a time, as far as is known of it."""
        pace = self._paces.get((channel, model))
        if pace is None or not pace.ns:
            return ns * HIDDEN_TOKENS_PER_S // NS
        return min(ns * pace.tokens // pace.ns, ns * PACE_TOKENS_PER_S_MAX // NS)
