"""`kafka.group_protocol: consumer` on a real broker: two joiners, one of them killed, and every pair is said once."""

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.kafka import loop, transaction
from shadowstream.kafka.client.consumers import Stoppable, admin, group_consumer, transactional_writer
from shadowstream.records import Partition
from shadowstream.testing import Broker, EmbeddedKafka
from shadowstream.testing.topics import create_topics
from tests.kafka.test_loop import Copier
from tests.least_config import least_config
from tests.pipeline.role_processes import Running
from tests.pipeline.trial_fixture import UNBOUNDED, Production, Trial
from tests.pipeline.written_records import await_that, outcomes_of_rows, remainders

BLOCK = 90
SESSION = {
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "1000",
}
"""The broker's own is 45 s: so long the tasks of one that was killed wait."""


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with EmbeddedKafka(properties=SESSION) as kafka:
        cluster = {"bootstrap": kafka.bootstrap, "group_protocol": "consumer"}
        made = Trial(kafka.bootstrap, "protocol", tmp_path, settings={**UNBOUNDED, "kafka": cluster})
        made.create_topics()
        yield made


def tasks(trial: Trial) -> list[set[str]]:
    """Partitions of the tasks that a joiner took at each of its assignments: of each both sides."""
    events = trial.logged("join")
    found = []
    for places in [event["partitions"] for event in events if event["event"] == "assigned"]:
        numbers = {place.rpartition("/")[2] for place in places}
        assert len(places) == 2 * len(numbers), places
        found.append(numbers)
    return found


def test_two_joiners_emit_each_pair_once_while_the_broker_moves_tasks(trial: Trial) -> None:
    written = 0

    def block() -> int:
        """Orders and production's answers to them; gives how many there are now."""
        nonlocal written
        trial.write_orders(range(written, written + BLOCK))
        written += BLOCK
        Production(trial).work(written)
        return written

    with Running(trial) as roles:
        block()
        roles.start("run")
        roles.start("join")
        roles.await_outcomes(match=written)
        # The tasks move while there is work: one side of a task may be here before the other.
        roles.start("join", "1")
        await_that("a task has moved", lambda: {1, 2} <= {len(numbers) for numbers in tasks(trial)})
        roles.await_outcomes(match=block())
        roles.kill("join", "1")
        block()
        roles.start("join", "1")
        roles.await_outcomes(match=block())
        roles.stop("join", "0")
        block()
        roles.start("join", "0")
        roles.await_outcomes(match=block())
        assert outcomes_of_rows(trial.bootstrap, trial.topic("diff")) == {"match": written}
        assert remainders(roles.stats()) == {}
    assert {len(numbers) for numbers in tasks(trial)} >= {1, 2, 3}


class PairingRole(Copier):
    """Works on partition p of two topics where it has both."""

    topics: tuple[str, ...] = ()

    def complete_tasks(self, places: Collection[Partition]) -> list[Partition]:
        return [place for place in places if all(Partition(topic, place.partition) in places for topic in self.topics)]


def test_a_task_split_between_members_waits_and_is_then_refused(
    kafka: Broker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "GATED_MAX_S", 12.0)
    role, name = PairingRole(), f"torn-{topic_prefix[-9:-1]}"
    role.topics = (f"{topic_prefix}a", f"{topic_prefix}b")
    create_topics(kafka.bootstrap, dict.fromkeys(role.topics, 2))
    cluster = {"bootstrap": kafka.bootstrap, "group_protocol": "consumer"}
    config = least_config(name=name, kafka=cluster)
    alien = Consumer({
        "bootstrap.servers": kafka.bootstrap, "group.id": f"shadow.{name}.joiner", "group.protocol": "consumer",
        "group.remote.assignor": "range",
    })  # fmt: skip
    with closing(alien):
        alien.subscribe([role.topics[0]])
        await_that("the alien has all of a", lambda: alien.poll(0.2) is None and len(alien.assignment()) == 2)
        watch = RoleHealth(name, "joiner")
        writer = transactional_writer(config, "joiner", "0")
        transaction.start_transactions(writer, watch)
        made = loop.Loop(config, role, group_consumer(config, "joiner", "0"), writer, admin(config.kafka), watch)
        tick, handed = role.tick, []
        monkeypatch.setattr(
            role, "tick", lambda now_ms: (alien.poll(0), handed.append(set(role.positions)), tick(now_ms))
        )
        with pytest.raises(ConfigError, match=r"without the other sides of the task for 12 s: .* splits tasks"):
            made.run(list(role.topics), Stoppable())
    # Of the partition that it has both of it works all the while.
    whole = {frozenset(places) for places in handed}
    assert whole <= {frozenset(), *(frozenset(Partition(topic, p) for topic in role.topics) for p in range(2))}
    assert len(whole) == 2
