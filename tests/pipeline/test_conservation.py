"""One record or one counter removed between the roles: the ledger shows it, and the verdict is not yet."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.kafka.trial.topic_admin import settings_of
from shadowstream.testing.topics import Write, create_topics, produce_all, read_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial
from tests.pipeline.written_records import await_that, ledgers, remainders, totals

ORDERS = 1_500
"""Enough to promote this candidate, so that whatever keeps the verdict from it is what was removed."""
EACH = ORDERS // PARTITIONS


def delete_below(bootstrap: str, topic: str, partition: int, offset: int) -> None:
    """Delete what lies below `offset`; -1 deletes all."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    place = TopicPartition(topic, partition, offset)
    for deleted in admin.delete_records([place]).values():
        deleted.result(30)


def rewrite(bootstrap: str, topic: str, change: Callable[[dict[str, Any]], None]) -> int:
    """Replace the one partition of a topic of ours by the same records after `change`; gives how many it changed."""
    raw = read_all(bootstrap, topic)
    # Made anew: a joiner refuses a topic whose first marks are gone.
    admin = AdminClient({"bootstrap.servers": bootstrap})
    settings = settings_of(admin, [topic])[topic]
    admin.delete_topics([topic])[topic].result(30)
    await_that(f"{topic} is gone", lambda: topic not in admin.list_topics(timeout=10).topics)
    create_topics(bootstrap, {topic: 1}, {name: settings[name] for name in ("retention.ms", "retention.bytes")})
    changed, writes = 0, []
    for read in raw:
        name, record = own.decode(read.value or b"")
        before = own.encode(name, record)
        change(record)
        value = own.encode(name, record)
        changed += value != before
        writes.append(Write(value, read.key, 0, read.timestamp_ms))
    produce_all(bootstrap, topic, writes)
    return changed


@pytest.fixture
def ran(make_trial: MakeTrial) -> Trial:
    """A trial whose production and runner have done everything; joiner and judge have not begun."""
    trial = make_trial("removed-")
    trial.write_orders(range(ORDERS))
    assert Production(trial).work(ORDERS) == ORDERS
    trial.play("run")
    return trial


def check_not_yet(trial: Trial, expected: dict[tuple[int, str], tuple[int, int]]) -> None:
    """The ledger lines in `expected`, no others, show in stats and are the verdict's only reasons."""
    stats = trial.records("stats")
    assert remainders(stats) == expected
    assert {line[0] for line in ledgers(stats)} == {1, 2, 3}
    judged_verdict = trial.records("verdict")[-1]
    lines = [
        {"ledger": ledger, "place": place, "expected": both[0], "counted": both[1]}
        for (ledger, place), both in sorted(expected.items())
    ]
    assert judged_verdict["final"]
    assert judged_verdict["decision"] == "not_yet"
    assert (judged_verdict["ledgers"], judged_verdict["remainder"]) == (lines, len(expected))
    assert [reason.partition(" expected")[0] for reason in judged_verdict["reasons"]] == [
        f"conservation: ledger {line['ledger']}, {line['place']}: {line['expected']}" for line in lines
    ]


def test_a_removed_shadow_record_is_seen(ran: Trial) -> None:
    out = ran.topic(f"out.{ran.output}")
    delete_below(ran.bootstrap, out, 1, 1)
    ran.play("join", "judge")
    assert totals(ran.records("stats")) == {"input": ORDERS, "match": ORDERS - 1, "missing": 1}
    check_not_yet(ran, {(2, f"{ran.input}/1 -> {out}/1"): (EACH, EACH - 1)})


def test_a_removed_counter_of_the_runner_is_seen(ran: Trial) -> None:
    def remove_one(record: dict[str, Any]) -> None:
        counters = record["counters"]
        if counters and record["input_partition"] == 0:
            counters["with_output"] -= 1
        if counters and record["input_partition"] == 2:
            counters["written"] = {place: n - 1 for place, n in counters["written"].items()}

    assert rewrite(ran.bootstrap, ran.topic("progress"), remove_one) > 0
    ran.play("join", "judge")
    assert totals(ran.records("stats")) == {"input": ORDERS, "match": ORDERS}
    route = f"{ran.input}/2 -> {ran.topic('out.' + ran.output)}/2"
    check_not_yet(ran, {(1, f"{ran.input}/0"): (EACH, EACH - 1), (2, route): (EACH - 1, EACH)})


@pytest.mark.long
def test_a_removed_counter_of_the_joiner_is_seen(make_trial: MakeTrial) -> None:
    trial = make_trial("joiner-counter")
    trial.write_orders(range(ORDERS))
    production = Production(trial)
    production.work(ORDERS // 2)
    trial.play("run")
    joiner = trial.start("join")
    half = {"input": ORDERS, "match": EACH // 2 * PARTITIONS}
    await_that("half of all is paired", lambda: totals(trial.records("stats")) == half)
    joiner.send_signal(signal.SIGTERM)
    trial.finish(joiner, "join")

    task = f"{trial.output}/0"
    state = [record for record in trial.records("state") if record["task"] == task][-1]
    state["counts"]["read:production"] -= 1
    produce_all(trial.bootstrap, trial.topic("state"), [Write(own.encode("state", state), task.encode(), 0)])
    production.work(ORDERS)
    trial.play("join", "judge")
    assert totals(trial.records("stats")) == {"input": ORDERS, "match": ORDERS}
    check_not_yet(trial, {(3, task): (EACH - 1, EACH)})
