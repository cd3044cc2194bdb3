"""Which channels are fit to be tried: faults counted by channel and model, with a half-open probe on the way
back.

States of one (channel, model): well → out (after EJECT_AFTER_FAULTS upstream faults in a row, for
EJECT_BASE_S × times in a row) → probing (one call is let through) → well or out again. A verdict counts only
when its call began after the target's last change of state: many calls that fail together take it out once. A
rate limit cools one upstream key for one model; a refused credential takes that key out for
REFUSED_CREDENTIAL_S, or until the configuration changes; a model that the upstream does not serve to a key
takes the key out for that model for UNSERVED_S. Client faults count for nothing.

Each change is reported, so that the other workers need not find it out by faults of their own.
"""

from collections.abc import Callable
from typing import Literal

from switchgear.kernel.limits import (
    COOL_DEFAULT_S,
    COOL_MAX_S,
    EJECT_AFTER_FAULTS,
    EJECT_BASE_S,
    EJECT_MAX_S,
    REFUSED_CREDENTIAL_S,
    UNSERVED_S,
)
from switchgear.link.protocol import ChannelHealth

NS = 1_000_000_000
_MS = 1_000_000

Fitness = Literal["fit", "probe", "out", "cooling", "dead"]
Report = Callable[[ChannelHealth], None]


def _keep_quiet(change: ChannelHealth) -> None:
    """For a worker without others."""


class _Target:
    __slots__ = ("changed_ns", "faults", "out_until_ns", "probes", "times_out")

    def __init__(self) -> None:
        self.faults = 0
        self.times_out = 0
        self.changed_ns = 0
        """When it was last taken out."""
        self.out_until_ns = 0
        self.probes = 0
        """Calls that run to find out whether it is back."""

    def is_stale(self, began_ns: int) -> bool:
        """Whether a call began too early to say anything about the state that the target is in."""
        return self.times_out > 0 and began_ns <= self.changed_ns


class Health:
    """The health of one worker's channels. Times are monotonic nanoseconds; ``began_ns`` is when the call
    that brought a verdict was sent."""

    def __init__(self, report: Report = _keep_quiet) -> None:
        self._report = report
        self._targets: dict[tuple[str, str], _Target] = {}
        self._cooling: dict[tuple[str, int, str], int] = {}
        self._dead: dict[tuple[str, int], int] = {}
        self._unserved: dict[tuple[str, int, str], int] = {}

    def clear_refused_credentials(self) -> None:
        """A new configuration: refused credentials may be right now, and models served."""
        self._dead.clear()
        self._unserved.clear()

    def troubled(self) -> bool:
        """Whether anything at all is known against any channel."""
        return bool(self._targets or self._cooling or self._dead or self._unserved)

    def has_fault(self, channel: str, secret: int, model: str, now_ns: int) -> bool:
        """Whether anything is known against an upstream key of a channel for a model, if only one fault."""
        return (channel, model) in self._targets or self.fitness(channel, secret, model, now_ns) != "fit"

    def fitness(self, channel: str, secret: int, model: str, now_ns: int) -> Fitness:
        """Whether a channel's upstream key may be tried for a model."""
        if self._dead and self._dead.get((channel, secret), 0) > now_ns:
            return "dead"
        if self._cooling and self._cooling.get((channel, secret, model), 0) > now_ns:
            return "cooling"
        if self._unserved and self._unserved.get((channel, secret, model), 0) > now_ns:
            return "out"
        target = self._targets.get((channel, model))
        if target is None or not target.times_out:
            return "fit"
        if target.probes or target.out_until_ns > now_ns:
            return "out"
        return "probe"

    def begin_probe(self, channel: str, model: str) -> None:
        """One call goes to a target that was out; the others wait for its end."""
        target = self._targets.get((channel, model))
        if target is not None:
            target.probes += 1

    def end_probe(self, channel: str, model: str) -> None:
        """That call is over. Where it brought no verdict (the client left), another may be made."""
        target = self._targets.get((channel, model))
        if target is not None and target.probes:
            target.probes -= 1

    def succeeded(self, channel: str, model: str, began_ns: int) -> None:
        """An answer came: the target is well."""
        if not self._targets:
            return
        target = self._targets.get((channel, model))
        if target is None or target.is_stale(began_ns):
            return
        del self._targets[channel, model]
        if target.times_out:
            self._report(ChannelHealth("back", channel, model))

    def faulted(self, channel: str, model: str, began_ns: int, now_ns: int) -> None:
        """A fault of the upstream's: counts towards taking the target out."""
        target = self._targets.setdefault((channel, model), _Target())
        if target.is_stale(began_ns):
            return
        target.faults += 1
        if target.times_out or target.faults >= EJECT_AFTER_FAULTS:
            self._take_out(target, channel, model, now_ns)

    def unserved(self, channel: str, secret: int, model: str, now_ns: int) -> None:
        """The upstream says that it does not serve this model to this key, or not here: every call would fail
        so."""
        entry = (channel, secret, model)
        is_known = self._unserved.get(entry, 0) > now_ns
        self._unserved = _lasting(self._unserved, now_ns)
        self._unserved[entry] = now_ns + int(UNSERVED_S * NS)
        if not is_known:
            self._report(ChannelHealth("unserved", channel, model, secret, int(UNSERVED_S * 1000)))

    def limited(
        self, channel: str, secret: int, model: str, retry_after_s: float | None, now_ns: int
    ) -> None:
        """A rate limit: this upstream key rests for this model."""
        rest_ns = int(min(retry_after_s or COOL_DEFAULT_S, COOL_MAX_S) * NS)
        self._cooling = _lasting(self._cooling, now_ns)
        known_ns = self._cooling.get((channel, secret, model), 0)
        self._cooling[channel, secret, model] = max(known_ns, now_ns + rest_ns)
        if not known_ns:
            self._report(ChannelHealth("cooling", channel, model, secret, rest_ns // _MS))

    def refused_credential(self, channel: str, secret: int, now_ns: int) -> None:
        """The upstream does not take this key of the channel, or its account is out of money."""
        is_known = self._dead.get((channel, secret), 0) > now_ns
        self._dead[channel, secret] = now_ns + int(REFUSED_CREDENTIAL_S * NS)
        if not is_known:
            rest_ms = int(REFUSED_CREDENTIAL_S * 1000)
            self._report(ChannelHealth("dead", channel, secret=secret, rest_ms=rest_ms))

    def reported(self, change: ChannelHealth, now_ns: int) -> None:
        """What another worker found out."""
        until_ns = now_ns + change.rest_ms * _MS
        channel, model, secret = change.channel, change.model, change.secret
        match change.state:
            case "out":
                target = self._targets.setdefault((channel, model), _Target())
                target.times_out = max(target.times_out, change.times)
                target.out_until_ns = max(target.out_until_ns, until_ns)
                target.changed_ns = now_ns
                target.faults = 0
            case "back":
                self._targets.pop((channel, model), None)
            case "dead":
                self._dead[channel, secret] = max(self._dead.get((channel, secret), 0), until_ns)
            case _:
                known = self._cooling if change.state == "cooling" else self._unserved
                entry = (channel, secret, model)
                known[entry] = max(known.get(entry, 0), until_ns)

    def resting_ns(self, channel: str, secret: int, model: str, now_ns: int) -> int:
        """How long until it may be tried again; 0 when it may now."""
        entry = (channel, secret, model)
        until_ns = max(self._cooling.get(entry, 0), self._unserved.get(entry, 0))
        target = self._targets.get((channel, model))
        if target is not None and target.times_out:
            until_ns = max(until_ns, target.out_until_ns)
        return max(0, until_ns - now_ns)

    def _take_out(self, target: _Target, channel: str, model: str, now_ns: int) -> None:
        target.times_out += 1
        target.faults = 0
        out_s = min(EJECT_BASE_S * target.times_out, EJECT_MAX_S)
        target.out_until_ns = now_ns + int(out_s * NS)
        target.changed_ns = now_ns
        rest_ms = int(out_s * 1000)
        self._report(ChannelHealth("out", channel, model, rest_ms=rest_ms, times=target.times_out))


def _lasting(known: dict[tuple[str, int, str], int], now_ns: int) -> dict[tuple[str, int, str], int]:
    return {entry: until for entry, until in known.items() if until > now_ns}
