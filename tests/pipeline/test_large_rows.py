"""On the broker: records whose rows of diff would be larger than any topic takes. They are cut, and work goes on."""

import json
from collections import Counter
from pathlib import Path

from confluent_kafka import Producer

from shadowstream.testing import Broker
from shadowstream.testing.topics import create_topics, read_all
from tests.pipeline.external_jobs import candidate_of
from tests.pipeline.test_external_candidate import running
from tests.pipeline.trial_fixture import STEP_MS, UNBOUNDED, Trial, time_ms
from tests.pipeline.written_records import remainders

HUGE = 1_500_000
"""More than a client hands over (1,000,000 bytes) and a broker takes by default (1,048,588)."""
KEY, PATH = b"k" * HUGE, "p" * HUGE
RECORDS = [
    (KEY, b'{"a":1}', b'{"a":2}'),
    (b"long path", json.dumps({PATH: 1}).encode(), json.dumps({PATH: 2}).encode()),
    (b"k" * (HUGE - 1), b'{"a":1}', b"\x01" * HUGE),
    (b"plain", b'{"a":1}', b'{"a":2}'),
]


def write(trial: Trial) -> None:
    # Each of these records is a request of its own. Without idempotence, one that the client retries ends up last.
    more = {"enable.idempotence": True, "compression.type": "zstd", "message.max.bytes": 8_000_000}
    producer = Producer({"bootstrap.servers": trial.bootstrap, **more})
    for topic, side in ((trial.output, 1), (f"{trial.name}-next", 2)):
        for n, record in enumerate(RECORDS):
            producer.produce(topic, record[side], record[0], 0, timestamp=time_ms(n))
    assert producer.flush(60) == 0
    for topic in (trial.output, f"{trial.name}-next"):
        assert [one.timestamp_ms for one in read_all(trial.bootstrap, topic)] == [
            time_ms(n) for n in range(len(RECORDS))
        ]


def test_a_row_too_large_for_its_topic_is_cut_and_committed(kafka: Broker, tmp_path: Path) -> None:
    trial = Trial(kafka.bootstrap, "large", tmp_path, settings=UNBOUNDED)
    trial.write_config(candidate=candidate_of("large"), compare={"match_sample": 0, "diff_json": True})
    create_topics(kafka.bootstrap, {trial.input: 1, trial.output: 1, "large-next": 1}, {"max.message.bytes": "9000000"})
    expected = Counter(mismatch=3, undecodable_shadow=1)
    with running(trial, "run"), running(trial, "join"):
        write(trial)
        trial.await_outcomes(expected)
    assert remainders(trial.records("stats")) == {}
    assert '"rows_cut"' in trial.log_text("join")

    rows = {(row["time_ms"] - time_ms(0)) // STEP_MS: row for row in trial.records("diff")}
    assert (rows[0]["key"], rows[0]["reason"]) == (None, f"cut: key of {HUGE} bytes")
    assert (rows[1]["key"], rows[1]["reason"]) == (b"long path", "cut: 1 paths")
    assert rows[2]["reason"].endswith(f"cut: key of {HUGE - 1} bytes")
    assert (rows[3]["key"], rows[3]["reason"]) == (b"plain", None)
    assert len(read_all(trial.bootstrap, trial.topic("diff.json"))) == len(RECORDS)
    (letter,) = read_all(trial.bootstrap, trial.topic("dlq.joiner"))
    assert (b"k" * (HUGE - 1)).startswith(letter.key or b"?")
    assert dict(letter.headers or [])["shadowstream.key.bytes"] == str(HUGE - 1).encode()
