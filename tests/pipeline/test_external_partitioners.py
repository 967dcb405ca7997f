"""A job of its own that puts keys elsewhere than production: named, copied by identity on both sides, all paired."""

import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.kafka.trial.partitioner_check import check
from shadowstream.runner.partitioner import partition_for
from shadowstream.runner.partitioner_detection import SAME
from shadowstream.testing import Broker
from shadowstream.testing.topics import create_topics, read_all
from tests.pipeline.candidates import OUT_OF
from tests.pipeline.external_jobs import ExternalJobTrial, add, faulty, right
from tests.pipeline.test_external_candidate import EACH, ORDERS, adopted, await_outcomes, kill_child, running
from tests.pipeline.test_outcomes import ends
from tests.pipeline.test_partitioners import OUTPUT_PARTITIONS, start_mark
from tests.pipeline.trial_fixture import Production, Trial
from tests.pipeline.written_records import await_that, ended, records, remainders


@pytest.mark.parametrize(
    ("partitions", "event"),
    [(OUTPUT_PARTITIONS, "partitioners_differ"), (3, "partitions_differ")],
    ids=["as-many-partitions", "fewer-partitions"],
)
def test_a_job_by_crc32_meets_a_production_by_murmur2(
    partitions: int, event: str, kafka: Broker, tmp_path: Path
) -> None:
    name = f"apart-{partitions}"
    trial = Trial(
        kafka.bootstrap,
        name,
        tmp_path,
        settings={"start": "earliest", "bounded": False},
        output_partitions=OUTPUT_PARTITIONS,
    )
    topic = f"{name}-next"
    candidate = {"topic": topic, "group": topic, "version": "1", "commits": "after_output"}
    trial.write_config(candidate=candidate, judge={"window_ms": 3_600_000})
    trial.create_topics()
    create_topics(kafka.bootstrap, {topic: partitions})
    trial.write_orders(range(ORDERS))
    production = Production(trial, partitioner="murmur2_random")
    job = Production(ExternalJobTrial(trial, topic, topic), faulty, partitioner="consistent_random")  # type: ignore[arg-type]  # all that it needs of a trial
    production.work(ends(300))
    job.work(ends(300))
    with running(trial, "up"):
        await_that("pairs are said", lambda: ended(records(trial.bootstrap, trial.topic("stats")))["match"] >= 250)
        kill_child(trial, "run")
        add(trial, topic, range(ORDERS))
        production.work(ends(600))
        job.work(ends(ORDERS))
        kill_child(trial, "join")
        production.work(ends(ORDERS))
        expected = Counter(missing=EACH, extra=EACH, mismatch=EACH, match=ORDERS - 2 * EACH)
        await_outcomes(trial, expected)

    assert start_mark(trial)["partitioners"] == [{"topic": trial.output, "kind": "repartition"}]
    assert remainders(records(trial.bootstrap, trial.topic("stats"))) == {}
    stats_text = next(line for line in trial.log_text("up").splitlines() if event in line)
    assert trial.output in stats_text
    assert topic in stats_text
    if partitions == OUTPUT_PARTITIONS:
        assert "murmur2" in stats_text
        assert "crc32" in stats_text
    for copy, original in ((f"repartition.{trial.output}", trial.output), (f"out.{trial.output}", topic)):
        copied, written = read_all(kafka.bootstrap, trial.topic(copy)), read_all(kafka.bootstrap, original)
        assert Counter((read.key, read.value) for read in copied) == Counter((read.key, read.value) for read in written)
        assert {read.partition == partition_for("murmur2", read.key, 0, OUTPUT_PARTITIONS) for read in copied} == {True}
    rows = records(kafka.bootstrap, trial.topic("diff"))
    assert {(row["outcome"] == "extra", row["pair_id"].rpartition("/")[0].rpartition("/")[0]) for row in rows} == {
        (False, trial.output),
        (True, topic),
    }
    print(f"{event}: {dict(expected)}")


@pytest.mark.parametrize("orders", [8_000, pytest.param(60_000, marks=pytest.mark.long)])
def test_a_backlog_copied_partition_after_partition_makes_nothing_missing_or_extra(
    orders: int, kafka: Broker, tmp_path: Path
) -> None:
    """By occurrence, where time decides: each partition holds a week of event time, copied one by one."""
    name = f"backlog-{orders}"
    trial = Trial(
        kafka.bootstrap,
        name,
        tmp_path,
        identity={"kind": "occurrence", "tolerance_ms": 10_000},
        settings={"start": "earliest", "bounded": False},
        output_partitions=OUTPUT_PARTITIONS,
    )
    topic = f"{name}-next"
    candidate = {"topic": topic, "group": topic, "version": "1", "commits": "after_output"}
    compare = {"match_sample": 0}
    trial.write_config(candidate=candidate, judge={"window_ms": 3_600_000}, compare=compare)
    trial.create_topics()
    create_topics(kafka.bootstrap, {topic: OUTPUT_PARTITIONS})
    trial.write_orders(range(orders))
    production = Production(trial, partitioner="murmur2_random")
    job = Production(ExternalJobTrial(trial, topic, topic), faulty, partitioner="consistent_random")  # type: ignore[arg-type]  # as above
    production.work(ends(orders))
    job.work(ends(orders))
    add(trial, topic, range(orders))
    # The last ones of a partition wait for its time to go on.
    job.say = right
    trial.write_orders(range(orders, orders + 300))
    production.work(ends(orders + 300))
    job.work(ends(orders + 300))
    each = orders // OUT_OF
    began, stats = time.monotonic(), trial.topic("stats")
    with running(trial, "up"):
        await_that(
            "every pair is said", lambda: ended(records(trial.bootstrap, stats))["match"] >= orders - 2 * each, 90
        )
    print(f"{orders} orders by occurrence behind copies: {time.monotonic() - began:.1f} s")
    line = ended(records(kafka.bootstrap, stats))
    del line["match"]
    assert line == Counter(missing=each, extra=each, mismatch=each)
    rows = records(kafka.bootstrap, trial.topic("diff"))
    assert [row for row in rows if row["correction_of"]] == [], "nothing false was said in between"


def test_a_job_that_has_written_nothing_yet_has_proven_nothing(kafka: Broker, tmp_path: Path) -> None:
    trial = adopted(kafka.bootstrap, "unproven", tmp_path)
    trial.write_orders(range(300))
    Production(trial, partitioner="murmur2_random").work(ends(300))
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    assert not check(trial.config, client, {trial.output: SAME}), "it is looked at again soon"
    topic = trial.config.candidate.topic or ""
    Production(ExternalJobTrial(trial, topic, topic), right, partitioner="murmur2_random").work(ends(300))  # type: ignore[arg-type]  # as above
    assert check(trial.config, client, {trial.output: SAME})
