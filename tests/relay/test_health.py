"""Without this, a broken channel would be asked for ever, or a well one never again."""

from switchgear.kernel.limits import COOL_MAX_S, EJECT_AFTER_FAULTS, EJECT_BASE_S, REFUSED_CREDENTIAL_S
from switchgear.relay.health import NS, Health


def out(health: Health, now_ns: int) -> None:
    for _ in range(EJECT_AFTER_FAULTS):
        health.faulted("c", "m", now_ns)


def test_faults_in_a_row_take_a_target_out_and_an_answer_between_starts_the_count_again() -> None:
    health = Health()
    for _ in range(EJECT_AFTER_FAULTS - 1):
        health.faulted("c", "m", 0)
    assert health.fitness("c", 0, "m", 0) == "fit"
    health.succeeded("c", "m")
    health.faulted("c", "m", 0)
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
    health.faulted("c", "m", back_ns)
    assert health.fitness("c", 0, "m", 2 * back_ns) == "out", "out for twice as long after a failed probe"
    assert health.fitness("c", 0, "m", 3 * back_ns) == "probe"
    health.begin_probe("c", "m")
    health.succeeded("c", "m")
    assert health.fitness("c", 0, "m", 3 * back_ns) == "fit"


def test_a_probe_whose_client_left_can_be_made_again() -> None:
    health = Health()
    out(health, 0)
    back_ns = int(EJECT_BASE_S * NS)
    health.begin_probe("c", "m")
    health.released("c", "m")
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
    health.forgive()
    assert health.fitness("c", 1, "m", 0) == "fit"
