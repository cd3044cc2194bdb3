"""What a worker counts: plain integers, sent to the controller each second.

A series is named ``metric|label=value|label=value``; ``METRICS`` lists every metric with its help.
"""

from bisect import bisect_left

from switchgear.ledger.record import UsageRecord
from switchgear.link.protocol import Stats

METRICS: tuple[tuple[str, str, str], ...] = (
    ("switchgear_requests_total", "counter", "Relayed calls by operation, end state and status"),
    ("switchgear_refusals_total", "counter", "Calls refused before an account was known, by reason"),
    ("switchgear_attempts_total", "counter", "Tries at upstreams by channel and fault"),
    ("switchgear_tokens_total", "counter", "Tokens by unit"),
    ("switchgear_charged_nanos_total", "counter", "Charges in nano-dollars"),
    ("switchgear_usage_estimated_total", "counter", "Calls whose usage was estimated"),
    ("switchgear_usage_absurd_total", "counter", "Replies whose reported usage could not be believed"),
    ("switchgear_journal_failures_total", "counter", "Records that could not be written"),
    ("switchgear_requests_in_flight", "gauge", "Calls running now"),
    ("switchgear_own_seconds", "histogram", "Time spent in the relay itself, a call"),
    ("switchgear_first_byte_seconds", "histogram", "Arrival of a call to its first reply byte"),
    ("switchgear_duration_seconds", "histogram", "Arrival of a call to its end"),
)

BUCKETS_US = (
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
)


class Histogram:
    """Counts by bucket of ``BUCKETS_US`` and one above, and a sum in microseconds."""

    __slots__ = ("counts", "sum_us")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_US) + 1)
        self.sum_us = 0

    def observe(self, us: int) -> None:
        self.counts[bisect_left(BUCKETS_US, us)] += 1
        self.sum_us += us


class Meters:
    """The counters of one worker."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.in_flight = 0
        self._histograms: dict[str, Histogram] = {}
        self._names: dict[tuple[str, ...], str] = {}

    def add(self, series: str, amount: int = 1) -> None:
        self.counters[series] = self.counters.get(series, 0) + amount

    def refused(self, reason: str) -> None:
        self.add(f"switchgear_refusals_total|reason={reason}")

    def record(self, record: UsageRecord) -> None:
        """Counts a call that ended."""
        self.add(
            self._series(
                "switchgear_requests_total|operation={}|end_state={}|status={}",
                record.operation,
                record.end_state,
                str(record.status),
            )
        )
        for attempt in record.attempts:
            self.add(
                self._series(
                    "switchgear_attempts_total|channel={}|fault={}", attempt.channel, attempt.fault or "none"
                )
            )
        for line in record.charge.lines:
            self.add(self._series("switchgear_tokens_total|unit={}", line.unit), line.count)
        if record.charge.nanos:
            self.add("switchgear_charged_nanos_total", record.charge.nanos)
        if record.usage_source == "estimated":
            self.add("switchgear_usage_estimated_total")
        self._observe("switchgear_own_seconds", record.timings.own_us)
        self._observe("switchgear_duration_seconds", record.timings.total_us)
        if record.timings.first_byte_us:
            self._observe("switchgear_first_byte_seconds", record.timings.first_byte_us)

    def stats(self) -> Stats:
        """Everything so far, as the controller wants it."""
        return Stats(
            dict(self.counters),
            {"switchgear_requests_in_flight": self.in_flight},
            {name: (*histogram.counts, histogram.sum_us) for name, histogram in self._histograms.items()},
        )

    def _observe(self, name: str, us: int) -> None:
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = Histogram()
        histogram.observe(us)

    def _series(self, template: str, *labels: str) -> str:
        """Series names are made once: formatting them would cost more than counting."""
        key = (template, *labels)
        name = self._names.get(key)
        if name is None:
            if (
                len(self._names) > 10_000
            ):  # labels come from configuration and our own words, so this is a backstop
                self._names.clear()
            name = self._names[key] = template.format(*labels)
        return name
