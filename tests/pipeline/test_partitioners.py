"""On the broker: however production chooses partitions, it is found out and said, and everything pairs."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadowstream.errors import ConfigError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial.partitioner_check import PartitionerRechecks
from shadowstream.protocol.headers import ORIGIN_HEADER, unpack, unpack_origin
from shadowstream.records import InputCoordinate
from shadowstream.runner.partitioner import partition_for
from shadowstream.testing import Broker
from shadowstream.testing.topics import Read, read_all
from tests.pipeline.candidates import FAULTY, OUT_OF
from tests.pipeline.test_outcomes import ends
from tests.pipeline.trial_fixture import COORDINATE_HEADER, PARTITIONS, Production, Trial
from tests.pipeline.written_records import await_that, ended, outcomes_of_rows, records, remainders, totals

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


def faulty(kafka: Broker, folder: Path, name: str, **more: Any) -> Trial:
    trial = Trial(
        kafka.bootstrap,
        name,
        folder,
        FAULTY,
        "trial_candidate:faulty",
        output_partitions=OUTPUT_PARTITIONS,
        **more,
    )
    trial.create_topics()
    trial.write_orders(range(ORDERS))
    return trial


def start_mark(trial: Trial) -> dict[str, Any]:
    (mark,) = [one for one in records(trial.bootstrap, trial.topic("progress")) if one["kind"] == "start"]
    return mark


def detected(trial: Trial, log: str, kind: str) -> str:
    """The line of the log that names what was found."""
    (line,) = [line for line in trial.log_text(log).splitlines() if "partitioner_detected" in line]
    assert trial.output in line
    assert kind in line
    return line


def check_balance(trial: Trial) -> None:
    stats = records(trial.bootstrap, trial.topic("stats"))
    assert totals(stats) == EXPECTED + Counter(input=ORDERS, input_failed=EACH)
    assert outcomes_of_rows(trial.bootstrap, trial.topic("diff")) == EXPECTED
    assert remainders(stats) == {}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("murmur2", "murmur2_random"), ("crc32", "consistent_random")],
    ids=["as-java", "as-librdkafka"],
)
def test_a_hash_that_production_uses_is_found_and_everything_pairs(
    kind: str, settings: str, kafka: Broker, tmp_path: Path
) -> None:
    trial = faulty(kafka, tmp_path, f"hashed-{kind}")
    production = Production(trial, partitioner=settings)
    production.work(ends(ORDERS // 2))
    up = trial.start("up", str(trial.config_path))
    production.work(ends(ORDERS))
    trial.finish(up, "up")

    written = read_all(kafka.bootstrap, trial.output)
    assert [one.partition for one in written] == [partition_for(kind, one.key, 0, OUTPUT_PARTITIONS) for one in written]
    assert start_mark(trial)["partitioners"] == [{"topic": trial.output, "kind": kind}]
    check_balance(trial)
    print(f"{detected(trial, 'up', kind)}\n{kind}: {dict(EXPECTED)}")


IDENTITIES: dict[str, dict[str, Any]] = {
    "key": {"kind": "key"},
    "coordinate": {"kind": "coordinate", "header": COORDINATE_HEADER},
}


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


@pytest.mark.parametrize("identity", IDENTITIES)
def test_with_a_partitioner_that_nobody_knows_both_sides_go_by_identity(
    identity: str, kafka: Broker, tmp_path: Path
) -> None:
    trial = faulty(kafka, tmp_path, f"custom-{identity}", identity=IDENTITIES[identity])
    production = Production(trial, partitioner=by_last_byte, names_inputs=identity == "coordinate")
    production.work(ends(ORDERS // 2))
    up = trial.start("up", str(trial.config_path))
    production.work(ends(ORDERS))
    trial.finish(up, "up")

    assert start_mark(trial)["partitioners"] == [{"topic": trial.output, "kind": "repartition"}]
    check_copies(trial, home(identity))
    check_balance(trial)
    # The pair ids of what production has written are production's own coordinates.
    rows = records(kafka.bootstrap, trial.topic("diff"))
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


def test_copying_resumes_where_it_stopped_and_copies_know_their_warm_up(kafka: Broker, tmp_path: Path) -> None:
    trial = faulty(kafka, tmp_path, "custom-warm", settings={"start": "production-group", "bounded": False})
    production = Production(trial, partitioner=by_last_byte)
    production.work(ends(300))
    up = trial.start("up", str(trial.config_path))
    await_that("the start is pinned", lambda: bool(records(kafka.bootstrap, trial.topic("progress"))))
    production.work(ends(600))
    up.send_signal(signal.SIGTERM)
    trial.finish(up, "up")
    production.work(ends(ORDERS))

    up = trial.start("up", str(trial.config_path))
    await_that(
        "the warm-up is closed",
        lambda: "warm" in {record["kind"] for record in records(kafka.bootstrap, trial.topic("progress"))},
    )
    trial.write_orders(range(ORDERS, ORDERS + 300))
    production.work({p: len(range(p, ORDERS, PARTITIONS)) + 100 for p in range(PARTITIONS)})
    # Of the last 300 orders each fault has 3; of orders 300 to 1,199 every pair and every record alone is warm-up.
    expected = Counter(missing=3, extra=3, candidate_error=3, tolerated=3, ignored=3, match=288, warm_up=900 + 9)
    await_that(
        f"outcomes are {dict(expected)}", lambda: ended(records(kafka.bootstrap, trial.topic("stats"))) == expected
    )
    up.send_signal(signal.SIGTERM)
    trial.finish(up, "up")
    assert remainders(records(kafka.bootstrap, trial.topic("stats"))) == {}


def test_before_production_has_written_anything_nothing_is_guessed(kafka: Broker, tmp_path: Path) -> None:
    trial = faulty(kafka, tmp_path, "waiting")
    up = trial.start("up", str(trial.config_path))
    await_that("the runner waits", lambda: "waiting_for_production" in trial.log_text("up"))
    time.sleep(1.5)
    assert "partitioner_detected" not in trial.log_text("up")
    Production(trial, partitioner="murmur2_random").work(ends(ORDERS))
    trial.finish(up, "up")
    detected(trial, "up", "murmur2")
    check_balance(trial)


def test_a_runner_that_waits_for_production_can_be_stopped(kafka: Broker, tmp_path: Path) -> None:
    trial = faulty(kafka, tmp_path, "waiting-stopped")
    run = trial.start("run", str(trial.config_path))
    await_that("the runner waits", lambda: "waiting_for_production" in trial.log_text("run"))
    run.send_signal(signal.SIGTERM)
    trial.finish(run, "run", 10)


@pytest.mark.parametrize(
    ("expected", "settings", "instead"),
    [
        ("input", "murmur2_random", "write partitioner: murmur2, which explains all"),
        ("crc32", "murmur2_random", "write partitioner: murmur2, which explains all"),
        ("murmur2", by_last_byte, "write partitioner: auto, which copies both sides by identity"),
    ],
    ids=["input-for-murmur2", "crc32-for-murmur2", "murmur2-for-custom"],
)
def test_a_wrong_setting_is_refused_with_what_to_write_instead(
    expected: str, settings: str | Callable[[bytes], int], instead: str, kafka: Broker, tmp_path: Path
) -> None:
    name = f"wrong-{expected}-{'custom' if callable(settings) else 'hash'}"
    trial = faulty(kafka, tmp_path, name)
    Production(trial, partitioner=settings).work(ends(ORDERS))
    trial.write_config(candidate={"call": trial.call, "trusted": True, "partitioner": expected})
    answer = trial.ask("run", str(trial.config_path))
    assert answer.returncode == 2, answer.stderr
    error_text = " ".join(answer.stderr.split())
    assert f"candidate.partitioner: {expected}, but of 1200 keys sampled of topic '{trial.output}'" in error_text
    assert f"{trial.output}/" in error_text
    assert instead in error_text
    assert "order-" not in error_text, "keys are data"
    assert records(kafka.bootstrap, trial.topic("progress")) == []
    print(error_text[error_text.index("candidate.partitioner") :])


def test_a_production_that_changes_its_partitioner_ends_the_trial(kafka: Broker, tmp_path: Path) -> None:
    trial = faulty(kafka, tmp_path, "changes")
    production = Production(trial, partitioner="murmur2_random")
    production.work(ends(ORDERS))
    trial.play("run")
    config = trial.config
    rechecks = PartitionerRechecks(config, admin(config.kafka), {trial.output: "murmur2"})
    rechecks.turn(0)
    rechecks.turn(5)  # looks, and finds what it should

    trial.write_orders(range(ORDERS, ORDERS + 300))
    production.partitioner = "consistent_random"
    production.work({p: len(range(p, ORDERS, PARTITIONS)) + 100 for p in range(PARTITIONS)})
    rechecks.turn(64.999)  # not yet
    with pytest.raises(ConfigError, match=r"began when murmur2 explained production, but of \d+ keys sampled"):
        rechecks.turn(65)
    again = trial.ask("run", str(trial.config_path))
    assert again.returncode == 2
    assert "start anew under another name" in " ".join(again.stderr.split())
