"""`shadowstream.subscribe` on a real broker: committed rows, typed; alone or in a group, from then or from now on."""

import contextlib
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from fastavro.schema import parse_schema
from fastavro.utils import generate_many

import shadowstream
from shadowstream import DriftEvent, Verdict, subscribe
from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.errors import ConfigError, IsolationError, RecordError
from shadowstream.kafka.reading.topic_reader import TopicMissing
from shadowstream.kafka.subscription import Subscription
from shadowstream.public_records import ROWS, RecordId, row_of
from tests import forked
from tests.kafka.subscription.conftest import Cluster, event

LIMIT_S = 30.0


def numbers(events: list[DriftEvent]) -> list[int]:
    return sorted(round(one.after * 10) for one in events)


def committed(cluster: Cluster, group: str) -> dict[int, int]:
    """Committed offsets of a group in drift, by partition."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(LIMIT_S)
    return {tp.partition: tp.offset for tp in asked.topic_partitions if tp.offset >= 0}


def test_every_row_arrives_as_written_with_its_coordinates(cluster: Cluster) -> None:
    cluster.join()
    expected = [
        row_of("diff", own.decode(one.value or b"")[1], RecordId(one.topic, one.partition, one.offset))
        for one in cluster.stored("diff")
    ]
    assert {"match", "mismatch", "missing", "extra", "candidate_error"} <= {row.outcome for row in expected}
    with subscribe(cluster.write_config(), "diff", follow=False) as rows:
        found = sorted(rows, key=lambda row: row.at.partition)
    assert found == expected


@pytest.mark.parametrize("topic", ROWS)
def test_each_topic_gives_its_own_class_by_bootstrap_and_name_only(cluster: Cluster, topic: str) -> None:
    records: list[Any] = list(generate_many(parse_schema(own.schema(topic)), 10))
    cluster.store(topic, *records)
    by_name: Any = {"bootstrap": cluster.bootstrap, "name": cluster.name, "topic": topic}
    with subscribe(follow=False, **by_name) as rows:
        found = list(rows)
    assert {type(row) for row in found} == {ROWS[topic]}
    assert len(found) == len(records)


def test_only_committed_rows_come_and_open_transactions_delay_no_end(cluster: Cluster) -> None:
    cluster.store("drift", event(1))
    writer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": f"{cluster.name}.open"})
    writer.init_transactions(LIMIT_S)
    for number, end in ((2, writer.abort_transaction), (3, lambda _: None)):
        writer.begin_transaction()
        writer.produce(cluster.topic("drift"), own.encode("drift", event(number)), partition=0)
        writer.flush(LIMIT_S)
        end(LIMIT_S)
    config = load(cluster.write_config())
    with subscribe(config, "drift", follow=False) as rows:
        assert numbers(list(rows)) == [1]
    writer.commit_transaction(LIMIT_S)
    with subscribe(config, "drift", timeout_s=LIMIT_S) as rows:
        assert numbers(list(itertools.islice(rows, 2))) == [1, 3]


def test_following_gives_what_is_stored_and_what_comes(cluster: Cluster) -> None:
    cluster.store("drift", event(1))
    with subscribe(cluster.write_config(), "drift", timeout_s=LIMIT_S) as rows:
        assert numbers([next(rows)]) == [1]
        cluster.store("drift", event(2), event(3))
        assert numbers(list(itertools.islice(rows, 2))) == [2, 3]


def test_following_ends_after_the_longest_wait(cluster: Cluster) -> None:
    began = time.monotonic()
    with subscribe(cluster.write_config(), "drift", timeout_s=0.5) as rows:
        assert list(rows) == []
    assert 0.5 <= time.monotonic() - began < LIMIT_S


def test_an_empty_topic_ends_at_once_where_nobody_follows(cluster: Cluster) -> None:
    with subscribe(cluster.write_config(), "verdict", follow=False) as rows:
        nothing: list[Verdict] = list(rows)
    assert nothing == []


def test_from_now_on_skips_stored_records_and_no_new_ones(cluster: Cluster) -> None:
    cluster.store("drift", event(1), event(2))
    with subscribe(cluster.write_config(), "drift", from_beginning=False, timeout_s=LIMIT_S) as rows:
        cluster.store("drift", event(3), event(4))
        assert numbers(list(itertools.islice(rows, 2))) == [3, 4]


def test_without_a_group_nothing_is_committed_and_each_subscription_begins_anew(cluster: Cluster) -> None:
    cluster.store("drift", event(1), event(2))
    for _ in range(2):
        with subscribe(cluster.write_config(), "drift", follow=False) as rows:
            assert numbers(list(rows)) == [1, 2]
    assert committed(cluster, f"shadow.{cluster.name}.reading") == {}


def two_and_a_failure(subscription: Subscription[DriftEvent]) -> list[DriftEvent]:
    """Two rows of a program that fails while it handles the second."""
    found = []
    with contextlib.suppress(ZeroDivisionError), subscription as rows:
        found += [next(rows), next(rows)]
        _ = 1 // 0
    return found


def test_a_group_goes_on_after_the_last_row_that_was_taken(cluster: Cluster) -> None:
    path = cluster.write_config()
    cluster.store("drift", *(event(number) for number in range(10)))
    with subscribe(path, "drift", group="risk") as rows:
        assert rows.group == f"shadow.{cluster.name}.sub.risk"
        first = list(itertools.islice(rows, 3))
    # Leaving the block without an exception takes the third row too.
    assert sum(committed(cluster, rows.group).values()) == 3
    fourth, fifth = two_and_a_failure(subscribe(path, "drift", group="risk"))
    # The fourth was taken when the fifth was asked for; the fifth was not.
    with subscribe(path, "drift", group="risk", follow=False) as rows:
        rest = list(rows)
    assert fifth in rest
    assert fourth not in rest
    assert numbers([*first, fourth, *rest]) == list(range(10))
    # Each transaction ends in a control record; what is committed is the place behind the last row of a partition.
    assert committed(cluster, rows.group or "") == {0: 5, 1: 5}


def test_a_subscription_that_is_closed_gives_its_last_row_again(cluster: Cluster) -> None:
    cluster.store("drift", event(1), event(2), event(3))
    rows = subscribe(cluster.write_config(), "drift", group="risk")
    held = [next(rows), next(rows)]
    rows.close()
    rows.close()
    assert list(rows) == []
    with subscribe(cluster.write_config(), "drift", group="risk", follow=False) as rows:
        again = list(rows)
    assert held[1] in again
    assert numbers([held[0], *again]) == [1, 2, 3]


def test_a_group_from_now_on_keeps_its_begin_without_any_record(cluster: Cluster) -> None:
    path = cluster.write_config()
    cluster.store("drift", event(1), event(2))
    with subscribe(path, "drift", group="risk", from_beginning=False, follow=False) as rows:
        assert list(rows) == []
    cluster.store("drift", event(3), event(4))
    with subscribe(path, "drift", group="risk", from_beginning=False, follow=False) as rows:
        assert numbers(list(rows)) == [3, 4]


def members(cluster: Cluster, group: str) -> list[int]:
    """How many partitions each member of a group has, once the group has settled."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    try:
        found = admin.describe_consumer_groups([group])[group].result(LIMIT_S)
    except KafkaException:  # its coordinator is still loading
        return []
    settled = found.state == ConsumerGroupState.STABLE
    return [len(member.assignment.topic_partitions) for member in found.members] if settled else []


def test_two_members_of_a_group_share_the_rows(cluster: Cluster) -> None:
    path = cluster.write_config()

    def member() -> list[DriftEvent]:
        with subscribe(path, "drift", group="risk", timeout_s=20.0) as rows:
            return list(itertools.islice(rows, 4))

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(member) for _ in range(2)]
        deadline = time.monotonic() + LIMIT_S
        while members(cluster, f"shadow.{cluster.name}.sub.risk") != [1, 1]:
            assert time.monotonic() < deadline, "the group does not settle on a partition each"
            time.sleep(0.1)
        cluster.store("drift", *(event(number) for number in range(8)))
        found = [one.result() for one in working]
    assert [{row.at.partition for row in rows} for rows in found] in ([{0}, {1}], [{1}, {0}])
    assert numbers([*found[0], *found[1]]) == list(range(8))


def test_a_record_that_is_no_row_is_reported_and_skipped(cluster: Cluster) -> None:
    topic = cluster.topic("drift")
    cluster.store("drift", event(1))
    cluster.store("drift", {"alert": "a", "target": "log", "delivered_at_ms": 0}, schema="delivery")
    cluster.store("drift", event(2))
    with subscribe(cluster.write_config(), "drift", follow=False) as rows:
        first = next(rows)
        with pytest.raises(RecordError, match=rf"^{topic}/0/2: a record of delivery, not of drift$"):
            next(rows)
        assert numbers([first, *rows]) == [1, 2]


def test_a_topic_that_nobody_has_made_is_reported(cluster: Cluster) -> None:
    with pytest.raises(TopicMissing, match=r"there is no topic 'shadow\.nobody\.diff'"):
        subscribe(bootstrap=cluster.bootstrap, name="nobody")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"topic": "difs"}, "did you mean 'diff'"),
        ({"topic": "progress"}, "known are diff, drift, verdict"),
        ({"bootstrap": "localhost:1"}, "give a config"),
        ({"name": "fraud"}, "give a config"),
        ({"bootstrap": "localhost:1", "name": "a.b"}, "no dot"),
        ({"bootstrap": "localhost:1", "name": "fraud", "group": "a b"}, "use 1-100 of letters"),
        ({"bootstrap": "localhost:1", "name": "fraud", "group": ""}, "use 1-100 of letters"),
        ({"bootstrap": "localhost:1", "name": "fraud", "client": {"group.id": "scorer"}}, "group.id cannot be set"),
    ],
)
def test_names_outside_trial_topics_and_groups_are_refused_unasked(given: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        subscribe(**given)


def test_a_config_and_an_address_at_once_are_refused(tmp_path: Path) -> None:
    path = Cluster("localhost:1", "fraud", tmp_path).write_config()
    with pytest.raises(ConfigError, match="not both"):
        subscribe(path, name="fraud")


def test_no_group_can_be_one_of_productions_or_of_a_role(cluster: Cluster) -> None:
    """Whatever name is given, the group lies under sub. of the trial's prefix, where no config lets production be."""
    with subscribe(cluster.write_config(), group="runner", follow=False) as rows:
        assert rows.group == f"shadow.{cluster.name}.sub.runner"
    path = cluster.folder / "trial.yaml"
    path.write_text(path.read_text().replace("group: prod", f"group: shadow.{cluster.name}.sub.risk"))
    with pytest.raises(IsolationError):
        subscribe(path, group="risk")


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="from_begining"):
        subscribe(bootstrap="localhost:1", name="fraud", from_begining=False)  # type: ignore[call-overload]  # the point


def test_importing_the_door_loads_no_client_and_no_config() -> None:
    heavy = {"confluent_kafka", "pydantic", "fastavro", "structlog"}
    result = forked.python("-c", f"import sys, shadowstream; print({heavy} & set(sys.modules))")
    assert (result.returncode, result.stdout) == (0, "set()\n")


def test_every_name_of_the_door_is_there_and_no_other() -> None:
    assert all(getattr(shadowstream, name) is not None for name in shadowstream.__all__)
    with pytest.raises(AttributeError, match="no attribute 'subscribed'"):
        _ = shadowstream.subscribed
