"""Every metric of the table moves on a real run, and says what an independent reader finds."""

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client import Histogram, generate_latest

from shadowstream import metrics
from shadowstream.metrics import DECISIONS, LATENCY_SECONDS, TABLE, Metric
from shadowstream.protocol.latency_buckets import edge_ms
from tests.metrics.metrics_run import ENDS_WELL, LAST_MS, ORDERS, ROLES, Run, expected_outcomes, verdict_first
from tests.metrics.scraping import Scrape
from tests.pipeline.candidates import OUT_OF
from tests.pipeline.written_records import remainders

PAIRED = ("match", "tolerated", "ignored", "mismatch")
OTHERS = {"alerts": "tests/alerts moves it"}
WATCHED = [metric for metric in TABLE if set(metric.roles) - OTHERS.keys()]
ELSEWHERE = {
    "rate_limited_seconds_total": "tests/kafka/test_rate_limit.py moves it: a slow machine stays below any ceiling",
    "children_cpu_seconds": "tests/test_child_processes.py moves it: here a trusted candidate runs in the runner",
    "children_resident_memory_bytes": "tests/test_child_processes.py moves it, as children_cpu_seconds",
    "throttled_seconds": "tests/kafka/client/test_traffic.py moves it: here no quota slows a client",
    "shed_level": "tests/memory/test_shedding.py moves it: shedding would evict what is watched here",
    "spilled_bytes": "tests/memory/test_spilling.py moves it: here one side leads, and holding it is enough",
    "rechecks_total": "tests/memory/test_recheck.py moves it: here the candidate has state, and is not called again",
    "second_answers_total": "tests/memory/test_recheck.py moves it, as rechecks_total",
    "spill_full": "tests/memory/test_spilling.py moves it, as spilled_bytes",
}
MOVED: dict[str, Callable[[Run], None]] = {}


def moves(*names: str) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """These metrics are shown to move by this function."""

    def enter(check: Callable[[Run], None]) -> Callable[[Run], None]:
        MOVED.update(dict.fromkeys(names, check))
        return check

    return enter


@moves("records_total")
def _records(run: Run) -> None:
    runner, joiner, judge = (run.done[role] for role in ("runner", "joiner", "judge"))
    each = ORDERS // OUT_OF
    assert runner.by("outcome", "records_total", role="runner", side="input") == {
        "with_output": ORDERS - 2 * each - 1,
        "silent": each,
        "error": each,
        "undecodable": 1,
    }
    for side, topic in (("production", run.trial.output), ("shadow", run.out)):
        found = joiner.value("records_total", role="joiner", side=side)
        assert found == run.written[topic], side
    expected = expected_outcomes()
    both = {outcome: expected[outcome] for outcome in PAIRED}
    unmatched = {outcome: expected[outcome] for outcome in ("missing", "candidate_error")}
    assert joiner.by("outcome", "records_total", side="production") == both | unmatched
    # Of a corrected pair the late record ends in its outcome; the other one has ended as extra before.
    first = verdict_first()
    shadow = {outcome: first[outcome] for outcome in (*PAIRED, "extra")}
    assert joiner.by("outcome", "records_total", side="shadow") == shadow
    assert judge.by("side", "records_total", role="judge", outcome="added") == {"stats": len(run.stats)}


@moves("pairs_total")
def _pairs(run: Run) -> None:
    expected = expected_outcomes()
    assert run.done["joiner"].by("outcome", "pairs_total") == {outcome: expected[outcome] for outcome in PAIRED}


@moves("corrections_total")
def _corrections(run: Run) -> None:
    found = [(has["from_outcome"], has["outcome"], n) for has, n in run.done["joiner"].find("corrections_total")]
    assert found == [("extra", "match", 1)]


@moves("difference_total")
def _differences(run: Run) -> None:
    rows = run.trial.records("diff")
    mismatches = (row["differences"] for row in rows if row["outcome"] == "mismatch")
    found = Counter((one["path"], one["kind"]) for differences in mismatches for one in differences)
    assert len(found) > 1
    shown = {(has["path"], has["kind"]): value for has, value in run.done["joiner"].find("difference_total")}
    assert shown == found


@moves("rows_cut_total")
def _rows_cut(run: Run) -> None:
    rows = run.trial.records("diff")
    cut = sum("cut: 1 paths" in (row["reason"] or "") for row in rows)
    assert run.done["joiner"].value("rows_cut_total") == cut > 0


@moves("schema_change_pairs_total")
def _schema_changes(run: Run) -> None:
    assert run.done["joiner"].by("change", "schema_change_pairs_total") == {"promoted": 1}


@moves("snapshots_total")
def _snapshots(run: Run) -> None:
    assert run.done["runner"].by("result", "snapshots_total").keys() >= {"written"}


@moves("lag_records")
def _lag_records(run: Run) -> None:
    """`run.left` is what the reader counts: ends less what is committed, or said to have been read."""
    assert run.ahead["runner"].value("lag_records", side="input") == run.left["runner"] > 0
    assert run.ahead["joiner"].value("lag_records", side="production") == run.left["joiner"] > 0
    assert run.done["runner"].value("lag_records", side="input") == 0
    left = {has["side"]: value for has, value in run.done["joiner"].find("lag_records")}
    assert left == {"production": 0, "shadow": 0}


@moves("lag_seconds")
def _lag_seconds(run: Run) -> None:
    for role, side in (("runner", "input"), ("joiner", "production")):
        # Orders are of 2013: the newest of what was read is years old, and of the oldest nothing is older.
        assert run.ahead[role].value("lag_seconds", side=side) > 86_400
        assert run.done[role].value("lag_seconds", side=side) == 0


@moves("watermark_seconds")
def _watermark(run: Run) -> None:
    for side in ("production", "shadow"):
        before = run.ahead["joiner"].value("watermark_seconds", side=side)
        # The lowest of three tasks, whose last orders lie next to each other.
        assert before < run.done["joiner"].value("watermark_seconds", side=side)
        assert run.done["joiner"].value("watermark_seconds", side=side) == pytest.approx(LAST_MS / 1000, abs=300)


@moves("pending_records", "pending_bytes")
def _pending(run: Run) -> None:
    for name in ("pending_records", "pending_bytes"):
        assert run.ahead["joiner"].value(name, side="production") > 0
        assert run.done["joiner"].value(name, side="production") == 0
        assert run.done["joiner"].value(name, side="shadow") == 0


@moves("commit_seconds")
def _commits(run: Run) -> None:
    sequences = {record["task"]: record["seq"] for record in run.stats}
    assert run.done["joiner"].value("commit_seconds_count", role="joiner") >= max(sequences.values())
    for role in ROLES:
        before, after = run.ahead[role], run.done[role]
        assert after.value("commit_seconds_count", role=role) > before.value("commit_seconds_count", role=role) > 0
        assert 0 < after.value("commit_seconds_sum", role=role) < 60


@moves("aborts_total")
def _aborts(run: Run) -> None:
    for role in ("runner", "joiner"):
        assert run.done[role].value("aborts_total", role=role) == 0
        assert run.refused[role].value("aborts_total", role=role) > 0


@moves("received_bytes_total")
def _received(run: Run) -> None:
    for role in ("runner", "joiner"):
        assert run.done[role].value("received_bytes_total", role=role) > 1_000


@moves("brokers_up")
def _brokers(run: Run) -> None:
    for role in ("runner", "joiner"):
        assert run.done[role].value("brokers_up", role=role) >= 1


@moves("build_info")
def _build(run: Run) -> None:
    revision = run.trial.records("verdict")[-1]["revision"][:16]
    expected = {"shadow": run.trial.name, "revision": revision, "version": version("shadowstream")}
    for role in (*ROLES, "alerts"):
        assert list(run.done[role].find("build_info")) == [(expected | {"role": role}, 1)]


@moves("heartbeat_timestamp_seconds")
def _heartbeat(run: Run) -> None:
    for role in ROLES:
        before, after = (moment[role].value("heartbeat_timestamp_seconds") for moment in (run.ahead, run.done))
        assert time.time() - 600 < before < after < time.time()


@moves("ready")
def _ready(run: Run) -> None:
    assert run.unready.value("ready", role="joiner") == 0
    for role in ROLES:
        assert run.done[role].value("ready", role=role) == 1


@moves("candidate_errors_total")
def _exceptions(run: Run) -> None:
    assert run.done["runner"].by("exception", "candidate_errors_total") == {"ValueError": ORDERS // OUT_OF}


@moves("latency_seconds")
def _latencies(run: Run) -> None:
    """Each count is that of the sketch in `stats` up to the same edge."""
    sketch: dict[str, Counter[int]] = {"production": Counter(), "shadow": Counter()}
    for latency in (one for record in run.stats for window in record["windows"] for one in window["latencies"]):
        sketch[latency["side"]][latency["bucket"]] += latency["n"]
    for side, found in sketch.items():
        scrape = run.done["joiner"]
        assert scrape.value("latency_seconds_count", side=side) == found.total() > ORDERS / 2
        for labels, n in scrape.find("latency_seconds_bucket", side=side):
            edge_s = float(labels["le"]) * 1.0005  # as shown, an edge is rounded
            assert n == sum(k for bucket, k in found.items() if edge_ms(bucket) / 1000 <= edge_s), labels


@moves("candidate_seconds")
def _candidate(run: Run) -> None:
    before, after = run.ahead["runner"], run.done["runner"]
    assert after.value("candidate_seconds_count") > before.value("candidate_seconds_count") > 0
    # The call that stood at the gate is among them.
    assert after.value("candidate_seconds_sum") > before.value("candidate_seconds_sum") + 1


@moves("evidence", "rate")
def _evidence(run: Run) -> None:
    criteria = run.trial.records("verdict")[-1]["criteria"]
    evidence = {has["criterion"]: value for has, value in run.done["judge"].find("evidence")}
    rates = {has["criterion"]: value for has, value in run.done["judge"].find("rate")}
    assert evidence == {one["rate"]: one["log_e_below"] for one in criteria}
    assert rates == {one["rate"]: one["estimate"] for one in criteria}
    assert evidence["mismatch"] < 0 < rates["mismatch"]


@moves("criterion_limit", "criterion_units", "criterion_bad_units")
def _criteria(run: Run) -> None:
    criteria = run.trial.records("verdict")[-1]["criteria"]
    for name, field in (("criterion_limit", "limit"), ("criterion_units", "n"), ("criterion_bad_units", "bad")):
        found = {has["criterion"]: value for has, value in run.done["judge"].find(name)}
        assert found == {one["rate"]: one[field] for one in criteria}
        assert found["mismatch"] > 0


@moves("windows_closed", "coverage_minimum", "last_verdict_timestamp_seconds")
def _last_verdict(run: Run) -> None:
    last, judge = run.trial.records("verdict")[-1], run.done["judge"]
    assert judge.value("windows_closed") == last["windows_closed"] > 0
    assert judge.value("coverage_minimum") == run.trial.config.judge.min_coverage
    name = "last_verdict_timestamp_seconds"
    assert run.ahead["judge"].value(name) < judge.value(name) <= last["evaluated_at_ms"] / 1000


@moves("coverage")
def _coverage(run: Run) -> None:
    last = run.trial.records("verdict")[-1]
    found = {has["side"]: value for has, value in run.done["judge"].find("coverage")}
    assert found == {"production": last["coverage"], "candidate": last["coverage_candidate"]}
    assert all(0 < share <= 1 for share in found.values())


@moves("verdict")
def _verdict(run: Run) -> None:
    for scrape, decision in ((run.ahead["judge"], "not_yet"), (run.done["judge"], "reject")):
        found = {has["decision"]: value for has, value in scrape.find("verdict")}
        assert found == dict.fromkeys(DECISIONS, 0) | {decision: 1}


@moves("incidents_open")
def _incidents(run: Run) -> None:
    events = Counter(record["event"] for record in run.trial.records("drift"))
    assert run.ahead["judge"].value("incidents_open") == 0
    assert run.done["judge"].value("incidents_open") == events["opened"] - events["closed"] > 0


@moves("conservation_remainder")
def _remainder(run: Run) -> None:
    left = sum(abs(expected - counted) for expected, counted in remainders(run.stats).values())
    assert run.done["judge"].value("conservation_remainder") == left == 1


@pytest.mark.parametrize("metric", [one for one in WATCHED if one.name not in ELSEWHERE], ids=lambda one: one.name)
def test_the_metric_moves(metric: Metric, run: Run) -> None:
    assert metric.name in MOVED, "nothing here provokes it: a metric that no test moves may be dead"
    MOVED[metric.name](run)


@pytest.mark.parametrize("metric", WATCHED, ids=lambda metric: metric.name)
def test_each_role_of_a_metric_shows_its_type_and_labels(metric: Metric, run: Run) -> None:
    family = metric.name.removesuffix("_total")
    suffix = {"counter": "_total", "gauge": "", "histogram": "_count"}[metric.type]
    for role in ROLES:
        scrape = run.done[role]
        assert scrape.types.get(family) == (metric.type if role in metric.roles else None), role
        for labels, _ in scrape.find(family + suffix):
            assert labels.keys() == {"shadow", *metric.labels}
            assert labels["shadow"] == run.trial.name
            assert labels.get("role", role) == role


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here: Debian's package prometheus has it")
@pytest.mark.parametrize("role", [*ROLES, "alerts"])
def test_promtool_accepts_what_the_role_shows(role: str, run: Run) -> None:
    for scrape in (moment[role] for moment in (run.ahead, run.done) if role in moment):
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=scrape.text, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_role_is_ready_once_it_has_been_assigned(run: Run) -> None:
    assert run.waiting == {"/healthz": 200, "/readyz": 503}
    assert run.ready == dict.fromkeys(ROLES, 200)


@pytest.mark.parametrize("role", ENDS_WELL)
def test_a_role_that_nobody_refuses_lives_to_the_end(role: str, run: Run) -> None:
    assert run.exit_codes[role] == 0, run.trial.log_text(role)[-2_000:]


def test_the_page_is_made_from_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text("utf-8") == metrics.page(), "make it anew: python -m shadowstream.metrics > docs/metrics.md"


def test_paths_beyond_the_bound_are_counted_as_others() -> None:
    shown = metrics.Metrics("many", "joiner")
    for i in range(metrics.PATHS_MAX + 5):
        shown.add("difference_total", path=f"items.{i}", kind="value")
    shown.add("difference_total", path="items.0", kind="type")
    scrape = Scrape.of(generate_latest(shown.registry).decode())
    by_path = scrape.by("path", "difference_total")
    assert len(by_path) == metrics.PATHS_MAX + 1
    assert by_path[metrics.OTHER] == 5
    assert by_path["items.0"] == 2


def test_exceptions_beyond_the_bound_are_counted_as_others() -> None:
    shown = metrics.Metrics("many", "runner")
    for i in range(metrics.EXCEPTIONS_MAX + 5):
        shown.add("candidate_errors_total", 2, exception=f"Error{i}")
    by_exception = Scrape.of(generate_latest(shown.registry).decode()).by("exception", "candidate_errors_total")
    assert len(by_exception) == metrics.EXCEPTIONS_MAX + 1
    assert by_exception[metrics.OTHER] == 10


def test_a_summed_histogram_counts_as_one_observation_after_another_would() -> None:
    summed, single = metrics.Metrics("many", "joiner"), Histogram("s", "s", buckets=LATENCY_SECONDS, registry=None)
    for seconds, times in ((0.0, 3), (LATENCY_SECONDS[1], 2), (0.7, 5), (9_000.0, 1)):
        summed.observe_many("latency_seconds", seconds, times, "shadow")
        for _ in range(times):
            single.observe(seconds)
    scrape = Scrape.of(generate_latest(summed.registry).decode())
    expected = {one.name.removeprefix("s"): one.value for one in single.collect()[0].samples if not one.labels}
    assert scrape.value("latency_seconds_sum", side="shadow") == pytest.approx(expected["_sum"])
    assert scrape.value("latency_seconds_count", side="shadow") == expected["_count"] == 11
    buckets = [n for _, n in scrape.find("latency_seconds_bucket", side="shadow")]
    assert buckets == [one.value for one in single.collect()[0].samples if one.name == "s_bucket"]
