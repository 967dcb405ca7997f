"""Table of all metrics: the source of the metrics of roles, of `/metrics` and of docs/metrics.md.

Each metric has the label ``shadow`` (the trial's name) in addition to its own. The values of every label are bounded.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from shadowstream.protocol.latency_buckets import bucket_of, edge_ms

PREFIX = "shadowstream_"
PATHS_MAX = 200
EXCEPTIONS_MAX = 50
OTHER = "other"
BOUNDED = {"path": PATHS_MAX, "exception": EXCEPTIONS_MAX}
"""Labels whose values come from records or from the candidate, with the number of values that a process shows."""
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_LATENCY_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)
LATENCY_SECONDS = tuple(edge_ms(bucket_of(ms)) / 1000 for ms in _LATENCY_MS)
"""Edges that buckets of the latency sketch have too, so that each count is exact."""


class Metric(NamedTuple):
    """One row of the table. `roles` are the roles that show it. A summed histogram takes many observations at once."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summed_histogram"]
    help: str
    labels: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def type(self) -> str:
        """Return the type as Prometheus has it."""
        return self.kind.removeprefix("summed_")


_LOOPS = ("runner", "joiner", "labels")
ROLES = ("runner", "joiner", "judge", "labels", "alerts")
TABLE = (
    Metric(
        "build_info",
        "gauge",
        "1, with the release of shadowstream and the trial's revision that the process runs.",
        ("role", "version", "revision"),
        ROLES,
    ),
    Metric("heartbeat_timestamp_seconds", "gauge", "Time of the last turn of the role's loop.", ("role",), ROLES),
    Metric(
        "children_cpu_seconds",
        "gauge",
        "CPU time so far of the role's child processes that run now: a candidate or functions of compare.",
        ("role",),
        ROLES,
    ),
    Metric("children_resident_memory_bytes", "gauge", "Memory of these child processes.", ("role",), ROLES),
    Metric("ready", "gauge", "1 while the role has its partitions and their state, 0 before.", ("role",), ROLES),
    Metric(
        "records_total",
        "counter",
        "Records ended, by role, side and outcome: inputs in the runner, outputs of either side in the joiner, "
        "stats records in the judge, scored pairs in labels.",
        ("role", "side", "outcome"),
        ("runner", "joiner", "judge", "labels"),
    ),
    Metric("pairs_total", "counter", "Pairs of outputs, by outcome.", ("outcome",), ("joiner",)),
    Metric(
        "corrections_total",
        "counter",
        "Outcomes missing, extra, evicted that a late partner corrected, by outcome of the pair.",
        ("from_outcome", "outcome"),
        ("joiner",),
    ),
    Metric(
        "difference_total",
        "counter",
        f"Differing paths of mismatches, by path (at most {PATHS_MAX}, then {OTHER!r}) and kind.",
        ("path", "kind"),
        ("joiner",),
    ),
    Metric(
        "schema_change_pairs_total",
        "counter",
        "Differing pairs compared across two writer schemas, by what changed between them: added, removed, promoted, "
        "renamed, retyped, logical.",
        ("change",),
        ("joiner",),
    ),
    Metric(
        "rechecks_total",
        "counter",
        "Pairs that differ, by what became of the candidate's second answer (candidate.recheck): asked, then same, "
        "unstable or unanswered; skipped where a limit kept it from being asked.",
        ("result",),
        ("joiner",),
    ),
    Metric(
        "second_answers_total",
        "counter",
        "Second calls of the candidate, by result: answered, silent, failed; undecodable or gone of the input; late "
        "where the joiner does not wait any more.",
        ("result",),
        ("runner",),
    ),
    Metric("rows_cut_total", "counter", "Rows of diff that were truncated to fit their topic.", (), ("joiner",)),
    Metric("lag_records", "gauge", "Offsets between the position and the end.", ("role", "side"), _LOOPS),
    Metric("lag_seconds", "gauge", "Age of the newest record read; 0 at the end.", ("role", "side"), _LOOPS),
    Metric("watermark_seconds", "gauge", "Event time read to, seconds since the epoch.", ("side",), ("joiner",)),
    Metric("pending_records", "gauge", "Records without a partner yet.", ("side",), ("joiner", "labels")),
    Metric("pending_bytes", "gauge", "Memory of records without a partner yet.", ("side",), ("joiner",)),
    Metric("spilled_bytes", "gauge", "Bytes of pending records in the spill file.", ("side",), ("joiner",)),
    Metric("spill_full", "gauge", "1 while the spill file has no room: memory grows instead.", (), ("joiner",)),
    Metric("shed_level", "gauge", "All but 1 in 2^n identities are shed: the highest n of a task.", (), ("joiner",)),
    Metric("commit_seconds", "histogram", "Duration of a committed transaction.", ("role",), (*_LOOPS, "judge")),
    Metric("received_bytes_total", "counter", "Bytes of judged topics received, by librdkafka.", ("role",), _LOOPS),
    Metric(
        "rate_limited_seconds_total",
        "counter",
        "Time in which a role did not read because of limits.records_per_s or bytes_per_s.",
        ("role",),
        _LOOPS,
    ),
    Metric("aborts_total", "counter", "Transactions that were aborted.", ("role",), _LOOPS),
    Metric(
        "brokers_up",
        "gauge",
        "Brokers that the role's consumer is connected to, by librdkafka; 0 in an outage.",
        ("role",),
        _LOOPS,
    ),
    Metric(
        "throttled_seconds",
        "gauge",
        "Longest time for which a broker lately delayed an answer to the consumer, because of a quota.",
        ("role",),
        _LOOPS,
    ),
    Metric("candidate_seconds", "histogram", "Duration of one call of the candidate for a batch.", (), ("runner",)),
    Metric(
        "candidate_errors_total",
        "counter",
        f"Inputs on which the candidate failed, by class of the exception (at most {EXCEPTIONS_MAX}, then {OTHER!r}); "
        "output_refused, timeout and crashed stand for failures without one.",
        ("exception",),
        ("runner",),
    ),
    Metric(
        "latency_seconds",
        "summed_histogram",
        "Time from the input to the output of compared pairs, within 2 %, by side; only with compare.latency.",
        ("side",),
        ("joiner",),
    ),
    Metric(
        "snapshots_total",
        "counter",
        "Snapshots of a candidate's state by result: written, unchanged, too_large, failed, restored, "
        "refused (another revision's), restore_failed.",
        ("result",),
        ("runner",),
    ),
    Metric("evidence", "gauge", "ln E that the rate is under its limit.", ("criterion",), ("judge",)),
    Metric("rate", "gauge", "Estimate of the criterion's rate over closed windows.", ("criterion",), ("judge",)),
    Metric("criterion_limit", "gauge", "Limit of the criterion's rate.", ("criterion",), ("judge",)),
    Metric("criterion_units", "gauge", "Units counted, n, in closed windows.", ("criterion",), ("judge",)),
    Metric("criterion_bad_units", "gauge", "Bad units among them, s.", ("criterion",), ("judge",)),
    Metric("verdict", "gauge", "1 for the present decision, 0 for the others.", ("decision",), ("judge",)),
    Metric(
        "last_verdict_timestamp_seconds",
        "gauge",
        "Time of the last verdict that was written; without news the judge repeats it every 30 s.",
        (),
        ("judge",),
    ),
    Metric("windows_closed", "gauge", "Closed windows that the verdict rests on.", (), ("judge",)),
    Metric(
        "coverage",
        "gauge",
        "Share of a side's records that was compared or judged; under judge.min_coverage means not yet.",
        ("side",),
        ("judge",),
    ),
    Metric("coverage_minimum", "gauge", "The config's judge.min_coverage.", (), ("judge",)),
    Metric("incidents_open", "gauge", "Open incidents.", (), ("judge",)),
    Metric("conservation_remainder", "gauge", "Sum of all ledger remainders; not 0 means not yet.", (), ("judge",)),
    Metric(
        "deliveries_total",
        "counter",
        "Alerts by channel and result: delivered, known (before), failed, muted, deferred (no room yet).",
        ("target", "result"),
        ("alerts",),
    ),
    Metric("deliveries_open", "gauge", "Alerts that a channel has not accepted yet.", ("target",), ("alerts",)),
)
DECISIONS = ("promote", "reject", "not_yet")
_KINDS: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class SummedHistogram(Collector):
    """Histogram that takes a number of equal observations at once; prometheus-client's takes one at a time."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._made = name, text, labels
        self._edges = [*(f"{edge:.4g}" for edge in LATENCY_SECONDS), "+Inf"]
        self._found: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def add(self, seconds: float, times: int, labels: tuple[str, ...]) -> None:
        if labels not in self._found:
            self._found[labels] = [0] * len(self._edges), [0.0]
        counts, total = self._found[labels]
        counts[bisect_left(LATENCY_SECONDS, seconds)] += times
        total[0] += seconds * times

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family; called by another thread at each scrape."""
        name, text, labels = self._made
        family = HistogramMetricFamily(name, text, labels=labels)
        for values, (counts, total) in list(self._found.items()):
            family.add_metric(values, list(zip(self._edges, accumulate(counts), strict=True)), total[0])
        yield family


class Metrics:
    """The metrics of one role in one process, in a separate registry.

    >>> metrics = Metrics("fraud", "joiner")
    >>> metrics.add("pairs_total", 3, outcome="match")
    >>> metrics.registry.get_sample_value("shadowstream_pairs_total", {"shadow": "fraud", "outcome": "match"})
    3.0
    """

    def __init__(self, shadow: str, role: str) -> None:
        self.role = role
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._shadow = shadow
        self._known: dict[str, set[str]] = {label: set() for label in BOUNDED}
        self._metrics: dict[str, Any] = {}
        for metric in TABLE:
            if role not in metric.roles:
                continue
            options = {"buckets": SECONDS} if metric.kind == "histogram" else {}
            labels = ("shadow", *metric.labels)
            if metric.kind == "summed_histogram":
                summed = SummedHistogram(PREFIX + metric.name, metric.help, labels)
                self.registry.register(summed)
                self._metrics[metric.name] = summed
                continue
            made = _KINDS[metric.kind](PREFIX + metric.name, metric.help, labels, registry=self.registry, **options)
            self._metrics[metric.name] = made
            if metric.kind != "gauge" and set(metric.labels) <= {"role"}:
                # Export 0 from the start: `increase()` misses the first event of a series that begins with it.
                made.labels(shadow=shadow, **dict.fromkeys(metric.labels, role))

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Increase a counter; a value of a label beyond its bound counts as `OTHER`."""
        for label in BOUNDED.keys() & labels.keys():
            known = self._known[label]
            if labels[label] not in known:
                if len(known) < BOUNDED[label]:
                    known.add(labels[label])
                else:
                    labels[label] = OTHER
        self._metrics[name].labels(shadow=self._shadow, **labels).inc(amount)

    def set(self, name: str, value: float, **labels: str) -> None:
        self._metrics[name].labels(shadow=self._shadow, **labels).set(value)

    def follow(self, name: str, value: Callable[[], float], **labels: str) -> None:
        """Let a gauge show what `value` returns at each scrape, in another thread."""
        self._metrics[name].labels(shadow=self._shadow, **labels).set_function(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._metrics[name].labels(shadow=self._shadow, **labels).observe(seconds)

    def observe_many(self, name: str, seconds: float, times: int, *labels: str) -> None:
        """Add equal observations to a summed histogram; `labels` are values in the table's order."""
        self._metrics[name].add(seconds, times, (self._shadow, *labels))


def page() -> str:
    lines = [
        "# Metrics",
        "",
        "Made from the table in `shadowstream/metrics.py` by `python -m shadowstream.metrics`; a test compares.",
        "Every metric has the label `shadow`, the trial's name. With `--listen HOST:PORT` a role serves `/metrics`,",
        "`/healthz` (the loop turned lately) and `/readyz` (assigned and restored).",
        "",
        "Each role also shows CPU and memory of its process, by prometheus-client: `process_cpu_seconds_total`,",
        "`process_resident_memory_bytes` and others. They have no labels: join them with `shadowstream_build_info`.",
        "[Operations](operations.md) has alerting rules and a dashboard that use them.",
        "",
        "| metric | type | labels | roles | meaning |",
        "|---|---|---|---|---|",
    ]
    for metric in TABLE:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        roles = ", ".join(metric.roles)
        lines.append(f"| `{PREFIX}{metric.name}` | {metric.type} | {labels} | {roles} | {metric.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
