"""`diff.json`: where asked for, each row of diff as JSON beside it, for kcat and other readers without Avro."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from shadowstream.codecs import own
from shadowstream.topics import TopicPlan
from tests.kafka.subscription.conftest import Cluster, joined

README = (Path(__file__).resolve().parents[3] / "README.md").read_text("utf-8")


def as_json(record: dict[str, Any]) -> dict[str, Any]:
    """What a row must be as JSON: written down here once more, by the standard library."""
    key = record["key"]
    text = None if key is None else key.decode("utf-8", "backslashreplace")
    found: dict[str, Any] = json.loads(json.dumps({**record, "key": text}))
    return found


def test_each_transaction_writes_every_row_twice_with_one_key_partition_and_time() -> None:
    transactions = joined("t", diff_json=True)
    diff, beside = "shadow.t.diff", "shadow.t.diff.json"
    rows = [[one for one in writes if one.topic == diff] for writes in transactions]
    texts = [[one for one in writes if one.topic == beside] for writes in transactions]
    assert sum(map(len, rows)) > 20
    for avro, plain in zip(rows, texts, strict=True):
        assert [(one.partition, one.key, one.time_ms) for one in avro] == [
            (one.partition, one.key, one.time_ms) for one in plain
        ]
        assert [as_json(own.decode(one.value or b"")[1]) for one in avro] == [
            json.loads(one.value or b"") for one in plain
        ]


def test_nothing_is_written_as_json_and_no_topic_planned_where_nobody_asked() -> None:
    assert {one.topic for writes in joined("t") for one in writes} == {
        f"shadow.t.{x}" for x in ("diff", "stats", "state", "dlq.joiner")
    }
    plan = TopicPlan("t")
    without, asked = ({spec.name for spec in plan.specs({"out": 2}, diff_json=on)} for on in (False, True))
    assert asked - without == {"shadow.t.diff.json"}
    specs = {spec.name: spec for spec in plan.specs({"out": 2}, diff_json=True)}
    diff, beside = specs["shadow.t.diff"], specs["shadow.t.diff.json"]
    assert (diff.partitions, diff.config) == (beside.partitions, beside.config)


@pytest.mark.parametrize(
    ("key", "text"), [(b"k-1", "k-1"), ("Zoë".encode(), "Zoë"), (b"\xff\x00", "\\xff\x00"), (b"", ""), (None, None)]
)
def test_bytes_are_text_and_what_is_no_text_is_escaped(key: bytes | None, text: str | None) -> None:
    assert json.loads(own.as_json({"key": key})) == {"key": text}


def test_a_huge_key_is_cut_so_that_the_row_fits_a_message() -> None:
    difference = {"path": "p", "kind": "value", "production": "\x01" * 256, "shadow": "\x01" * 256, "delta": 0.5}
    text = own.as_json({"key": b"\xff" * 900_000, "differences": [difference] * 32})
    assert len(json.loads(text)["key"]) == 4 * own.JSON_BYTES_MAX
    assert len(text) < 900_000


def test_numbers_that_are_none_are_null() -> None:
    assert orjson.loads(own.as_json({"delta": float("nan"), "more": float("inf")})) == {"delta": None, "more": None}


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed (Debian package kcat)")
def test_kcat_prints_the_rows_of_diff_by_the_readmes_own_line(cluster: Cluster) -> None:
    cluster.join(diff_json=True)
    line = next(line for line in README.splitlines() if line.startswith("kcat "))
    words = [
        {"localhost:9092": cluster.bootstrap, "shadow.fraud.diff.json": cluster.topic("diff.json")}.get(word, word)
        for word in shlex.split(line)
    ]
    assert {cluster.bootstrap, cluster.topic("diff.json")} <= set(words)
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    printed = {row["pair_id"]: row for row in map(json.loads, done.stdout.splitlines())}
    rows = [own.decode(one.value or b"")[1] for one in cluster.stored("diff")]
    assert printed == {row["pair_id"]: as_json(row) for row in rows}
    assert len(printed) == len(done.stdout.splitlines()) == len(rows)
    assert not re.search(r"\bkcat\b", done.stderr), done.stderr
