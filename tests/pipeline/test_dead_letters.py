"""On the broker: a topic of which one record in a hundred is broken, each in one of seven ways."""

import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Producer

from shadowstream.testing.topics import read_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.test_external_candidate import adopted, running
from tests.pipeline.test_joiner_memory import peak_mb
from tests.pipeline.trial_fixture import PARTITIONS, time_ms
from tests.pipeline.written_records import remainders

PAIRS, ONE_IN = 3_500, 100
RSS_MAX_MB = 300
DECODED_MAX, WRITTEN_MAX = 20_000, 900_000
FIELDS = [{"name": "n", "type": "long"}, {"name": "score", "type": "double"}, {"name": "label", "type": "string"}]
SCORE = {"type": "record", "name": "Score", "fields": FIELDS}
BOMB = {"type": "record", "name": "Bomb", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}
WAYS = {
    "truncated": "decode",
    "unknown schema": "schema",
    "bad magic": "framing",
    "too deep": "bounds",
    "bomb": "bounds",
    "too large": "bounds",
    "inflated": "bounds",
}
"""Ways in which a record is broken, and the word that the dead letter says of it."""


def good(n: int, label: str) -> bytes:
    out = io.BytesIO()
    out.write(bytes.fromhex("0000000001"))
    fastavro.schemaless_writer(out, SCORE, {"n": n, "score": n / 2, "label": label})
    return out.getvalue()


def way(n: int) -> str | None:
    """How the n-th record of the candidate is broken."""
    return list(WAYS)[n // ONE_IN % len(WAYS)] if n % ONE_IN == 0 else None


def candidate(n: int) -> bytes:
    value = good(n, "other" if n % 10 == 1 else "same")
    broken = {
        "truncated": value[:-1],
        "unknown schema": bytes.fromhex("0000000063") + value[5:],
        "bad magic": b"\x01" + value[1:],
        "too deep": b"[" * 500 + b"]" * 500,
        "bomb": bytes.fromhex("0000000002") + b"\x80\xe1\xeb\x17\x00",  # 25 million items that take no bytes
        "too large": b'"' + b"x" * DECODED_MAX + b'"',
        "inflated": b'"' + b"x" * 2_000_000 + b'"',  # twice what a broker takes, two thousand bytes once compressed
    }
    return broken.get(way(n) or "", value)


def write(bootstrap: str, topic: str, values: Iterable[tuple[int, bytes]]) -> None:
    """Compressed: a broker looks at the size of what is sent to it."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "compression.type": "zstd",
            "message.max.bytes": 4_000_000,
            "batch.size": 100_000,
        }
    )
    for n, value in values:
        producer.produce(topic, value, f"k{n}".encode(), n % PARTITIONS, timestamp=time_ms(0) + n)
        producer.poll(0)
    assert producer.flush(60) == 0


def test_one_percent_broken_records_are_dead_letters_and_others_are_compared(
    make_trial: MakeTrial, tmp_path: Path
) -> None:
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    for number, schema in ((1, SCORE), (2, BOMB)):
        (schemas / f"{number}.scores-value.avsc").write_text(json.dumps(schema), "utf-8")
    changes: dict[str, Any] = {"schemas": {"dir": str(schemas)}, "compare": {"match_sample": 0}}
    changes["limits"] = {"commit_ms": 100, "decoded_bytes_max": DECODED_MAX, "value_bytes_max": WRITTEN_MAX}
    trial = adopted(make_trial, "broken", **changes)
    broken = {n: way(n) for n in range(PAIRS) if way(n)}
    expected = Counter(undecodable_shadow=len(broken), mismatch=PAIRS // 10, match=PAIRS - PAIRS // 10 - len(broken))
    # Before the roles begin: they compare how the two topics are partitioned.
    write(trial.bootstrap, trial.output, ((n, good(n, "same")) for n in range(PAIRS)))
    write(trial.bootstrap, f"{trial.name}-next", ((n, candidate(n)) for n in range(PAIRS)))
    with running(trial, "run"), running(trial, "join") as joiner:
        # Some are said to be extra first, since this production commits no inputs, and corrected.
        trial.await_outcomes(expected)
        peak = peak_mb(joiner.process)
    assert remainders(trial.records("stats")) == {}

    letters = read_all(trial.bootstrap, trial.topic("dlq.joiner"))
    reasons: Counter[str | None] = Counter()
    for letter in letters:
        headers = {name: content.decode() for name, content in letter.headers or []}
        n = int((letter.key or b"k-1")[1:])
        assert letter.value == candidate(n)[: WRITTEN_MAX - len(letter.key or b"")]
        word, _, message = headers["__connect.errors.exception.message"].partition(":")
        assert word == WAYS[broken[n] or ""], message
        assert headers["__connect.errors.topic"] == f"{trial.name}-next"
        assert headers["__connect.errors.partition"] == str(n % PARTITIONS)
        assert headers["__connect.errors.offset"] == str(n // PARTITIONS)
        assert headers["__connect.errors.stage"] == "VALUE_CONVERTER"
        assert headers["__connect.errors.exception.class.name"] == "RecordError"
        reasons[broken[n]] += 1
    assert reasons == Counter(broken.values())
    print(f"{PAIRS} pairs, {dict(reasons)} broken, joiner at most {peak} MB")
    assert peak is not None
    assert peak < RSS_MAX_MB
