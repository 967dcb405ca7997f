"""A candidate that is somebody's own job: watched, never touched, and every record of it ends in its one outcome."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.errors import IsolationError
from shadowstream.kafka.client.consumers import plain_writer
from shadowstream.records import Write
from shadowstream.testing import Broker
from shadowstream.testing.topics import create_topics, read_all
from tests.pipeline.candidates import OUT_OF
from tests.pipeline.external_jobs import add, faulty, job, right
from tests.pipeline.test_outcomes import ends
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial
from tests.pipeline.written_records import await_that, ended, ledgers, records, remainders


def adopted(bootstrap: str, name: str, folder: Path, **changes: Any) -> Trial:
    """A trial whose candidate is a job that writes `<name>-next`, its topics created."""
    trial = Trial(bootstrap, name, folder, settings={"start": "earliest", "bounded": False})
    candidate = {"topic": f"{name}-next", "group": f"{name}-next", "version": "1", "commits": "after_output"}
    trial.write_config(**{"candidate": candidate, **changes})
    trial.create_topics()
    create_topics(bootstrap, {f"{name}-next": PARTITIONS})
    return trial


@contextmanager
def running(trial: Trial, word: str) -> Iterator[list[dict[str, Any]]]:
    """`shadowstream <word>` until the end of the block, which takes SIGTERM and ends well; then what it printed is in
    the list. Its log stands in what fails meanwhile."""
    process = trial.start(word, str(trial.config_path), "--json")
    printed: list[dict[str, Any]] = []
    try:
        yield printed
        process.send_signal(signal.SIGTERM)
        printed += [json.loads(line) for line in trial.finish(process, word).splitlines()]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{trial.log_text(word)[-6_000:]}") from error
    finally:
        if process.poll() is None:
            process.terminate()  # what `up` has started ends with it
            process.wait(30)


def marks(trial: Trial) -> list[dict[str, Any]]:
    return records(trial.bootstrap, trial.topic("progress"))


def done(written: list[dict[str, Any]]) -> dict[int, int]:
    """How far the marks say the candidate is, by input partition; none goes back."""
    found: dict[int, int] = {}
    for mark in written:
        if mark["kind"] == "done":
            assert mark["to_offset"] >= found.get(mark["input_partition"], -1)
            found[mark["input_partition"]] = mark["to_offset"]
    return found


def committed(trial: Trial, group: str) -> dict[int, int]:
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    places = [TopicPartition(trial.input, partition) for partition in range(PARTITIONS)]
    asked = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
    return {one.partition: one.offset for one in asked[group].result(30).topic_partitions}


def test_the_watcher_reports_progress_and_ends_and_touches_nothing(kafka: Broker, tmp_path: Path) -> None:
    trial = adopted(kafka.bootstrap, "watched-job", tmp_path)
    trial.write_orders(range(90))
    next_ = job(trial, "next", right)
    with running(trial, "run") as printed:
        Production(trial).work(ends(90))
        next_.work(ends(30))
        await_that("30 inputs are done", lambda: done(marks(trial)) == ends(30))
        next_.work(ends(90), commit=False)
        next_.work(ends(75))
        await_that("75 inputs are done", lambda: done(marks(trial)) == ends(75))
    assert [(one["role"], one["records"]) for one in printed] == [("watcher", 45)]
    first = sum(mark["kind"] == "done" for mark in marks(trial))
    assert first == 2 * PARTITIONS, "what has not changed is not said again"
    with running(trial, "run"):  # another watcher says the same, and nothing that is not so
        await_that(
            "it is said again", lambda: sum(mark["kind"] == "done" for mark in marks(trial)) == first + PARTITIONS
        )
    done_marks = [mark for mark in marks(trial) if mark["kind"] == "done"]
    assert {mark["counters"] for mark in done_marks} == {None}
    written = Counter(read.partition for read in read_all(trial.bootstrap, f"{trial.name}-next"))
    last = {end["partition"]: end["offset"] for end in done_marks[-1]["ends"]}
    assert {end["topic"] for end in done_marks[-1]["ends"]} == {f"{trial.name}-next"}
    assert last == written
    assert sum(written.values()) == 90 + 45, "nobody but the job has written its topic"
    assert committed(trial, f"{trial.name}-next") == ends(75)


def kill_child(trial: Trial, role: str) -> None:
    """kill -9 of a role under `up`, by the process id that it was last started with."""
    started = [one for one in trial.logged("up") if one.get("event") == "started" and one.get("role") == role]
    os.kill(started[-1]["pid"], signal.SIGKILL)


ORDERS = 900
EACH = ORDERS // OUT_OF


def await_outcomes(trial: Trial, expected: Counter[str], limit_s: float = 30) -> None:
    """Until the outcomes are these; what they were last is in the failure."""
    found: list[Counter[str]] = []

    def there() -> bool:
        found[:] = [+ended(stats(trial))]
        return found[0] == expected

    try:
        await_that(f"outcomes are {dict(expected)}", there, limit_s)
    except AssertionError as error:
        raise AssertionError(f"{error}, but {found}") from None


def members(trial: Trial, group: str) -> int:
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    return len(client.describe_consumer_groups([group])[group].result(30).members)


def test_each_record_of_an_external_candidate_ends_once_despite_kills(kafka: Broker, tmp_path: Path) -> None:
    trial = adopted(kafka.bootstrap, "adopted", tmp_path, judge={"window_ms": 3_600_000})
    topic = f"{trial.name}-next"
    production, next_ = Production(trial), job(trial, "next", faulty)
    trial.write_orders(range(ORDERS))
    with running(trial, "up"):
        production.work(ends(600))
        next_.work(ends(300))
        await_that("pairs are said", lambda: ended(stats(trial))["match"] >= 250)
        kill_child(trial, "run")
        add(trial, topic, range(ORDERS))
        next_.work(ends(450), commit=False)  # the job dies before it has committed: the next life says it again
        next_.work(ends(600))
        kill_child(trial, "join")
        production.work(ends(ORDERS))
        next_.work(ends(ORDERS))
        expected = Counter(missing=EACH, extra=EACH, mismatch=EACH, match=ORDERS - 2 * EACH)
        expected["duplicate_shadow"] = 150 - 2
        await_outcomes(trial, expected)
        assert members(trial, topic) == 0, "nobody but the job ever was in its group"
    written = stats(trial)
    assert +ended(written) == expected
    assert remainders(written) == {}
    assert {line for line, _ in ledgers(written)} == {3}
    assert committed(trial, topic) == ends(ORDERS)
    assert len(read_all(trial.bootstrap, topic)) == ORDERS - EACH + EACH + 150 - 2
    verdict = records(trial.bootstrap, trial.topic("verdict"))[-1]
    assert verdict["candidate_isolation"] == "external"
    assert any(caveat.startswith("ledgers 1 and 2 do not exist") for caveat in verdict["caveats"])
    assert verdict["outcomes"].get("input") is None
    assert [one["n"] for one in verdict["criteria"] if one["rate"] == "error"] != [0]


def stats(trial: Trial) -> list[dict[str, Any]]:
    return records(trial.bootstrap, trial.topic("stats"))


@pytest.mark.long
def test_an_external_candidates_older_outputs_are_warm_up_never_extra(kafka: Broker, tmp_path: Path) -> None:
    trial = adopted(kafka.bootstrap, "adopted-late", tmp_path, start="production-group")
    production, next_ = Production(trial), job(trial, "next", right)
    trial.write_orders(range(330))
    production.work(ends(300))
    next_.work(ends(240))
    with running(trial, "run"), running(trial, "join"):
        await_that("the start is pinned", lambda: "start" in {mark["kind"] for mark in marks(trial)})
        production.work(ends(330))
        next_.work(ends(330))
        await_that("the warm-up is closed", lambda: "warm" in {mark["kind"] for mark in marks(trial)})
        trial.write_orders(range(330, 600))
        production.work(ends(600))
        next_.work(ends(600))
        # The answers to orders 0 to 299 were read by nobody on production's side: those of the job stand alone.
        await_outcomes(trial, Counter(match=300, warm_up=300))


def test_no_writer_or_config_makes_the_external_topic_its_own(kafka: Broker, tmp_path: Path) -> None:
    trial = adopted(kafka.bootstrap, "guarded", tmp_path)
    writer = plain_writer(trial.config)
    with pytest.raises(IsolationError, match="refused to write to 'guarded-next'"):
        writer.write([Write("guarded-next", 0, None, b"{}")])
    assert writer.producer.flush(10) == 0
    await_that("the job's topic is there and empty", lambda: read_all(kafka.bootstrap, "guarded-next") == [])
