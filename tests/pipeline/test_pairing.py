"""Pairing on the real broker: what comes late, is lost or is deployed in between has its one outcome all the same."""

import json
import time
from collections import Counter

import pytest
from confluent_kafka import Producer

from shadowstream.testing.topics import Write, produce_all
from tests.pipeline.candidates import SAME, answer
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import (
    OBSERVED_S,
    Running,
    answered,
    by_window,
    commit,
    coordinates,
    last_words,
    windows_of,
)
from tests.pipeline.test_external_candidate import adopted
from tests.pipeline.test_outcomes import IDENTITIES
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Production, below, order, time_ms
from tests.pipeline.written_records import ended, remainders

# ---------------------------------------------------------------- a candidate that is away


def test_a_candidate_away_for_hours_of_event_time_is_missing_nothing(make_trial: MakeTrial) -> None:
    """Production goes on for twelve hours of event time meanwhile, by a clock of its own and hundreds of graces."""
    before, orders = 90, 600
    trial = make_trial("away", **UNBOUNDED).answered(before)
    trial.write_config(production={**trial.document()["production"], "commits": "unknown"})
    with Running(trial) as roles:
        roles.start("join")
        roles.start("run")
        roles.await_outcomes(match=before)
        roles.stop("run")
        trial.write_orders(range(before, orders))
        Production(trial).work(orders)
        roles.await_read(trial.output, orders)
        time.sleep(OBSERVED_S)
        assert ended(roles.stats()) == {"match": before}
        roles.start("run")
        roles.await_outcomes(match=orders)
        assert {row["outcome"] for row in last_words(trial).values()} == {"match"}
        assert remainders(roles.stats()) == {}


# ---------------------------------------------------------------- a candidate that drops some

DROPPING = (
    SAME
    + """

def dropping(order):
    return None if order["n"] % 1_000 == 3 else judge(order)
"""
)


@pytest.mark.parametrize("identity", [pytest.param("key", marks=pytest.mark.long), "coordinate"])
def test_exactly_the_dropped_20_of_20_000_are_missing(identity: str, make_trial: MakeTrial) -> None:
    orders = 20_000
    dropped = range(3, orders, 1_000)
    trial = make_trial(f"drops-{identity}", DROPPING, "dropping", identity=IDENTITIES[identity])
    trial.write_config(compare={**trial.document()["compare"], "match_sample": 0})
    trial.answered(orders, names_inputs=identity == "coordinate")
    trial.play("run", "join")

    stats = trial.records("stats")
    assert ended(stats) == {"match": orders - len(dropped), "missing": len(dropped)}
    assert remainders(stats) == {}
    lies = coordinates(trial.bootstrap, trial.output)
    rows = {(row["pair_id"], row["outcome"], row["key"]) for row in trial.records("diff")}
    assert rows == {(lies[f"order-{n}"], "missing", b"order-%d" % n) for n in dropped}


# ---------------------------------------------------------------- partners that come late


def test_late_production_corrects_what_was_extra_also_after_a_kill(make_trial: MakeTrial) -> None:
    """Nobody knows production's group, so only event time and grace tell that a candidate's record stays alone."""
    orders, late = 300, (10, 20, 33)
    trial = make_trial("late-production", production={"outputs": ["late-production-scores"]}, **UNBOUNDED)
    trial.write_orders(range(orders))
    produce_all(trial.bootstrap, trial.output, [answered(n) for n in range(orders) if n not in late])
    with Running(trial) as roles:
        roles.start("run")
        roles.start("join")
        roles.await_outcomes(match=orders - len(late), extra=len(late))
        first = {row["key"]: pair_id for pair_id, row in last_words(trial).items() if row["outcome"] == "extra"}
        assert first.keys() == {b"order-%d" % n for n in late}
        roles.kill("join")
        roles.start("join")
        produce_all(trial.bootstrap, trial.output, [answered(n) for n in late])
        roles.await_outcomes(match=orders)

    # As if all had come in order: in every window, in the last word on every pair, and in the ledgers.
    stats = roles.stats()
    width_ms = trial.config.judge.window_ms
    assert by_window(stats, width_ms) == windows_of(((n, "match") for n in range(orders)), width_ms)
    assert remainders(stats) == {}
    words = last_words(trial)
    assert len(words) == orders
    corrected = {row["key"]: pair_id for pair_id, row in words.items() if row["late"]}
    assert corrected == first
    assert {(row["outcome"], row["correction_of"]) for row in words.values()} == {("match", None), ("match", "extra")}


def test_a_late_job_corrects_what_was_missing_also_after_a_kill(make_trial: MakeTrial) -> None:
    """The candidate is a job of its own that commits before it writes: done with all inputs, it still writes some."""
    orders, late, wrong = 300, (10, 20, 33), 20
    candidate = {"topic": "late-job-next", "group": "late-job-next", "version": "1"}
    trial = adopted(make_trial, "late-job", identity={"kind": "id", "header": "x-id"}, candidate=candidate)
    trial.write_orders(range(orders))

    def named(n: int, more: float = 0.0) -> Write:
        value = answer(order(n))
        value["score"] += more
        headers = (("x-id", b"id-%d" % n),)
        return Write(json.dumps(value).encode(), b"customer-%d" % n, n % PARTITIONS, time_ms(n), headers)

    produce_all(trial.bootstrap, trial.output, map(named, range(orders)))
    produce_all(trial.bootstrap, "late-job-next", [named(n) for n in range(orders) if n not in late])
    for group in (trial.group, "late-job-next"):
        commit(trial, group, below(orders))
    with Running(trial) as roles:
        roles.start("run")
        roles.start("join")
        roles.await_outcomes(match=orders - len(late), missing=len(late))
        first = {row["id"]: pair_id for pair_id, row in last_words(trial).items() if row["outcome"] == "missing"}
        assert first == {b"id-%d" % n: f"{trial.output}/{n % PARTITIONS}/{n // PARTITIONS}" for n in late}
        roles.kill("join")
        roles.start("join")
        produce_all(trial.bootstrap, "late-job-next", [named(n, float(n == wrong)) for n in late])
        roles.await_outcomes(match=orders - 1, mismatch=1)

    stats = roles.stats()
    width_ms = trial.config.judge.window_ms
    outcomes = ((n, "mismatch" if n == wrong else "match") for n in range(orders))
    assert by_window(stats, width_ms) == windows_of(outcomes, width_ms)
    assert remainders(stats) == {}
    rows = {pair_id: row for pair_id, row in last_words(trial).items() if row["late"]}
    assert {row["id"]: pair_id for pair_id, row in rows.items()} == first
    assert Counter((row["outcome"], row["correction_of"]) for row in rows.values()) == {
        ("match", "missing"): len(late) - 1,
        ("mismatch", "missing"): 1,
    }


# ---------------------------------------------------------------- transactions whose markers come late


def test_outputs_after_an_open_transaction_are_awaited(make_trial: MakeTrial) -> None:
    """Production has committed its inputs, but the markers of its outputs come seconds later. Who took the last stable
    offset for the end would see production done with nothing, and call everything of the candidate extra."""
    orders = 300
    # Told, for there is nothing yet to tell it from.
    trial = make_trial("late-markers", partitioner="input", **UNBOUNDED)
    trial.write_orders(range(orders))
    with Running(trial) as roles:
        roles.start("run")
        roles.start("join")
        out = trial.topic("out." + trial.output)
        roles.await_read(out, orders)
        producer = Producer({"bootstrap.servers": trial.bootstrap, "transactional.id": trial.name, "linger.ms": 5})
        producer.init_transactions(30)
        producer.begin_transaction()
        for n in range(orders):
            one = answered(n)
            producer.produce(trial.output, one.value, one.key, one.partition or 0, timestamp=one.timestamp_ms or 0)
        assert producer.flush(30) == 0
        commit(trial, trial.group, below(orders))
        time.sleep(OBSERVED_S)
        assert ended(roles.stats()) == {}
        producer.commit_transaction(30)
        roles.await_outcomes(match=orders)
        assert {row["outcome"] for row in last_words(trial).values()} == {"match"}
