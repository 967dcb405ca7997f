"""On the broker: however production chooses partitions, it is found out and said, and everything pairs."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.errors import ConfigError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial.partitioner_check import PartitionerRechecks
from shadowstream.protocol.headers import ORIGIN_HEADER, unpack, unpack_origin
from shadowstream.records import InputCoordinate
from shadowstream.runner.partitioner import partition_for
from shadowstream.testing.topics import Read, read_all
from tests.pipeline.candidates import FAULTY, OUT_OF
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.test_external_candidate import running
from tests.pipeline.test_outcomes import IDENTITIES
from tests.pipeline.trial_fixture import COORDINATE_HEADER, Production, Trial
from tests.pipeline.written_records import await_that, outcomes_of_rows, remainders, totals

ORDERS = 1_200
EACH = ORDERS // OUT_OF
OUTPUT_PARTITIONS = 5
"""Not as many as the inputs have: nothing falls into its place by luck."""
EXPECTED = Counter(
    missing=EACH, extra=EACH, candidate_error=EACH, tolerated=EACH, ignored=EACH, match=ORDERS - 4 * EACH
)


def by_last_byte(key: bytes) -> int:
    """A partitioner of production's own."""
    return key[-1] % OUTPUT_PARTITIONS


@pytest.fixture
def faulty(make_trial: MakeTrial) -> MakeTrial:
    def make(name: str, **more: Any) -> Trial:
        trial = make_trial(name, FAULTY, "faulty", partitions=OUTPUT_PARTITIONS, **more)
        trial.write_orders(range(ORDERS))
        return trial

    return make


def start_mark(trial: Trial) -> dict[str, Any]:
    (mark,) = [one for one in trial.records("progress") if one["kind"] == "start"]
    return mark


def detected(trial: Trial, log: str, kind: str) -> str:
    """The line of the log that names what was found."""
    (line,) = [line for line in trial.log_text(log).splitlines() if "partitioner_detected" in line]
    assert trial.output in line
    assert kind in line
    return line


def run_beside(trial: Trial, production: Production) -> None:
    """Production answers half of all orders before the trial and half while it runs."""
    production.work(ORDERS // 2)
    up = trial.start("up")
    production.work(ORDERS)
    trial.finish(up, "up")


def check_balance(trial: Trial) -> None:
    stats = trial.records("stats")
    assert totals(stats) == EXPECTED + Counter(input=ORDERS, input_failed=EACH)
    assert outcomes_of_rows(trial.bootstrap, trial.topic("diff")) == EXPECTED
    assert remainders(stats) == {}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        pytest.param("murmur2", "murmur2_random", id="as-java", marks=pytest.mark.long),
        pytest.param("crc32", "consistent_random", id="as-librdkafka"),
    ],
)
def test_a_hash_that_production_uses_is_found_and_everything_pairs(kind: str, settings: str, faulty: MakeTrial) -> None:
    trial = faulty(f"hashed-{kind}")
    run_beside(trial, Production(trial, partitioner=settings))
    found = written(trial)
    assert [one.partition for one in found] == [partition_for(kind, one.key, 0, OUTPUT_PARTITIONS) for one in found]
    assert start_mark(trial)["partitioners"] == [{"topic": trial.output, "kind": kind}]
    check_balance(trial)
    print(f"{detected(trial, 'up', kind)}\n{kind}: {dict(EXPECTED)}")


def home(identity: str) -> Callable[[Read], int]:
    """Where a record of either side belongs by its identity."""

    def of(read: Read) -> int:
        if identity == "key":
            return partition_for("murmur2", read.key, 0, OUTPUT_PARTITIONS)
        headers = dict(read.headers)
        if "s" in headers:
            at: InputCoordinate = unpack(headers["s"] or b"").coordinate
            return at.partition % OUTPUT_PARTITIONS
        return int((headers[COORDINATE_HEADER] or b"").split(b"/")[1]) % OUTPUT_PARTITIONS

    return of


@pytest.mark.parametrize("identity", [pytest.param("key", marks=pytest.mark.long), "coordinate"])
def test_with_a_partitioner_that_nobody_knows_both_sides_go_by_identity(identity: str, faulty: MakeTrial) -> None:
    trial = faulty(f"custom-{identity}", identity=IDENTITIES[identity])
    run_beside(trial, Production(trial, partitioner=by_last_byte, names_inputs=identity == "coordinate"))
    assert start_mark(trial)["partitioners"] == [{"topic": trial.output, "kind": "repartition"}]
    check_copies(trial, home(identity))
    check_balance(trial)
    # The pair ids of what production has written are production's own coordinates.
    rows = trial.records("diff")
    originals = {f"{trial.output}/{one.partition}/{one.offset}": one.key for one in written(trial)}
    of_production = {row["pair_id"]: row["key"] for row in rows if row["outcome"] != "extra"}
    assert of_production == originals
    print(f"{detected(trial, 'up', 'repartition')}\ncustom, {identity}: {dict(EXPECTED)}, {len(originals)} copied")


def written(trial: Trial) -> list[Read]:
    """What production has written."""
    return read_all(trial.bootstrap, trial.output)


def check_copies(trial: Trial, home_of: Callable[[Read], int]) -> None:
    """Each record of production's is in our topic once, unchanged, where its identity puts it."""
    copies = read_all(trial.bootstrap, trial.topic(f"repartition.{trial.output}"))
    found = {}
    for copy in copies:
        name, raw = copy.headers[-1]
        assert name == ORIGIN_HEADER
        found[unpack_origin(raw or b"")] = (copy.timestamp_ms, copy.key, copy.value, copy.headers[:-1])
        assert copy.partition == home_of(copy)
    assert len(found) == len(copies)
    assert found == {
        (one.partition, one.offset): (one.timestamp_ms, one.key, one.value, one.headers) for one in written(trial)
    }
    shadow = read_all(trial.bootstrap, trial.topic(f"out.{trial.output}"))
    assert [one.partition for one in shadow] == [home_of(one) for one in shadow]


def test_copying_resumes_where_it_stopped_and_copies_know_their_warm_up(faulty: MakeTrial) -> None:
    trial = faulty("custom-warm", start="production-group", bounded=False)
    production = Production(trial, partitioner=by_last_byte)
    production.work(300)
    with running(trial, "up"):
        await_that("the start is pinned", lambda: bool(trial.records("progress")))
        production.work(600)
    production.work(ORDERS)
    with running(trial, "up"):
        trial.await_mark("warm")
        trial.write_orders(range(ORDERS, ORDERS + 300))
        production.work(ORDERS + 300)
        # Of the last 300 orders each fault has 3; of orders 300 to 1,199 every pair and every record alone is warm-up.
        expected = Counter(missing=3, extra=3, candidate_error=3, tolerated=3, ignored=3, match=288, warm_up=900 + 9)
        trial.await_outcomes(expected)
    assert remainders(trial.records("stats")) == {}


def test_before_productions_first_output_nothing_is_guessed_and_runners_can_stop(faulty: MakeTrial) -> None:
    trial = faulty("waiting")
    run = trial.start("run")
    await_that("the runner waits", lambda: "waiting_for_production" in trial.log_text("run"))
    run.send_signal(signal.SIGTERM)
    trial.finish(run, "run", 10)
    up = trial.start("up")
    await_that("the runner waits", lambda: "waiting_for_production" in trial.log_text("up"))
    time.sleep(1.5)
    assert "partitioner_detected" not in trial.log_text("up")
    Production(trial, partitioner="murmur2_random").work(ORDERS)
    trial.finish(up, "up")
    detected(trial, "up", "murmur2")
    check_balance(trial)


@pytest.mark.parametrize(
    ("wrong", "settings", "instead"),
    [
        (["input", "crc32"], "murmur2_random", "write partitioner: murmur2, which explains all"),
        (["murmur2"], by_last_byte, "write partitioner: auto, which copies both sides by identity"),
    ],
    ids=["input-and-crc32-for-murmur2", "murmur2-for-custom"],
)
def test_a_wrong_setting_is_refused_with_what_to_write_instead(
    wrong: list[str], settings: str | Callable[[bytes], int], instead: str, faulty: MakeTrial
) -> None:
    trial = faulty(f"wrong-{wrong[0]}")
    Production(trial, partitioner=settings).work(ORDERS)
    for expected in wrong:
        trial.write_config(candidate={"call": trial.call, "trusted": True, "partitioner": expected})
        answer = trial.ask("run")
        assert answer.returncode == 2, answer.stderr
        error_text = " ".join(answer.stderr.split())
        assert f"candidate.partitioner: {expected}, but of 1200 keys sampled of topic '{trial.output}'" in error_text
        assert f"{trial.output}/" in error_text
        assert instead in error_text
        assert "order-" not in error_text, "keys are data"
        assert trial.records("progress") == []
        print(error_text[error_text.index("candidate.partitioner") :])


def test_a_production_that_changes_its_partitioner_ends_the_trial(faulty: MakeTrial) -> None:
    trial = faulty("changes")
    production = Production(trial, partitioner="murmur2_random")
    production.work(ORDERS)
    trial.play("run")
    config = trial.config
    rechecks = PartitionerRechecks(config, admin(config.kafka), {trial.output: "murmur2"})
    rechecks.turn(0)
    rechecks.turn(5)  # looks, and finds what it should

    trial.write_orders(range(ORDERS, ORDERS + 300))
    production.partitioner = "consistent_random"
    production.work(ORDERS + 300)
    rechecks.turn(64.999)  # not yet
    with pytest.raises(ConfigError, match=r"began when murmur2 explained production, but of \d+ keys sampled"):
        rechecks.turn(65)
    again = trial.ask("run")
    assert again.returncode == 2
    assert "start anew under another name" in " ".join(again.stderr.split())
