"""A candidate that is somebody's own job: watched, never touched, and every record of it ends in its one outcome."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.errors import IsolationError
from shadowstream.kafka.client.consumers import plain_writer
from shadowstream.records import Write
from shadowstream.testing.topics import create_topics, read_all
from tests.pipeline.candidates import OUT_OF
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.external_jobs import add, candidate_of, faulty, job, right
from tests.pipeline.trial_fixture import PARTITIONS, UNBOUNDED, Production, Trial, below
from tests.pipeline.written_records import await_that, ended, ledgers, remainders


def adopted(make_trial: MakeTrial, name: str, next_partitions: int = PARTITIONS, **more: Any) -> Trial:
    """A trial whose candidate is a job that writes `<name>-next`, its topics created."""
    trial = make_trial(name, **{**UNBOUNDED, "candidate": candidate_of(name), **more})
    create_topics(trial.bootstrap, {f"{name}-next": next_partitions})
    return trial


class Run(NamedTuple):
    """A command that runs, and what it has printed once it has ended."""

    process: subprocess.Popen[str]
    printed: list[dict[str, Any]]


@contextmanager
def running(trial: Trial, word: str, *options: str) -> Iterator[Run]:
    """`shadowstream <word>` until the end of the block, which takes SIGTERM and ends well. Its log stands in what fails
    meanwhile."""
    process, printed = Run(trial.start(word, "--json", *options), [])
    try:
        yield Run(process, printed)
        process.send_signal(signal.SIGTERM)
        printed += [json.loads(line) for line in trial.finish(process, word).splitlines()]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{trial.log_text(word)[-6_000:]}") from error
    finally:
        if process.poll() is None:
            process.terminate()  # what `up` has started ends with it
            process.wait(30)


def done(written: list[dict[str, Any]]) -> dict[int, int]:
    """How far the done marks say the candidate is, by input partition; none goes back."""
    found: dict[int, int] = {}
    for mark in written:
        assert mark["to_offset"] >= found.get(mark["input_partition"], -1)
        found[mark["input_partition"]] = mark["to_offset"]
    return found


def committed(trial: Trial, group: str) -> dict[int, int]:
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    places = [TopicPartition(trial.input, partition) for partition in range(PARTITIONS)]
    asked = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
    return {one.partition: one.offset for one in asked[group].result(30).topic_partitions}


def test_the_watcher_reports_progress_and_ends_and_touches_nothing(make_trial: MakeTrial) -> None:
    trial = adopted(make_trial, "watched-job")

    def marks() -> list[dict[str, Any]]:
        return [mark for mark in trial.records("progress") if mark["kind"] == "done"]

    trial.write_orders(range(90))
    next_ = job(trial, "next", right)
    with running(trial, "run") as run:
        Production(trial).work(90)
        next_.work(30)
        await_that("30 inputs are done", lambda: done(marks()) == below(30))
        next_.work(90, commit=False)
        next_.work(75)
        await_that("75 inputs are done", lambda: done(marks()) == below(75))
        refused = trial.ask("down", "--yes")
        assert (refused.returncode, f"{trial.topic('runner.present')} (1)" in refused.stderr) == (2, True)
    assert [(one["role"], one["records"]) for one in run.printed] == [("watcher", 45)]
    first = len(marks())
    assert first == 2 * PARTITIONS, "what has not changed is not said again"
    with running(trial, "run"):  # another watcher says the same, and nothing that is not so
        await_that("it is said again", lambda: len(marks()) == first + PARTITIONS)
    done_marks = marks()
    assert {mark["counters"] for mark in done_marks} == {None}
    written = Counter(read.partition for read in read_all(trial.bootstrap, f"{trial.name}-next"))
    last = {end["partition"]: end["offset"] for end in done_marks[-1]["ends"]}
    assert {end["topic"] for end in done_marks[-1]["ends"]} == {f"{trial.name}-next"}
    assert last == written
    assert sum(written.values()) == 90 + 45, "nobody but the job has written its topic"
    assert committed(trial, f"{trial.name}-next") == below(75)


def kill_child(trial: Trial, role: str) -> None:
    """kill -9 of a role under `up`, by the process id that it was last started with."""
    started = [one for one in trial.logged("up") if one.get("event") == "started" and one.get("role") == role]
    os.kill(started[-1]["pid"], signal.SIGKILL)


ORDERS = 900
EACH = ORDERS // OUT_OF


def members(trial: Trial, group: str) -> int:
    client = AdminClient({"bootstrap.servers": trial.bootstrap})
    return len(client.describe_consumer_groups([group])[group].result(30).members)


def test_each_record_of_an_external_candidate_ends_once_despite_kills(make_trial: MakeTrial) -> None:
    trial = adopted(make_trial, "adopted", judge={"window_ms": 3_600_000})
    topic = f"{trial.name}-next"
    production, next_ = Production(trial), job(trial, "next", faulty)
    trial.write_orders(range(ORDERS))
    with running(trial, "up"):
        production.work(600)
        next_.work(300)
        await_that("pairs are said", lambda: trial.outcomes()["match"] >= 250)
        kill_child(trial, "run")
        add(trial, topic, range(ORDERS))
        next_.work(450, commit=False)  # the job dies before it has committed: the next life says it again
        next_.work(600)
        kill_child(trial, "join")
        production.work(ORDERS)
        next_.work(ORDERS)
        expected = Counter(missing=EACH, extra=EACH, mismatch=EACH, match=ORDERS - 2 * EACH)
        expected["duplicate_shadow"] = 150 - 2
        trial.await_outcomes(expected, 30)
        assert members(trial, topic) == 0, "nobody but the job ever was in its group"
    written = trial.records("stats")
    assert +ended(written) == expected
    assert remainders(written) == {}
    assert {line for line, _ in ledgers(written)} == {3}
    assert committed(trial, topic) == below(ORDERS)
    assert len(read_all(trial.bootstrap, topic)) == ORDERS - EACH + EACH + 150 - 2
    verdict = trial.records("verdict")[-1]
    assert verdict["candidate_isolation"] == "external"
    assert any(caveat.startswith("ledgers 1 and 2 do not exist") for caveat in verdict["caveats"])
    assert verdict["outcomes"].get("input") is None
    assert [one["n"] for one in verdict["criteria"] if one["rate"] == "error"] != [0]


@pytest.mark.long
def test_an_external_candidates_older_outputs_are_warm_up_never_extra(make_trial: MakeTrial) -> None:
    trial = adopted(make_trial, "adopted-late", start="production-group")
    production, next_ = Production(trial), job(trial, "next", right)
    trial.write_orders(range(330))
    production.work(300)
    next_.work(240)
    with running(trial, "run"), running(trial, "join"):
        trial.await_mark("start")
        production.work(330)
        next_.work(330)
        trial.await_mark("warm")
        trial.write_orders(range(330, 600))
        production.work(600)
        next_.work(600)
        # The answers to orders 0 to 299 were read by nobody on production's side: those of the job stand alone.
        trial.await_outcomes(Counter(match=300, warm_up=300), 30)


def test_no_writer_or_config_makes_the_external_topic_its_own(make_trial: MakeTrial) -> None:
    trial = adopted(make_trial, "guarded")
    writer = plain_writer(trial.config)
    with pytest.raises(IsolationError, match="refused to write to 'guarded-next'"):
        writer.write([Write("guarded-next", 0, None, b"{}")])
    assert writer.producer.flush(10) == 0
    await_that("the job's topic is there and empty", lambda: read_all(trial.bootstrap, "guarded-next") == [])
