"""On a real broker: an older trial's start is found among its marks once, and from then on without them."""

import time
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable, admin, plain_writer
from shadowstream.kafka.reading.marks import last_done
from shadowstream.kafka.roles import joiner
from shadowstream.kafka.trial import start_mark, topic_admin
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.conftest import Say
from tests.pipeline.trial_fixture import config_under

MARKS = 60_000
REVISION, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def config(kafka: Broker, topic_prefix: str) -> Config:
    return config_under(topic_prefix, kafka.bootstrap, partitioner="murmur2")


def start_writes(config: Config) -> list[Write]:
    """The marks of two revisions, as an earlier release has left them."""
    topic = config.plan.of("progress")
    begins = [{"topic": config.inputs[0], "partition": p, "committed": 7, "end": -1, "bound": -1} for p in range(2)]
    starts: list[dict[str, Any]] = [marks.mark("start", one, begins=begins) for one in (OTHER, REVISION)]
    ends = marks.ends_field({Partition(config.plan.out(config.production.outputs[0]), p): 9 for p in range(2)})
    place = {"input_topic": config.inputs[0], "to_offset": 9, "ends": ends, "counters": marks.Counters().record()}
    done = [marks.write(topic, marks.mark("done", OTHER, input_partition=p, **place)) for p in range(2)]
    written = [marks.write(topic, one) for one in starts]
    all_ = [written[0], *done * (MARKS // 4), written[1], *done * (MARKS // 4)]
    return [Write(one.value, one.key, 0) for one in all_]


def test_an_older_trials_start_is_searched_among_its_marks_once(kafka: Broker, config: Config, say: Say) -> None:
    create_topics(kafka.bootstrap, {config.inputs[0]: 2, config.production.outputs[0]: 2})
    client, writer, watch = admin(config.kafka), plain_writer(config), RoleHealth(config.name, "joiner")
    topic_admin.ensure(client, config)
    progress = config.plan.of("progress")
    produce_all(kafka.bootstrap, progress, start_writes(config))
    took = []
    found = []
    for _ in range(3):
        began = time.monotonic()
        found.append(start_mark.pin(config, REVISION, client, writer))
        took.append(time.monotonic() - began)
        began = time.monotonic()
        known = joiner.await_start(config, REVISION, Stoppable(), watch)
        took.append(time.monotonic() - began)
        assert known is not None
        assert start_mark.TrialStart.of(known.of[REVISION]) == found[0].start
        places = [Partition(config.inputs[0], p) for p in range(2)]
        if len(found) == 1:
            assert last_done(config, client, places) == dict.fromkeys(places, 9)
            # Nobody may look for it there any more: there is nothing.
            for deleted in client.delete_records([TopicPartition(progress, 0, -1)]).values():
                deleted.result(30)
            assert last_done(config, client, places) == {}
    assert found[0] == found[1] == found[2]
    assert found[0].start.committed == dict.fromkeys(places, 7)
    once, then = took[0], max(took[2:])
    say(f"where a revision begins, behind {MARKS:,} marks: {once:.2f} s once, {then:.2f} s from then on")
    assert then < 15
