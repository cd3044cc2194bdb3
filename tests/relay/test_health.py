"""Without this, a broken channel would be asked for ever, or a well one never again."""

from switchgear.kernel.limits import (
    COOL_MAX_S,
    EJECT_AFTER_FAULTS,
    EJECT_BASE_S,
    REFUSED_CREDENTIAL_S,
    UNSERVED_S,
)
from switchgear.link.protocol import ChannelHealth
from switchgear.relay.health import NS, Health


def out(health: Health, now_ns: int) -> None:
    for _ in range(EJECT_AFTER_FAULTS):
        health.faulted("c", "m", now_ns, now_ns)


def test_faults_in_a_row_take_a_target_out_and_an_answer_between_starts_the_count_again() -> None:
    health = Health()
    for _ in range(EJECT_AFTER_FAULTS - 1):
        health.faulted("c", "m", 0, 0)
    assert health.fitness("c", 0, "m", 0) == "fit"
    health.succeeded("c", "m", 0)
    health.faulted("c", "m", 0, 0)
    assert health.fitness("c", 0, "m", 0) == "fit"
    out(health, 0)
    assert health.fitness("c", 0, "m", 0) == "out"
    assert health.fitness("c", 0, "another model", 0) == "fit"


def test_one_probe_at_a_time_decides_about_the_way_back() -> None:
    health = Health()
    out(health, 0)
    back_ns = int(EJECT_BASE_S * NS)
    assert health.fitness("c", 0, "m", back_ns) == "probe"
    health.begin_probe("c", "m")
    assert health.fitness("c", 0, "m", back_ns) == "out"
    health.faulted("c", "m", back_ns, back_ns)
    health.end_probe("c", "m")
    assert health.fitness("c", 0, "m", 2 * back_ns) == "out", "out for twice as long after a failed probe"
    assert health.fitness("c", 0, "m", 3 * back_ns) == "probe"
    health.begin_probe("c", "m")
    health.succeeded("c", "m", 3 * back_ns)
    health.end_probe("c", "m")
    assert health.fitness("c", 0, "m", 3 * back_ns) == "fit"


def test_a_probe_whose_client_left_can_be_made_again() -> None:
    health = Health()
    out(health, 0)
    back_ns = int(EJECT_BASE_S * NS)
    health.begin_probe("c", "m")
    health.end_probe("c", "m")
    assert health.fitness("c", 0, "m", back_ns) == "probe"


def test_a_rate_limit_cools_one_upstream_key_for_one_model_and_a_bounded_time() -> None:
    health = Health()
    health.limited("c", 0, "m", 7.0, 0)
    assert health.fitness("c", 0, "m", 7 * NS - 1) == "cooling"
    assert health.resting_ns("c", 0, "m", 0) == 7 * NS
    assert health.fitness("c", 1, "m", 0) == health.fitness("c", 0, "n", 0) == "fit"
    assert health.fitness("c", 0, "m", 7 * NS) == "fit"
    health.limited("c", 0, "m", 1e9, 0)
    assert health.resting_ns("c", 0, "m", 0) == int(COOL_MAX_S * NS)


def test_a_refused_credential_rests_for_long_or_until_the_configuration_changes() -> None:
    health = Health()
    health.refused_credential("c", 1, 0)
    assert health.fitness("c", 1, "m", int(REFUSED_CREDENTIAL_S * NS) - 1) == "dead"
    assert health.fitness("c", 1, "m", int(REFUSED_CREDENTIAL_S * NS)) == "fit"
    assert health.fitness("c", 0, "m", 0) == "fit"
    health.clear_refused_credentials()
    assert health.fitness("c", 1, "m", 0) == "fit"


def test_many_calls_that_fail_together_take_a_target_out_once() -> None:
    health = Health()
    for at_ns in range(100, 140):
        health.faulted("c", "m", began_ns=0, now_ns=at_ns)
    assert health.resting_ns("c", 0, "m", 140) <= EJECT_BASE_S * NS
    late_ns = 2 * int(EJECT_BASE_S * NS)
    health.faulted("c", "m", began_ns=50, now_ns=late_ns)
    assert health.fitness("c", 0, "m", late_ns) == "probe", "a call from before says nothing about now"


def test_only_the_calls_that_began_since_decide_about_a_probe() -> None:
    health = Health()
    out(health, 100)
    back_ns = 100 + int(EJECT_BASE_S * NS)
    health.begin_probe("c", "m")
    health.faulted("c", "m", began_ns=50, now_ns=back_ns)
    health.succeeded("c", "m", began_ns=50)
    assert health.fitness("c", 0, "m", back_ns) == "out", "the probe still runs"
    health.succeeded("c", "m", began_ns=back_ns)
    health.end_probe("c", "m")
    assert health.fitness("c", 0, "m", back_ns) == "fit"


def test_probes_that_fail_together_count_once() -> None:
    """When all channels are out, the one that comes back first is tried by every call."""
    health = Health()
    out(health, 0)
    for _ in range(40):
        health.begin_probe("c", "m")
    for _ in range(40):
        health.faulted("c", "m", began_ns=10, now_ns=20)
        health.end_probe("c", "m")
    assert health.resting_ns("c", 0, "m", 20) == int(2 * EJECT_BASE_S * NS)


def test_a_second_rate_limit_never_shortens_the_first() -> None:
    health = Health()
    health.limited("c", 0, "m", 60.0, 0)
    health.limited("c", 0, "m", None, 1)
    assert health.resting_ns("c", 0, "m", 0) == 60 * NS


def test_a_model_that_is_not_served_to_one_key_may_be_to_another() -> None:
    health = Health()
    health.unserved("c", 0, "m", 0)
    assert health.fitness("c", 0, "m", 0) == "out"
    assert health.fitness("c", 1, "m", 0) == health.fitness("c", 0, "n", 0) == "fit"
    assert health.fitness("c", 0, "m", int(UNSERVED_S * NS)) == "fit"


def test_each_change_is_reported_once_and_holds_in_another_worker() -> None:
    changes: list[ChannelHealth] = []
    one, other = Health(changes.append), Health()
    out(one, 0)
    for _ in range(3):
        one.faulted("c", "m", 0, 0)
        one.limited("d", 1, "m", 7.0, 0)
        one.refused_credential("e", 0, 0)
        one.unserved("f", 0, "m", 0)
    assert [change.state for change in changes] == ["out", "cooling", "dead", "unserved"]
    for change in changes:
        other.reported(change, 1000)
    for channel, secret in (("c", 0), ("d", 1), ("e", 0), ("f", 0)):
        assert other.fitness(channel, secret, "m", 2000) == one.fitness(channel, secret, "m", 2000) != "fit"
    assert other.fitness("d", 0, "m", 2000) == "fit"
    one.succeeded("c", "m", began_ns=10)
    other.reported(changes[-1], 3000)
    assert other.fitness("c", 0, "m", 3000) == "fit"


def test_calls_in_flight_here_do_not_lengthen_what_another_worker_found_out() -> None:
    health = Health()
    health.reported(ChannelHealth("out", "c", "m", rest_ms=30_000, times=1), 1000)
    for _ in range(40):
        health.faulted("c", "m", began_ns=500, now_ns=2000)
    assert health.resting_ns("c", 0, "m", 1000) == 30 * NS
