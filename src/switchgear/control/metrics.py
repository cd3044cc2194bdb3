"""Metrics of the node as Prometheus text: the workers' cumulative series added up, and the controller's own.

A worker life's counters are kept apart while it lives, and folded into one base when its epoch is buried, so
that sums never fall and memory does not grow with restarts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from switchgear.kernel.limits import METRIC_SERIES_MAX
from switchgear.link.protocol import HISTOGRAM_BOUNDS_US, Stats

PREFIX = "switchgear_"
MetricKind = Literal["counter", "gauge", "histogram"]


class MetricRow(msgspec.Struct, frozen=True):
    """One line of the reference: what a metric is called, and what it says."""

    name: str
    kind: MetricKind
    help: str


METRICS: tuple[MetricRow, ...] = (
    MetricRow(
        "switchgear_ledger_drift_nanos",
        "gauge",
        "Difference between stored balances and the sum of transfers; must be 0.",
    ),
    MetricRow("switchgear_ingest_lag_bytes", "gauge", "Journal bytes on disk, not in the database yet."),
    MetricRow("switchgear_ingest_records_total", "counter", "Records ingested since the controller started."),
    MetricRow(
        "switchgear_ingest_bad_records_total",
        "counter",
        "Journal records or segments that could not be read; each is kept in a quarantine file.",
    ),
    MetricRow("switchgear_workers_live", "gauge", "Workers connected to the controller."),
    MetricRow("switchgear_leases_outstanding_nanos", "gauge", "Money that workers hold in leases."),
    MetricRow("switchgear_config_version", "gauge", "Version of the configuration that workers were given."),
    MetricRow(
        "switchgear_snapshot_failures_total",
        "counter",
        "Configurations that could not be compiled; the one before stays in force.",
    ),
    MetricRow("switchgear_recalls_total", "counter", "Recalls sent to workers."),
    MetricRow(
        "switchgear_channel_faults_total",
        "counter",
        "Times an upstream refused a channel's credential, by channel and kind.",
    ),
    MetricRow(
        "switchgear_usage_folded_total",
        "counter",
        "Records older than their retention, summed by account and day.",
    ),
    MetricRow("switchgear_disk_free_bytes", "gauge", "Free on the disk of the data folder."),
    MetricRow("switchgear_stats_dropped_total", "counter", "Worker series dropped as malformed or too many."),
)
"""The controller's own. What a worker sends under another name is served too, with a plain help line."""

_HELP = {row.name: row.help for row in METRICS}
_Labels = tuple[tuple[str, str], ...]
T = TypeVar("T")


class _Sums:
    """Cumulative figures by series."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.histograms: dict[str, tuple[int, ...]] = {}

    def add(self, other: "_Sums") -> None:
        for key, value in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + value
        for key, figures in other.histograms.items():
            mine = self.histograms.get(key, (0,) * len(figures))
            self.histograms[key] = tuple(a + b for a, b in zip(mine, figures, strict=True))


class Metrics(Collector):
    """All series of the node. Not thread-safe: it lives on the controller's loop."""

    def __init__(self) -> None:
        self._epochs: dict[str, _Sums] = {}
        self._worker_gauges: dict[str, dict[str, int]] = {}
        self._base = _Sums()
        self._gauges: dict[str, int] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def take(self, epoch: str, stats: Stats) -> None:
        """Replaces what is known of a live epoch; its figures are cumulative."""
        sums = _Sums()
        sums.counters = self._within_bounds(stats.counters)
        length = len(HISTOGRAM_BOUNDS_US) + 2
        whole = {key: figures for key, figures in stats.histograms.items() if len(figures) == length}
        self.count("stats_dropped_total", len(stats.histograms) - len(whole))
        sums.histograms = self._within_bounds(whole)
        self._epochs[epoch] = sums
        self._worker_gauges[epoch] = self._within_bounds(stats.gauges)

    def disconnect(self, epoch: str) -> None:
        """A worker is away: its gauges mean nothing now, its counters stay."""
        self._worker_gauges.pop(epoch, None)

    def bury(self, epoch: str) -> None:
        """A worker life is over: what it counted goes into the base."""
        self.disconnect(epoch)
        sums = self._epochs.pop(epoch, None)
        if sums is not None:
            self._base.add(sums)

    def count(self, key: str, more: int = 1) -> None:
        """Adds to a counter of the controller; ``key`` is ``name|label=value|…``."""
        if more:
            self._base.counters[key] = self._base.counters.get(key, 0) + more

    def set(self, key: str, value: int) -> None:
        """Sets a gauge of the controller."""
        self._gauges[key] = value

    def page(self) -> str:
        """The Prometheus text of everything."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """What ``prometheus_client`` asks for at each page."""
        total = _Sums()
        total.add(self._base)
        for sums in self._epochs.values():
            total.add(sums)
        gauges = dict(self._gauges)
        for worker in self._worker_gauges.values():
            for key, value in worker.items():
                gauges[key] = gauges.get(key, 0) + value
        for name, counts in _by_name(total.counters.items()):
            yield _counter(name, counts)
        for name, values in _by_name(gauges.items()):
            yield _gauge(name, values)
        for name, figures in _by_name(total.histograms.items()):
            yield _histogram(name, figures)

    def _within_bounds(self, series: dict[str, T]) -> dict[str, T]:
        if len(series) <= METRIC_SERIES_MAX:
            return series
        self.count("stats_dropped_total", len(series) - METRIC_SERIES_MAX)
        return dict(list(series.items())[:METRIC_SERIES_MAX])


def _by_name(series: Iterable[tuple[str, T]]) -> list[tuple[str, dict[_Labels, T]]]:
    """Metric name → labels → figure, from ``name|label=value|…`` keys."""
    found: defaultdict[str, dict[_Labels, T]] = defaultdict(dict)
    for key, value in series:
        name, *labels = key.split("|")
        pairs = tuple(sorted((label, text) for label, _, text in (part.partition("=") for part in labels)))
        found[name if name.startswith(PREFIX) else PREFIX + name][pairs] = value
    return sorted(found.items())


def _help(name: str) -> str:
    return _HELP.get(name, "As counted by the workers.")


def _counter(name: str, counts: dict[_Labels, int]) -> Metric:
    family = CounterMetricFamily(name, _help(name))
    for labels, value in sorted(counts.items()):
        family.add_sample(name if name.endswith("_total") else f"{name}_total", dict(labels), value)
    return family


def _gauge(name: str, values: dict[_Labels, int]) -> Metric:
    family = GaugeMetricFamily(name, _help(name))
    for labels, value in sorted(values.items()):
        family.add_sample(name, dict(labels), value)
    return family


def _histogram(name: str, figures: dict[_Labels, tuple[int, ...]]) -> Metric:
    family = HistogramMetricFamily(name, _help(name))
    for labels, (*counts, sum_us) in sorted(figures.items()):
        below = 0
        for bound, count in zip((*HISTOGRAM_BOUNDS_US, None), counts, strict=True):
            below += count
            end = "+Inf" if bound is None else f"{bound / 1_000_000:g}"
            family.add_sample(f"{name}_bucket", {**dict(labels), "le": end}, below)
        family.add_sample(f"{name}_count", dict(labels), below)
        family.add_sample(f"{name}_sum", dict(labels), sum_us / 1_000_000)
    return family
