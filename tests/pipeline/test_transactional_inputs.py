"""Inputs written in transactions: the last thing in a partition is a marker, which nobody's commit ever passes."""

import json
import time
from collections import Counter
from pathlib import Path

from confluent_kafka import Producer

from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, produce_all
from tests.pipeline.external_jobs import job, right
from tests.pipeline.role_processes import OBSERVED_S, UNBOUNDED, Running
from tests.pipeline.test_external_candidate import adopted, running
from tests.pipeline.test_outcomes import ends
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial, order, time_ms
from tests.pipeline.written_records import await_that, ended, records, remainders

ORDERS = 90


def write_in_transactions(trial: Trial, *, abort_last: bool = False) -> None:
    """As `Trial.write_orders`, in one committed transaction, and with `abort_last` one that is aborted after it."""
    producer = Producer({"bootstrap.servers": trial.bootstrap, "transactional.id": trial.name})
    producer.init_transactions(30)
    for numbers, aborts in ((range(ORDERS), False), *(((range(3), True),) if abort_last else ())):
        producer.begin_transaction()
        for n in numbers:
            value = json.dumps(order(n)).encode()
            producer.produce(trial.input, value, f"order-{n}".encode(), n % PARTITIONS, timestamp=time_ms(n))
        if aborts:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)


def test_a_bounded_run_ends_though_production_stands_before_the_markers(kafka: Broker, tmp_path: Path) -> None:
    trial = Trial(kafka.bootstrap, "markers", tmp_path)
    trial.create_topics()
    write_in_transactions(trial)
    Production(trial).work(ends(ORDERS))
    trial.play("run", "join", "judge")
    stats = records(kafka.bootstrap, trial.topic("stats"))
    assert ended(stats) == Counter(match=ORDERS)
    assert remainders(stats) == {}
    assert "only_control_records_follow" in trial.log_text("join")


def test_what_some_reader_may_still_see_is_not_done(kafka: Broker, tmp_path: Path) -> None:
    """Aborted records are inputs to a production that reads uncommitted ones: it may answer them yet."""
    trial = adopted(kafka.bootstrap, "aborted-inputs", tmp_path)
    write_in_transactions(trial, abort_last=True)
    next_ = job(trial, "next", right)
    Production(trial).work(ends(ORDERS))
    next_.work(ends(ORDERS))
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(trial.config.candidate.topic or "", b"{}", b"more", 0, timestamp=time_ms(0))
    assert producer.flush(30) == 0
    with running(trial, "up"):
        await_that("pairs are said", lambda: ended(records(kafka.bootstrap, trial.topic("stats")))["match"] == ORDERS)
    assert ended(records(kafka.bootstrap, trial.topic("stats"))) == Counter(match=ORDERS)
    assert "only_control_records_follow" not in trial.log_text("up")


def test_a_restarted_joiner_mistakes_no_commit_before_a_marker_for_rewound(kafka: Broker, tmp_path: Path) -> None:
    """Its predecessor knew that only a marker follows; what production writes meanwhile is no repeat."""
    trial = Trial(kafka.bootstrap, "markers-again", tmp_path, settings=UNBOUNDED)
    trial.create_topics()
    write_in_transactions(trial)
    Production(trial).work(ends(ORDERS))
    with Running(trial) as running:
        running.start("run")
        running.start("join")
        running.await_outcomes(match=ORDERS)
        await_that(
            "what follows is known", lambda: trial.log_text("join").count("only_control_records_follow") == PARTITIONS
        )
        time.sleep(OBSERVED_S)
        running.kill("join")
        produce_all(kafka.bootstrap, trial.output, [Write(b"{}", b"nobody", 0, time_ms(ORDERS))])
        running.start("join")
        running.await_outcomes(match=ORDERS, missing=1)
