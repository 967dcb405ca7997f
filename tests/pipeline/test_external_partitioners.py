"""A job of its own that puts keys elsewhere than production: named, copied by identity on both sides, all paired."""

import time
from collections import Counter
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.kafka.trial.partitioner_check import check, settle
from shadowstream.runner.partitioner import partition_for
from shadowstream.runner.partitioner_detection import REPARTITION, SAME
from shadowstream.testing.topics import read_all
from tests.pipeline.candidates import OUT_OF
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.external_jobs import add, faulty, job, right
from tests.pipeline.test_external_candidate import EACH, ORDERS, adopted, kill_child, running
from tests.pipeline.test_partitioners import OUTPUT_PARTITIONS, start_mark
from tests.pipeline.trial_fixture import Production, Trial
from tests.pipeline.written_records import await_that, remainders


def apart(make_trial: MakeTrial, name: str, partitions: int, **more: Any) -> tuple[Trial, Production, Production]:
    """A trial, its production by murmur2, and its candidate, a faulty job by crc32."""
    more = {"partitions": OUTPUT_PARTITIONS, "judge": {"window_ms": 3_600_000}, **more}
    trial = adopted(make_trial, name, partitions, **more)
    crc32 = job(trial, "next", faulty, partitioner="consistent_random")
    return trial, Production(trial, partitioner="murmur2_random"), crc32


@pytest.mark.parametrize(
    ("partitions", "event"),
    [
        pytest.param(OUTPUT_PARTITIONS, "partitioners_differ", id="as-many-partitions"),
        pytest.param(3, "partitions_differ", id="fewer-partitions", marks=pytest.mark.long),
    ],
)
def test_a_job_by_crc32_meets_a_production_by_murmur2(partitions: int, event: str, make_trial: MakeTrial) -> None:
    trial, production, next_ = apart(make_trial, f"apart-{partitions}", partitions)
    topic = f"{trial.name}-next"
    trial.write_orders(range(ORDERS))
    production.work(300)
    next_.work(300)
    with running(trial, "up"):
        await_that("pairs are said", lambda: trial.outcomes()["match"] >= 250)
        kill_child(trial, "run")
        add(trial, topic, range(ORDERS))
        production.work(600)
        next_.work(ORDERS)
        kill_child(trial, "join")
        production.work(ORDERS)
        expected = Counter(missing=EACH, extra=EACH, mismatch=EACH, match=ORDERS - 2 * EACH)
        trial.await_outcomes(expected, 30)

    assert start_mark(trial)["partitioners"] == [{"topic": trial.output, "kind": "repartition"}]
    assert remainders(trial.records("stats")) == {}
    stats_text = next(line for line in trial.log_text("up").splitlines() if event in line)
    assert trial.output in stats_text
    assert topic in stats_text
    if partitions == OUTPUT_PARTITIONS:
        assert "murmur2" in stats_text
        assert "crc32" in stats_text
    for copy, original in ((f"repartition.{trial.output}", trial.output), (f"out.{trial.output}", topic)):
        copied, written = read_all(trial.bootstrap, trial.topic(copy)), read_all(trial.bootstrap, original)
        assert Counter((read.key, read.value) for read in copied) == Counter((read.key, read.value) for read in written)
        assert {read.partition == partition_for("murmur2", read.key, 0, OUTPUT_PARTITIONS) for read in copied} == {True}
    rows = trial.records("diff")
    assert {(row["outcome"] == "extra", row["pair_id"].rpartition("/")[0].rpartition("/")[0]) for row in rows} == {
        (False, trial.output),
        (True, topic),
    }
    print(f"{event}: {dict(expected)}")


def test_unequal_numbers_of_partitions_are_named_and_both_sides_copied(
    make_trial: MakeTrial, caplog: pytest.LogCaptureFixture
) -> None:
    trial = adopted(make_trial, "unequal", 3, partitions=OUTPUT_PARTITIONS)
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    await_that("the job's topic is listed", lambda: "unequal-next" in client.list_topics(timeout=10).topics)
    assert settle(trial.config, client, {}, lambda: True) == {trial.output: REPARTITION}
    events = [one.msg for one in caplog.records if isinstance(one.msg, dict)]
    (event,) = [one for one in events if one["event"] == "partitions_differ"]
    assert event["reason"] == f"'{trial.output}' has 5 partitions and 'unequal-next' has 3"


@pytest.mark.parametrize("orders", [8_000, pytest.param(60_000, marks=pytest.mark.long)])
def test_a_backlog_copied_partition_after_partition_makes_nothing_missing_or_extra(
    orders: int, make_trial: MakeTrial
) -> None:
    """By occurrence, where time decides: each partition holds a week of event time, copied one by one."""
    more = {"identity": {"kind": "occurrence", "tolerance_ms": 10_000}, "compare": {"match_sample": 0}}
    trial, production, next_ = apart(make_trial, f"backlog-{orders}", OUTPUT_PARTITIONS, **more)
    trial.write_orders(range(orders))
    production.work(orders)
    next_.work(orders)
    add(trial, f"{trial.name}-next", range(orders))
    # The last ones of a partition wait for its time to go on.
    next_.say = right
    trial.write_orders(range(orders, orders + 300))
    production.work(orders + 300)
    next_.work(orders + 300)
    each, began = orders // OUT_OF, time.monotonic()
    with running(trial, "up"):
        await_that("every pair is said", lambda: trial.outcomes()["match"] >= orders - 2 * each, 90)
    print(f"{orders} orders by occurrence behind copies: {time.monotonic() - began:.1f} s")
    line = trial.outcomes()
    del line["match"]
    assert line == Counter(missing=each, extra=each, mismatch=each)
    rows = trial.records("diff")
    assert [row for row in rows if row["correction_of"]] == [], "nothing false was said in between"


def test_a_job_that_has_written_nothing_yet_has_proven_nothing(make_trial: MakeTrial) -> None:
    trial = adopted(make_trial, "unproven").answered(300, partitioner="murmur2_random")
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    assert not check(trial.config, client, {trial.output: SAME}), "it is looked at again soon"
    job(trial, "next", right, partitioner="murmur2_random").work(300)
    assert check(trial.config, client, {trial.output: SAME})
