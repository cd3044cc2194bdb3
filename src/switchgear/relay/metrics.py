"""What a worker counts: plain integers, sent to the controller each second.

A series is named ``metric|label=value|label=value``; ``METRICS`` lists every metric with its help.
"""

from bisect import bisect_left
from collections import Counter

from switchgear.ledger.record import UsageRecord
from switchgear.link.protocol import HISTOGRAM_BOUNDS_US, Stats

METRICS: tuple[tuple[str, str, str], ...] = (
    ("switchgear_requests_total", "counter", "Relayed calls by operation, end state and status"),
    ("switchgear_refusals_total", "counter", "Calls refused before an account was known, by reason"),
    ("switchgear_attempts_total", "counter", "Tries at upstreams by channel and fault"),
    ("switchgear_tokens_total", "counter", "Tokens by unit"),
    ("switchgear_charged_nanos_total", "counter", "Charges in nano-dollars"),
    ("switchgear_usage_estimated_total", "counter", "Calls whose usage was estimated"),
    ("switchgear_usage_absurd_total", "counter", "Reports that could not be believed at all, by channel"),
    ("switchgear_usage_excess_total", "counter", "Reports of more than a call can come to, by channel"),
    ("switchgear_usage_doubt_total", "counter", "Reports implausible beside their answers, by channel"),
    ("switchgear_responses_unkept_total", "counter", "Answers that later calls can't name, by reason"),
    ("switchgear_journal_failures_total", "counter", "Records that could not be written"),
    ("switchgear_requests_in_flight", "gauge", "Calls running now"),
    ("switchgear_own_seconds", "histogram", "Time spent in the relay itself, a call"),
    ("switchgear_first_byte_seconds", "histogram", "Arrival of a call to its first reply byte"),
    ("switchgear_duration_seconds", "histogram", "Arrival of a call to its end"),
)


class Histogram:
    """Counts by bucket of ``HISTOGRAM_BOUNDS_US`` and one above, and a sum in microseconds."""

    __slots__ = ("counts", "sum_us")

    def __init__(self) -> None:
        self.counts = [0] * (len(HISTOGRAM_BOUNDS_US) + 1)
        self.sum_us = 0

    def observe(self, us: int) -> None:
        self.counts[bisect_left(HISTOGRAM_BOUNDS_US, us)] += 1
        self.sum_us += us


class Meters:
    """The counters of one worker. Hot ones are kept by their labels and get their names when they are
    sent."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._counters: dict[str, int] = {}
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._tokens: Counter[str] = Counter()
        self._charged_nanos = 0
        self._own = Histogram()
        self._duration = Histogram()
        self._first_byte = Histogram()

    def add(self, series: str, amount: int = 1) -> None:
        self._counters[series] = self._counters.get(series, 0) + amount

    def refused(self, reason: str) -> None:
        self.add(f"switchgear_refusals_total|reason={reason}")

    def record(self, record: UsageRecord) -> None:
        """Counts a call that ended."""
        self._requests[record.operation, record.end_state, record.status] += 1
        for attempt in record.attempts:
            self._attempts[attempt.channel, attempt.fault] += 1
        for line in record.charge.lines:
            self._tokens[line.unit] += line.count
        self._charged_nanos += record.charge.nanos
        if record.usage_source == "estimated":
            self.add("switchgear_usage_estimated_total")
        timings = record.timings
        self._own.observe(timings.own_us)
        self._duration.observe(timings.total_us)
        if timings.first_byte_us:
            self._first_byte.observe(timings.first_byte_us)

    def stats(self) -> Stats:
        """Everything so far, as the controller wants it."""
        counters = dict(self._counters)
        for (operation, end_state, status), count in self._requests.items():
            labels = f"operation={operation}|end_state={end_state}|status={status}"
            counters[f"switchgear_requests_total|{labels}"] = count
        for (channel, fault), count in self._attempts.items():
            counters[f"switchgear_attempts_total|channel={channel}|fault={fault or 'none'}"] = count
        for unit, count in self._tokens.items():
            counters[f"switchgear_tokens_total|unit={unit}"] = count
        counters["switchgear_charged_nanos_total"] = self._charged_nanos
        histograms = {
            "switchgear_own_seconds": self._own,
            "switchgear_duration_seconds": self._duration,
            "switchgear_first_byte_seconds": self._first_byte,
        }
        return Stats(
            counters,
            {"switchgear_requests_in_flight": self.in_flight},
            {name: (*histogram.counts, histogram.sum_us) for name, histogram in histograms.items()},
        )
