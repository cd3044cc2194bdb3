"""The metrics page. Without these a counter could fall at a restart, or a page could be one that
Prometheus refuses."""

from prometheus_client.parser import text_string_to_metric_families

from switchgear.control import metrics as metrics_module
from switchgear.control.metrics import METRICS, Metrics
from switchgear.link.protocol import HISTOGRAM_BOUNDS_US, Stats

BUCKETS = len(HISTOGRAM_BOUNDS_US) + 1


def stats(requests: int, in_flight: int = 0, buckets: dict[int, int] | None = None, sum_us: int = 0) -> Stats:
    counts = tuple((buckets or {}).get(index, 0) for index in range(BUCKETS))
    return Stats(
        counters={"requests_total|end=complete|model=a": requests},
        gauges={"in_flight": in_flight},
        histograms={"own_seconds": (*counts, sum_us)},
    )


def samples(metrics: Metrics) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(metrics.page()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}[{labels}]" if labels else sample.name] = sample.value
    return found


def test_workers_are_added_up_and_a_repeat_counts_once():
    metrics = Metrics()
    metrics.take("e1", stats(5, in_flight=2))
    metrics.take("e1", stats(7, in_flight=1))
    metrics.take("e2", stats(10, in_flight=4))
    page = samples(metrics)
    assert page["switchgear_requests_total[end=complete,model=a]"] == 17
    assert page["switchgear_in_flight"] == 5


def test_a_counter_never_falls_when_a_worker_life_ends():
    metrics = Metrics()
    metrics.take("e1", stats(5, in_flight=2))
    metrics.disconnect("e1")
    assert samples(metrics)["switchgear_requests_total[end=complete,model=a]"] == 5
    assert "switchgear_in_flight" not in samples(metrics)
    metrics.bury("e1")
    metrics.bury("e1")
    metrics.take("e2", stats(1))
    assert samples(metrics)["switchgear_requests_total[end=complete,model=a]"] == 6
    assert list(metrics._epochs) == ["e2"]


def test_histograms_are_cumulative_and_in_seconds():
    metrics = Metrics()
    metrics.take("e1", stats(1, buckets={0: 2, 2: 1}, sum_us=1_500_000))
    metrics.take("e2", stats(1, buckets={BUCKETS - 1: 1}, sum_us=500_000))
    page = samples(metrics)
    assert page["switchgear_own_seconds_bucket[le=5e-05]"] == 2
    assert page["switchgear_own_seconds_bucket[le=0.0002]"] == 3
    assert page["switchgear_own_seconds_bucket[le=+Inf]"] == 4
    assert page["switchgear_own_seconds_count"] == 4
    assert page["switchgear_own_seconds_sum"] == 2.0


def test_own_gauges_and_odd_label_values_stand_on_the_page():
    metrics = Metrics()
    metrics.set("ledger_drift_nanos", 0)
    metrics.count('channel_faults_total|channel=a "b"\\c|kind=auth=x')
    page = samples(metrics)
    assert page["switchgear_ledger_drift_nanos"] == 0
    assert page['switchgear_channel_faults_total[channel=a "b"\\c,kind=auth=x]'] == 1
    assert "must be 0" in metrics.page()


def test_a_worker_can_not_fill_the_memory_or_break_the_page(monkeypatch):
    monkeypatch.setattr(metrics_module, "METRIC_SERIES_MAX", 3)
    metrics = Metrics()
    many = {f"m|i={index}": 1 for index in range(10)}
    metrics.take("e1", Stats(counters=many, gauges={}, histograms={"bad": (1, 2)}))
    page = samples(metrics)
    assert sum(name.startswith("switchgear_m_total") for name in page) == 3
    assert page["switchgear_stats_dropped_total"] == 8


def test_the_table_names_each_metric_once_and_by_its_kind():
    assert len({row.name for row in METRICS}) == len(METRICS)
    assert all(row.name.startswith("switchgear_") and row.help for row in METRICS)
    assert all(row.name.endswith("_total") == (row.kind == "counter") for row in METRICS)
