"""Without this, retries could ignore priority, ask a disabled upstream, or ask the same one twice."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.facts import ModelFacts
from switchgear.link.snapshot import ChannelView, ModelView, Snapshot
from switchgear.relay.health import Fitness
from switchgear.relay.plan import Plan, Routes, plan
from switchgear.wire.call import Operation

OPERATION = "openai_chat"


def channel(name: str, **changes: object) -> ChannelView:
    facts: dict[str, object] = {
        "id": name,
        "name": name,
        "vendor": "compatible",
        "endpoints": {OPERATION: "http://127.0.0.1/"},
        "auth_header": "authorization",
        "auth_prefix": "Bearer ",
        "secrets": ("s",),
        "models": {"m": "upstream-m"},
        "groups": ("default",),
    }
    return ChannelView(**(facts | changes))  # type: ignore[arg-type]


def routes(*channels: ChannelView) -> Routes:
    return Routes(Snapshot(1, {"default": 1_000_000}, channels, {"m": ModelView("m", "x")}, {}))


class Condition:
    """Health as a table; what it does not name is well."""

    def __init__(self, states: dict[tuple[str, int], Fitness], rest_ns: dict[str, int]) -> None:
        self._states = states
        self._rest_ns = rest_ns

    def troubled(self) -> bool:
        return bool(self._states)

    def fitness(self, channel: str, secret: int, model: str, now_ns: int) -> Fitness:
        assert model == "upstream-m", "health is kept by the upstream's name of a model"
        return self._states.get((channel, secret), "fit")

    def resting_ns(self, channel: str, secret: int, model: str, now_ns: int) -> int:
        return self._rest_ns.get(channel, 1)


def planned(
    table: Routes,
    states: dict[tuple[str, int], Fitness] | None = None,
    *,
    group: str = "default",
    rest_ns: dict[str, int] | None = None,
    running: dict[str, int] | None = None,
    turn: int = 0,
    draws: tuple[float, ...] = (0.0,),
) -> Plan:
    numbers = iter(draws * 50)
    return plan(
        table.tiers(group, "m", OPERATION),
        Condition(states or {}, rest_ns or {}),
        0,
        lambda name: (running or {}).get(name, 0),
        turn,
        lambda: next(numbers),
    )


def names(made: Plan) -> list[str]:
    return [candidate.channel.name for candidate in made.candidates]


def test_priority_comes_before_weight() -> None:
    table = routes(channel("low", priority=0, weight=1000), channel("high", priority=5, weight=1))
    assert names(planned(table, draws=(0.99,))) == ["high", "low"]


def test_the_draw_falls_in_proportion_to_weight() -> None:
    table = routes(channel("a", weight=3), channel("b", weight=1))
    first = Counter(names(planned(table, draws=(step / 100,)))[0] for step in range(100))
    assert first == {"a": 75, "b": 25}


def test_channels_of_other_groups_models_and_endpoints_are_no_candidates() -> None:
    table = routes(
        channel("other group", groups=("vip",)),
        channel("other model", models={"n": "n"}),
        channel("other endpoint", endpoints={"openai_embeddings": "http://127.0.0.1/"}),
        channel("right"),
    )
    assert names(planned(table)) == ["right"]
    assert names(planned(table, group="nobody")) == []


def test_upstream_keys_take_turns_and_spare_ones_come_after_every_channel_of_the_priority() -> None:
    table = routes(channel("a", secrets=("0", "1", "2")), channel("b"), channel("c", priority=-1))
    made = planned(table, turn=1)
    assert [(c.channel.name, c.secret) for c in made.candidates] == [
        ("a", 1),
        ("b", 0),
        ("a", 2),
        ("a", 0),
        ("c", 0),
    ]


def test_when_all_are_out_the_one_that_comes_back_first_is_tried() -> None:
    table = routes(channel("a"), channel("b"))
    made = planned(table, {("a", 0): "out", ("b", 0): "out"}, rest_ns={"a": 50, "b": 20})
    assert names(made) == ["b"]
    assert made.candidates[0].probe


def test_a_cooling_or_dead_channel_is_left_out_and_the_plan_says_why_and_until_when() -> None:
    table = routes(channel("a"), channel("b"))
    made = planned(table, {("a", 0): "cooling", ("b", 0): "dead"}, rest_ns={"a": 9})
    assert made == Plan((), (("a", "cooling"), ("b", "dead")), 9)


def test_a_full_channel_is_passed_over() -> None:
    table = routes(channel("a", concurrency_max=2, priority=1), channel("b"))
    assert names(planned(table, running={"a": 2})) == ["b"]
    assert names(planned(table, running={"a": 1})) == ["a", "b"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=6),
    st.lists(st.sampled_from(["fit", "probe", "out", "cooling", "dead"]), min_size=24, max_size=24),
    st.lists(st.floats(0, 0.999), min_size=1, max_size=5),
    st.integers(0, 100),
)
def test_no_history_gives_a_wrong_plan(
    shapes: list[tuple[int, int, int]], states: list[Fitness], draws: list[float], turn: int
) -> None:
    channels = [
        channel(str(i), priority=priority, weight=weight, secrets=tuple("abc"[:secrets]))
        for i, (priority, weight, secrets) in enumerate(shapes)
    ]
    table = {
        (str(i), secret): states[i * 4 + secret + 1] for i in range(len(channels)) for secret in range(-1, 3)
    }
    made = planned(routes(*channels), table, turn=turn, draws=tuple(draws))
    tried = [(c.channel.name, c.secret) for c in made.candidates]
    assert len(tried) == len(set(tried)), "nothing is tried twice"
    could = [(c.name, s) for c in channels for s in (range(len(c.secrets)) if c.secrets else (-1,))]
    well = [entry for entry in could if table[entry] in ("fit", "probe")]
    if well:
        assert sorted(tried) == sorted(well), "all that can serve, and nothing else"
        assert [c.channel.priority for c in made.candidates] == sorted(
            (c.channel.priority for c in made.candidates), reverse=True
        )
    elif any(table[entry] == "out" for entry in could):
        assert len(tried) == 1
        assert table[tried[0]] == "out"
    else:
        assert tried == []


def test_the_embedded_model_is_asked_only_on_its_endpoints() -> None:
    """A path it does not have would be taken for a fault of it."""
    local = channel("local", local_model="m", endpoints={"openai_completions": "/completions"}, secrets=())
    assert names(planned(routes(local))) == []


def test_a_model_behind_one_door_of_a_vendor_is_not_asked_at_the_other() -> None:
    both = {"openai_chat": "http://h/chat", "openai_responses": "http://h/responses"}
    known = {"upstream-m": ModelFacts(responses_only=True)}
    candidate = planned(routes(channel("a", endpoints=both, facts=known))).candidates[0]
    assert candidate.operations == ("openai_responses",)
    usual = planned(routes(channel("a", endpoints=both))).candidates[0]
    assert usual.operations == ("openai_chat", "openai_responses")
    # A host that shows only the one door converts by itself.
    alone = planned(routes(channel("a", facts=known))).candidates[0]
    assert alone.operations == ("openai_chat",)


@pytest.mark.parametrize("own", ["openai_chat", "openai_responses", "anthropic_messages", "gemini_generate"])
def test_within_a_priority_channels_of_the_clients_own_dialect_come_first(own: Operation) -> None:
    """What passes through loses nothing. An operator's priority still comes before."""
    other: Operation = "openai_chat" if own == "anthropic_messages" else "anthropic_messages"
    table = routes(
        channel("heavy", endpoints={other: "http://127.0.0.1/"}, weight=1000),
        channel("own", endpoints={own: "http://127.0.0.1/", other: "http://127.0.0.1/"}),
        channel("last", endpoints={own: "http://127.0.0.1/"}, priority=-1),
        channel("first", endpoints={other: "http://127.0.0.1/"}, priority=1),
    )
    for draw in (0.0, 0.5, 0.999):
        made = plan(
            table.tiers("default", "m", own), Condition({}, {}), 0, lambda _: 0, 0, lambda draw=draw: draw
        )
        assert [one.channel.id for one in made.candidates] == ["first", "own", "heavy", "last"]
        assert made.candidates[1].operations[0] == own
