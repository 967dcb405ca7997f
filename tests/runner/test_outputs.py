"""The runner's step with several output topics, with each partitioner, and with ids that outputs carry on."""

from typing import Any

import pytest

from shadowstream.errors import ShadowstreamBug
from shadowstream.protocol.headers import unpack
from shadowstream.records import Batch, Headers
from shadowstream.runner.partitioner import partition_for
from tests.runner.test_step import NOW_MS, batch, commit, ran, runner

TWO: dict[str, Any] = {"production": {"outputs": ["out", "second"]}}


def test_outputs_of_one_input_are_numbered_and_counted_by_topic() -> None:
    step = runner(**TWO)
    writes, mark, _ = ran(step, "both")
    assert [(w.topic, unpack((w.headers or [])[0][1]).coordinate.k, w.value) for w in writes] == [
        ("shadow.t.out.out", 0, b"1"),
        ("shadow.t.out.second", 0, b"2"),
        ("shadow.t.out.out", 1, b"3"),
    ]
    assert mark["counters"]["written"] == {"out/1": 2, "second/1": 1}
    assert mark["counters"]["with_output"] == 1


def test_with_several_topics_an_output_must_name_one() -> None:
    step = runner(**TWO)
    writes, mark, _ = ran(step, "plain", "both", "elsewhere")
    assert mark["counters"]["absent"] == {"error": 2}
    letters = [dict(w.headers or []) for w in writes if w.topic == "shadow.t.dlq.runner"]
    messages = [letter["__connect.errors.exception.message"].decode() for letter in letters]
    assert messages == [
        "output refused: an output names no topic and there are several; give one of production.outputs: "
        "Output(..., topic=...) of out, second",
        "output refused: an output names topic 'elsewhere'; give one of production.outputs: "
        "Output(..., topic=...) of out, second",
    ]


def test_each_topic_has_its_own_partitions_partitioner_and_encoder() -> None:
    counts = {"out": 4, "second": 3}
    kinds = {"out": "murmur2", "second": "crc32"}
    step = runner(kinds=kinds, encoders={"second": Shouting()}, **TWO)
    writes, _, _ = ran(step, *["both"] * 20)
    of = {topic: [w for w in writes if w.topic == f"shadow.t.out.{topic}"] for topic in counts}
    for topic, kind in kinds.items():
        assert [w.partition for w in of[topic]] == [partition_for(kind, w.key, 1, counts[topic]) for w in of[topic]]
    assert {w.value for w in of["second"]} == {b"2!"}


class Shouting:
    """An encoder that can be told from the other."""

    def encode(self, value: Any) -> bytes | None:
        return f"{value}!".encode()


def test_a_step_is_not_made_before_the_partitioner_is_known() -> None:
    with pytest.raises(ShadowstreamBug, match="partitioner must be detected"):
        runner(candidate={"call": "tests.runner.test_step:answer", "trusted": True})


def test_where_both_sides_are_repartitioned_an_output_goes_by_its_identity() -> None:
    for identity, expected in (
        ({"kind": "key"}, [partition_for("murmur2", b"k%d" % i, 0, 4) for i in range(20)]),
        ({"kind": "coordinate"}, [1] * 20),
    ):
        step = runner(identity=identity, kinds={"out": "repartition"})
        writes, _, _ = ran(step, *["plain"] * 20)
        assert [w.partition for w in writes] == expected


def test_an_output_carries_the_correlation_id_of_its_input() -> None:
    step = runner(identity={"kind": "id", "header": "trace"})
    assert step.wants_headers()
    assert not runner().wants_headers()
    read = batch("plain", "plain")
    headers: list[Headers] = [[("trace", b"17"), ("other", b"x")], None]
    step.step(Batch(read.place, read.offsets, read.times_ms, read.keys, read.values, headers), NOW_MS)
    writes, _, _ = commit(step)
    assert [dict(w.headers or []).get("trace") for w in writes] == [b"17", None]
    assert all("other" not in dict(w.headers or []) for w in writes)
