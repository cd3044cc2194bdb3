"""Which channels are fit to be tried: faults counted by channel and model, with a half-open probe on the way
back.

States of one (channel, model): well → out (after EJECT_AFTER_FAULTS upstream faults in a row, for
EJECT_BASE_S × times in a row) → probing (one call is let through) → well or out again. A rate limit cools one
upstream key for one model; a refused credential takes that key out for REFUSED_CREDENTIAL_S, or until the
configuration changes. Client
faults count for nothing.
"""

from typing import Literal

from switchgear.kernel.limits import (
    COOL_DEFAULT_S,
    COOL_MAX_S,
    EJECT_AFTER_FAULTS,
    EJECT_BASE_S,
    EJECT_MAX_S,
    REFUSED_CREDENTIAL_S,
)

NS = 1_000_000_000

Fitness = Literal["fit", "probe", "out", "cooling", "dead"]


class _Target:
    __slots__ = ("faults", "out_until_ns", "probing", "times_out")

    def __init__(self) -> None:
        self.faults = 0
        self.times_out = 0
        self.out_until_ns = 0
        self.probing = False


class Health:
    """The health of one worker's channels. Times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._targets: dict[tuple[str, str], _Target] = {}
        self._cooling: dict[tuple[str, int, str], int] = {}
        self._dead: dict[tuple[str, int], int] = {}

    def forgive(self) -> None:
        """A new configuration: refused credentials may be right now."""
        self._dead.clear()

    def troubled(self) -> bool:
        """Whether anything at all is known against any channel."""
        return bool(self._targets or self._cooling or self._dead)

    def fitness(self, channel: str, secret: int, model: str, now_ns: int) -> Fitness:
        """Whether a channel's upstream key may be tried for a model."""
        if self._dead and self._dead.get((channel, secret), 0) > now_ns:
            return "dead"
        if self._cooling and self._cooling.get((channel, secret, model), 0) > now_ns:
            return "cooling"
        target = self._targets.get((channel, model))
        if target is None or not target.times_out:
            return "fit"
        if target.probing or target.out_until_ns > now_ns:
            return "out"
        return "probe"

    def begin_probe(self, channel: str, model: str) -> None:
        """One call goes to a target that was out; the others wait for its end."""
        target = self._targets.get((channel, model))
        if target is not None:
            target.probing = True

    def succeeded(self, channel: str, model: str) -> None:
        """An answer came: the target is well."""
        if self._targets:
            self._targets.pop((channel, model), None)

    def released(self, channel: str, model: str) -> None:
        """A try ended without a verdict (the client left): a probe may be made again."""
        target = self._targets.get((channel, model))
        if target is not None:
            target.probing = False

    def faulted(self, channel: str, model: str, now_ns: int) -> None:
        """A fault of the upstream's: counts towards taking the target out."""
        target = self._targets.setdefault((channel, model), _Target())
        target.faults += 1
        if target.probing or target.faults >= EJECT_AFTER_FAULTS:
            target.times_out += 1
            out_s = min(EJECT_BASE_S * target.times_out, EJECT_MAX_S)
            target.out_until_ns = now_ns + int(out_s * NS)
            target.faults = 0
            target.probing = False

    def limited(
        self, channel: str, secret: int, model: str, retry_after_s: float | None, now_ns: int
    ) -> None:
        """A rate limit: this upstream key rests for this model."""
        cool_s = min(retry_after_s or COOL_DEFAULT_S, COOL_MAX_S)
        self._cooling = {entry: until for entry, until in self._cooling.items() if until > now_ns}
        self._cooling[channel, secret, model] = now_ns + int(cool_s * NS)

    def refused_credential(self, channel: str, secret: int, now_ns: int) -> None:
        """The upstream does not take this key of the channel, or its account is out of money."""
        self._dead[channel, secret] = now_ns + int(REFUSED_CREDENTIAL_S * NS)

    def resting_ns(self, channel: str, secret: int, model: str, now_ns: int) -> int:
        """How long until it may be tried again; 0 when it may now."""
        until_ns = self._cooling.get((channel, secret, model), 0)
        target = self._targets.get((channel, model))
        if target is not None and target.times_out:
            until_ns = max(until_ns, target.out_until_ns)
        return max(0, until_ns - now_ns)
