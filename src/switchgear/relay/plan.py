"""Which channels to try for a call, in which order, and why the others were left out: one pure function."""

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Literal, Protocol

import msgspec

from switchgear.link.snapshot import ChannelView, Snapshot
from switchgear.relay.health import Fitness
from switchgear.wire.call import Operation

LeftOut = Literal["group", "model", "endpoint", "out", "cooling", "dead", "full"]

WAYS: dict[Operation, tuple[Operation, ...]] = {
    "openai_chat": ("openai_chat", "openai_responses", "anthropic_messages", "gemini_generate"),
    "openai_responses": ("openai_responses", "openai_chat", "anthropic_messages", "gemini_generate"),
    "anthropic_messages": ("anthropic_messages", "openai_responses", "gemini_generate", "openai_chat"),
    "gemini_generate": ("gemini_generate", "openai_responses", "anthropic_messages", "openai_chat"),
    "openai_completions": (
        "openai_completions",
        "openai_chat",
        "openai_responses",
        "anthropic_messages",
        "gemini_generate",
    ),
    "openai_embeddings": ("openai_embeddings", "gemini_embed"),
    "gemini_embed": ("gemini_embed", "openai_embeddings"),
    "anthropic_count_tokens": ("anthropic_count_tokens",),
    "gemini_count_tokens": ("gemini_count_tokens",),
}
"""Operation of a client → the operations of an upstream that can answer it: its own first, then those that
carry most of it."""


_CHAT_WAYS = frozenset(("openai_chat", "openai_completions"))


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One channel with one of its upstream keys."""

    channel: ChannelView
    secret: int
    """Index in ``channel.secrets``; -1 for a channel without any."""
    upstream_model: str
    operations: tuple[Operation, ...]
    """By which it can answer, the best first."""
    probe: bool = False
    """It was out; this call finds out whether it is back."""
    left_out: tuple[tuple[Operation, str], ...] = ()
    """Fields of ours that it refused; see ``relay.refused_fields``."""


class Plan(msgspec.Struct, frozen=True):
    """Candidates in the order of trying. ``retry_ns`` is when the first of the resting ones may be tried
    again."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[tuple[str, LeftOut], ...] = ()
    retry_ns: int = 0


class Option(msgspec.Struct, frozen=True):
    """A channel that serves a call, with its candidates as they are while it is well."""

    channel: ChannelView
    candidates: tuple[Candidate, ...]
    """One for each upstream key, in their order."""


class Routes:
    """The channels of a snapshot by (group, model, operation), worked out when first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._tiers: dict[tuple[str, str, str], tuple[tuple[Option, ...], ...]] = {}

    def tiers(self, group: str, model: str, operation: Operation) -> tuple[tuple[Option, ...], ...]:
        """Channels that serve the call, highest priority first; within a priority those that speak the
        client's own dialect come before the others."""
        key = (group, model, operation)
        found = self._tiers.get(key)
        if found is None:
            found = _tiers(
                [
                    _option(channel, model, operation)
                    for channel in self.snapshot.channels
                    if why_not(channel, group, model, operation) is None
                ],
                operation,
            )
            if model in self.snapshot.models:  # a made-up name must not fill the table
                self._tiers[key] = found
        return found


def _tiers(options: list[Option], operation: Operation) -> tuple[tuple[Option, ...], ...]:
    ranked: dict[tuple[int, bool], list[Option]] = {}
    for option in options:
        converts = option.candidates[0].operations[0] != operation
        ranked.setdefault((-option.channel.priority, converts), []).append(option)
    return tuple(tuple(ranked[rank]) for rank in sorted(ranked))


def _option(channel: ChannelView, model: str, operation: Operation) -> Option:
    secrets = range(len(channel.secrets)) if channel.secrets else (-1,)
    upstream_model = channel.models[model]
    ways = ways_of(channel, upstream_model, operation)
    return Option(channel, tuple(Candidate(channel, secret, upstream_model, ways) for secret in secrets))


def ways_of(channel: ChannelView, upstream_model: str, operation: Operation) -> tuple[Operation, ...]:
    """The operations by which a channel can answer, the best first. Where both doors of OpenAI are there, a
    model that answers behind one of them only is not asked at the other."""
    ways = tuple(way for way in WAYS[operation] if way in channel.endpoints)
    facts = channel.facts.get(upstream_model)
    if facts is not None and facts.responses_only and "openai_responses" in ways:
        return tuple(way for way in ways if way not in _CHAT_WAYS)
    return ways


def why_not(channel: ChannelView, group: str, model: str, operation: Operation) -> LeftOut | None:
    """Why a channel can't serve a call at all; None when it can."""
    if group not in channel.groups:
        return "group"
    if model not in channel.models:
        return "model"
    if not ways_of(channel, channel.models[model], operation):
        return "endpoint"
    return None


class Condition(Protocol):
    """How the channels are, as a plan wants to know it."""

    def troubled(self) -> bool:
        """False: every channel is well, so none needs to be asked about."""

    def fitness(self, channel: str, secret: int, model: str, now_ns: int) -> Fitness:
        """Whether an upstream key of a channel may be tried for a model (the upstream's name of it)."""

    def resting_ns(self, channel: str, secret: int, model: str, now_ns: int) -> int:
        """How long until it may be tried again."""


def plan(
    tiers: tuple[tuple[Option, ...], ...],
    condition: Condition,
    now_ns: int,
    running: Callable[[str], int],
    turn: int,
    draw: Callable[[], float],
) -> Plan:
    """Orders the candidates of a call.

    By priority, within it by chance in proportion to weight. Upstream keys of a channel take turns
    (``turn``); its other keys come after every channel of the same priority. Targets that are out are left
    out, unless all are: then the one that comes back first is tried, as a refusal would be no better.
    ``running`` gives the calls in flight of a channel, ``draw`` numbers in [0, 1).
    """
    chosen: list[Candidate] = []
    left_out: list[tuple[str, LeftOut]] = []
    resting: list[tuple[int, Candidate]] = []
    troubled = condition.troubled()
    for tier in tiers:
        spare: list[Candidate] = []
        for option in _by_weight(tier, draw) if len(tier) > 1 else tier:
            cap = option.channel.concurrency_max
            if cap and running(option.channel.id) >= cap:
                left_out.append((option.channel.id, "full"))
                continue
            fit = _from_turn(option.candidates, turn)
            if troubled:
                fit = _fit(fit, condition, now_ns, left_out, resting)
            chosen += fit[:1]
            spare += fit[1:]
        chosen += spare
    if chosen:
        return Plan(tuple(chosen), tuple(left_out))
    outs = sorted((entry for entry in resting if entry[1].probe), key=lambda entry: entry[0])
    retry_ns = min((ns for ns, _ in resting), default=0)
    return Plan(tuple(candidate for _, candidate in outs[:1]), tuple(left_out), retry_ns)


def _from_turn(candidates: tuple[Candidate, ...], turn: int) -> tuple[Candidate, ...]:
    if len(candidates) == 1:
        return candidates
    first = turn % len(candidates)
    return candidates[first:] + candidates[:first]


def _fit(
    candidates: tuple[Candidate, ...],
    condition: Condition,
    now_ns: int,
    left_out: list[tuple[str, LeftOut]],
    resting: list[tuple[int, Candidate]],
) -> tuple[Candidate, ...]:
    """Those of one channel's candidates that may be tried."""
    fit: list[Candidate] = []
    for candidate in candidates:
        channel, secret, model = candidate.channel.id, candidate.secret, candidate.upstream_model
        state = condition.fitness(channel, secret, model, now_ns)
        if state == "fit":
            fit.append(candidate)
        elif state == "probe":
            fit.append(msgspec.structs.replace(candidate, probe=True))
        else:
            left_out.append((channel, state))
            if state != "dead":
                wait_ns = condition.resting_ns(channel, secret, model, now_ns)
                resting.append((wait_ns, msgspec.structs.replace(candidate, probe=state == "out")))
    return tuple(fit)


def _by_weight(tier: tuple[Option, ...], draw: Callable[[], float]) -> list[Option]:
    """A random order in which each next place falls to a channel in proportion to its weight."""
    remaining = list(tier)
    order: list[Option] = []
    while remaining:
        total = sum(option.channel.weight for option in remaining)
        if total <= 0:
            index = int(draw() * len(remaining))
        else:
            marks = list(accumulate(option.channel.weight for option in remaining))
            index = min(bisect_right(marks, draw() * total), len(remaining) - 1)
        order.append(remaining.pop(index))
    return order
