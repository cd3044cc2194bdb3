"""Which channels to try for a call, in which order, and why the others were left out: one pure function."""

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Literal

import msgspec

from switchgear.link.snapshot import ChannelView, Snapshot
from switchgear.relay.health import Fitness

LeftOut = Literal["group", "model", "endpoint", "out", "cooling", "dead", "full"]


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One channel with one of its upstream keys."""

    channel: ChannelView
    secret: int
    """Index in ``channel.secrets``; -1 for a channel without any."""
    upstream_model: str
    probe: bool = False
    """It was out; this call finds out whether it is back."""


class Plan(msgspec.Struct, frozen=True):
    """Candidates in the order of trying. ``retry_ns`` is when the first of the resting ones may be tried
    again."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[tuple[str, LeftOut], ...] = ()
    retry_ns: int = 0


class Routes:
    """The channels of a snapshot by (group, model, operation), worked out when first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._tiers: dict[tuple[str, str, str], tuple[tuple[ChannelView, ...], ...]] = {}

    def tiers(self, group: str, model: str, operation: str) -> tuple[tuple[ChannelView, ...], ...]:
        """Channels that serve the call, highest priority first, one tuple for each priority."""
        key = (group, model, operation)
        found = self._tiers.get(key)
        if found is None:
            serving = [c for c in self.snapshot.channels if why_not(c, group, model, operation) is None]
            priorities = sorted({c.priority for c in serving}, reverse=True)
            found = tuple(tuple(c for c in serving if c.priority == priority) for priority in priorities)
            if model in self.snapshot.models:  # a made-up name must not fill the table
                self._tiers[key] = found
        return found


def why_not(channel: ChannelView, group: str, model: str, operation: str) -> LeftOut | None:
    """Why a channel can't serve a call at all; None when it can."""
    if group not in channel.groups:
        return "group"
    if model not in channel.models:
        return "model"
    if operation not in channel.endpoints:
        return "endpoint"
    return None


def plan(
    routes: Routes,
    group: str,
    model: str,
    operation: str,
    fitness: Callable[[str, int, str], Fitness],
    resting_ns: Callable[[str, int, str], int],
    running: Callable[[str], int],
    turn: int,
    draw: Callable[[], float],
) -> Plan:
    """Orders the candidates of a call.

    By priority, within it by chance in proportion to weight. Upstream keys of a channel take turns
    (``turn``); its other keys come after every channel of the same priority. Targets that are out are left
    out, unless all are: then the one that comes back first is tried, as a refusal would be no better.
    ``draw`` gives numbers in [0, 1).
    """
    chosen: list[Candidate] = []
    left_out: list[tuple[str, LeftOut]] = []
    resting: list[tuple[int, Candidate]] = []
    for tier in routes.tiers(group, model, operation):
        spare: list[Candidate] = []
        for channel in _by_weight(tier, draw) if len(tier) > 1 else tier:
            if channel.concurrency_max and running(channel.id) >= channel.concurrency_max:
                left_out.append((channel.id, "full"))
                continue
            fit = _fit_secrets(channel, model, fitness, resting_ns, turn, left_out, resting)
            chosen += fit[:1]
            spare += fit[1:]
        chosen += spare
    if chosen:
        return Plan(tuple(chosen), tuple(left_out))
    outs = sorted((entry for entry in resting if entry[1].probe), key=lambda entry: entry[0])
    retry_ns = min((ns for ns, _ in resting), default=0)
    return Plan(tuple(candidate for _, candidate in outs[:1]), tuple(left_out), retry_ns)


def _fit_secrets(
    channel: ChannelView,
    model: str,
    fitness: Callable[[str, int, str], Fitness],
    resting_ns: Callable[[str, int, str], int],
    turn: int,
    left_out: list[tuple[str, LeftOut]],
    resting: list[tuple[int, Candidate]],
) -> list[Candidate]:
    """The channel's upstream keys that may be tried, the one whose turn it is first."""
    count = len(channel.secrets)
    upstream_model = channel.models[model]
    fit: list[Candidate] = []
    for step in range(max(1, count)):
        secret = (turn + step) % count if count else -1
        state = fitness(channel.id, secret, model)
        if state in ("fit", "probe"):
            fit.append(Candidate(channel, secret, upstream_model, state == "probe"))
            continue
        left_out.append((channel.id, state))  # type: ignore[arg-type]  # "fit" and "probe" went above
        if state != "dead":
            wait_ns = resting_ns(channel.id, secret, model)
            resting.append((wait_ns, Candidate(channel, secret, upstream_model, state == "out")))
    return fit


def _by_weight(tier: tuple[ChannelView, ...], draw: Callable[[], float]) -> list[ChannelView]:
    """A random order in which each next place falls to a channel in proportion to its weight."""
    remaining = list(tier)
    order: list[ChannelView] = []
    while remaining:
        total = sum(channel.weight for channel in remaining)
        if total <= 0:
            index = int(draw() * len(remaining))
        else:
            marks = list(accumulate(channel.weight for channel in remaining))
            index = min(bisect_right(marks, draw() * total), len(remaining) - 1)
        order.append(remaining.pop(index))
    return order
