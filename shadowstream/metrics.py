"""Table of all metrics: the source of the metrics of roles, of `/metrics` and of docs/metrics.md.

Each metric has the label ``shadow`` (the trial's name) in addition to its own. The values of every label are bounded.
"""

from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

PREFIX = "shadowstream_"
PATHS_MAX = 200
OTHER = "other"
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Metric(NamedTuple):
    """One row of the table. `roles` are the roles that show it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]
    roles: tuple[str, ...]


_LOOPS = ("runner", "joiner", "labels")
TABLE = (
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
    Metric("candidate_seconds", "histogram", "Duration of one call of the candidate for a batch.", (), ("runner",)),
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
    Metric("verdict", "gauge", "1 for the present decision, 0 for the others.", ("decision",), ("judge",)),
    Metric(
        "coverage",
        "gauge",
        "Share of a side's records that was compared or judged; under judge.min_coverage means not yet.",
        ("side",),
        ("judge",),
    ),
    Metric("incidents_open", "gauge", "Open incidents.", (), ("judge",)),
    Metric("conservation_remainder", "gauge", "Sum of all ledger remainders; not 0 means not yet.", (), ("judge",)),
    Metric("deliveries_total", "counter", "Alerts by result of their delivery.", ("target", "result"), ("alerts",)),
)
DECISIONS = ("promote", "reject", "not_yet")
_KINDS: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


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
        self._paths: set[str] = set()
        self._metrics: dict[str, Any] = {}
        for metric in TABLE:
            if role not in metric.roles:
                continue
            options = {"buckets": SECONDS} if metric.kind == "histogram" else {}
            labels = ("shadow", *metric.labels)
            made = _KINDS[metric.kind](PREFIX + metric.name, metric.help, labels, registry=self.registry, **options)
            self._metrics[metric.name] = made
            if metric.kind != "gauge" and set(metric.labels) <= {"role"}:
                # Export 0 from the start: `increase()` misses the first event of a series that begins with it.
                made.labels(shadow=shadow, **dict.fromkeys(metric.labels, role))

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Increase a counter; a path beyond the bound counts as `OTHER`."""
        if "path" in labels and labels["path"] not in self._paths:
            if len(self._paths) < PATHS_MAX:
                self._paths.add(labels["path"])
            else:
                labels["path"] = OTHER
        self._metrics[name].labels(shadow=self._shadow, **labels).inc(amount)

    def set(self, name: str, value: float, **labels: str) -> None:
        self._metrics[name].labels(shadow=self._shadow, **labels).set(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._metrics[name].labels(shadow=self._shadow, **labels).observe(seconds)


def page() -> str:
    lines = [
        "# Metrics",
        "",
        "Made from the table in `shadowstream/metrics.py` by `python -m shadowstream.metrics`; a test compares.",
        "Every metric has the label `shadow`, the trial's name. With `--listen HOST:PORT` a role serves `/metrics`,",
        "`/healthz` (the loop turned lately) and `/readyz` (assigned and restored).",
        "",
        "| metric | type | labels | roles | meaning |",
        "|---|---|---|---|---|",
    ]
    for metric in TABLE:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        roles = ", ".join(metric.roles)
        lines.append(f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {roles} | {metric.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
