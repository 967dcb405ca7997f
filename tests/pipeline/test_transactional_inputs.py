"""Inputs written in transactions: the last thing in a partition is a marker, which nobody's commit ever passes."""

import json
import time
from collections import Counter

from confluent_kafka import Producer

from shadowstream.testing.topics import Write, produce_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.external_jobs import job, right
from tests.pipeline.role_processes import OBSERVED_S, Running
from tests.pipeline.test_external_candidate import adopted, running
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Production, Trial, order, time_ms
from tests.pipeline.written_records import await_that, ended, remainders

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


def test_a_bounded_run_ends_though_production_stands_before_the_markers(make_trial: MakeTrial) -> None:
    trial = make_trial("markers")
    write_in_transactions(trial)
    Production(trial).work(ORDERS)
    trial.play("run", "join", "judge")
    stats = trial.records("stats")
    assert ended(stats) == Counter(match=ORDERS)
    assert remainders(stats) == {}
    assert "only_control_records_follow" in trial.log_text("join")


def test_what_some_reader_may_still_see_is_not_done(make_trial: MakeTrial) -> None:
    """Aborted records are inputs to a production that reads uncommitted ones: it may answer them yet."""
    trial = adopted(make_trial, "aborted-inputs")
    write_in_transactions(trial, abort_last=True)
    Production(trial).work(ORDERS)
    job(trial, "next", right).work(ORDERS)
    producer = Producer({"bootstrap.servers": trial.bootstrap})
    producer.produce(trial.config.candidate.topic or "", b"{}", b"more", 0, timestamp=time_ms(0))
    assert producer.flush(30) == 0
    with running(trial, "up"):
        await_that("pairs are said", lambda: trial.outcomes()["match"] == ORDERS)
    assert trial.outcomes() == Counter(match=ORDERS)
    assert "only_control_records_follow" not in trial.log_text("up")


def test_a_restarted_joiner_mistakes_no_commit_before_a_marker_for_rewound(make_trial: MakeTrial) -> None:
    """Its predecessor knew that only a marker follows; what production writes meanwhile is no repeat."""
    trial = make_trial("markers-again", **UNBOUNDED)
    write_in_transactions(trial)
    Production(trial).work(ORDERS)
    with Running(trial) as running:
        running.start("run")
        running.start("join")
        running.await_outcomes(match=ORDERS)
        await_that(
            "what follows is known", lambda: trial.log_text("join").count("only_control_records_follow") == PARTITIONS
        )
        time.sleep(OBSERVED_S)
        running.kill("join")
        produce_all(trial.bootstrap, trial.output, [Write(b"{}", b"nobody", 0, time_ms(ORDERS))])
        running.start("join")
        running.await_outcomes(match=ORDERS, missing=1)
