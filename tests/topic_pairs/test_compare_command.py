"""`compare` on a real broker, beside an independent computation over the same records."""

import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.redact import MARK, Redactor
from shadowstream.config import Compare, Examples, Kafka
from shadowstream.kafka.topic_pairs.comparison import Comparison, Options
from shadowstream.kafka.topic_pairs.read_topic import Topic
from shadowstream.testing import Broker, EmbeddedKafka
from shadowstream.testing.topics import Write, create_topics, produce_all, read_all
from shadowstream.topic_pairs.pairing import in_order
from shadowstream.topic_pairs.tally import Answer, Tally
from tests import forked
from tests.conftest import Say
from tests.least_config import LEAST, SHOWN

DECODER = Decoder(NoSchemas())
RULES = Compare(examples=Examples(values="shown"))
FIRST_MS = 1_700_000_000_000
STEP_MS = 1_000
RSS_MB_MAX = 400
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1_000)
"""  # in a small process: a child begins with the peak of the process that starts it


def ask(*words: str, limit_s: float = 60.0) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of `shadowstream compare`."""
    done = forked.run([sys.executable, "-m", "shadowstream", "compare", *words, "--json"], limit_s)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in found or done.returncode == 2, found
    return done.returncode, found


def written(bootstrap: str, topics: dict[str, list[Write]], partitions: int = 3, **settings: str) -> None:
    config = {"retention.ms": "-1", **{name.replace("_", "."): value for name, value in settings.items()}}
    create_topics(bootstrap, dict.fromkeys(topics, partitions), config)
    for topic, writes in topics.items():
        produce_all(bootstrap, topic, writes)


def value(n: int, score: float) -> bytes:
    return json.dumps({"n": n, "score": score}).encode()


def noisy(records: int, seed: int) -> tuple[list[Write], list[Write], dict[str, int]]:
    """Two topics of JSON records, keys that come up to three times, and the counts that a comparison must give."""
    dice = Random(seed)
    first: list[tuple[bytes, float]] = []
    second: list[tuple[bytes, float]] = []
    for n in range(records):
        key, score = b"key-%d" % dice.randrange(records // 2), float(n)
        fate = dice.random()
        if fate > 0.02:
            first.append((key, score))
        if fate > 0.04 or fate < 0.02:
            second.append((key, score + (1.0 if fate > 0.97 else 0.001 if fate > 0.9 else 0.0)))
    sequences: dict[bytes, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((first, second)):
        for key, score in rows:
            sequences[key][side].append(score)
    counts: Counter[str] = Counter()
    for of_first, of_second in sequences.values():
        for one, other in zip_longest(of_first, of_second):
            if one is None or other is None:
                kind = "repeated" if of_first and of_second else "unmatched"
                counts[f"{kind} {'B' if one is None else 'A'}"] += 1
            else:
                counts["match" if one == other else "tolerated" if abs(one - other) <= 0.01 else "mismatch"] += 1
    writes = [
        [Write(value(0, score), key, None, FIRST_MS + n * STEP_MS) for n, (key, score) in enumerate(rows)]
        for rows in (first, second)
    ]
    return writes[0], writes[1], dict(counts)


def counted(found: dict[str, Any]) -> dict[str, int]:
    single = {
        f"{fate} {side}": n
        for side, one in zip("AB", found["topics"], strict=True)
        for fate, n in one["single"].items()
    }
    return {**found["pairs"], **single}


def seconds_of_a_plain_loop(places: list[tuple[str, str]]) -> float:
    """CPU seconds of a loop written by hand: both topics into dictionaries in memory, JSON, one tolerance."""
    began = time.process_time()
    sides: list[dict[bytes | None, list[float]]] = []
    for bootstrap, topic in places:
        scores: dict[bytes | None, list[float]] = defaultdict(list)
        for read in read_all(bootstrap, topic):
            scores[read.key].append(json.loads(read.value or b"null")["score"])
        sides.append(scores)
    first, second = sides
    different = 0
    for key in first.keys() | second.keys():
        for one, other in zip_longest(first.get(key, ()), second.get(key, ())):
            different += one is None or other is None or abs(one - other) > 0.01
    assert different
    return time.process_time() - began


def test_counts_are_those_of_an_independent_computation(own_kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    first, second, expected = noisy(3_000, 7)
    written(own_kafka.bootstrap, {a: first, b: second})
    admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap})
    before = set(admin.list_topics().topics), {one.group_id for one in admin.list_consumer_groups().result().valid}
    code, found = ask(a, b, "--bootstrap", own_kafka.bootstrap, "--atol", "score=0.01")
    assert (code, found["answer"]) == (3, "differ")
    assert counted(found) == expected
    assert [one["read"] for one in found["topics"]] == [len(first), len(second)]
    assert [one["remainder"] for one in found["topics"]] == [0, 0]
    assert found["fields"] == {"score": expected["mismatch"]}
    after = set(admin.list_topics().topics), {one.group_id for one in admin.list_consumer_groups().result().valid}
    assert not {topic for topic in after[0] - before[0] if "shadow" in topic}
    assert not {group for group in after[1] - before[1] if "compare" in group}


def test_a_range_holds_records_by_their_times_wherever_they_lie(kafka: Broker, topic_prefix: str) -> None:
    """Markers of transactions have the wall clock's time, and replayed records old ones, here in no order."""
    a, b, dice = f"{topic_prefix}a", f"{topic_prefix}b", Random(11)
    times_ms = [FIRST_MS + dice.randrange(600) * STEP_MS for _ in range(600)]
    rows = [Write(value(n, 1.0), b"key-%d" % n, None, time_ms) for n, time_ms in enumerate(times_ms)]
    written(kafka.bootstrap, {a: [], b: dice.sample(rows, len(rows))})
    for n in range(0, 600, 150):
        produce_all(kafka.bootstrap, a, rows[n : n + 150], transactional_id=a)
    for begin, end in ((None, 400), (200, None), (200, 400)):
        given = {"--from": begin, "--to": end}
        words = [
            word
            for option, at in given.items()
            if at is not None
            for word in (option, datetime.fromtimestamp(FIRST_MS / 1000 + at, UTC).isoformat())
        ]
        code, found = ask(a, b, "--bootstrap", kafka.bootstrap, "--margin", "0", *words)
        low, high = FIRST_MS + (begin or 0) * STEP_MS, FIRST_MS + (end or 600) * STEP_MS
        inside = sum(low <= time_ms < high for time_ms in times_ms)
        assert (code, found["answer"], found["pairs"]) == (0, "equal", {"match": inside})
        assert [one["read"] for one in found["topics"]] == [inside, inside]


def test_a_topic_and_its_copy_are_equal(kafka: Broker, topic_prefix: str) -> None:
    a, b, c = (f"{topic_prefix}{name}" for name in "abc")
    rows = [Write(value(n, 1.0), b"key-%d" % n, None, FIRST_MS + n) for n in range(200)]
    written(kafka.bootstrap, {a: rows, c: [*rows, Write(b"{}", None, 0, FIRST_MS)]})
    written(kafka.bootstrap, {b: rows}, partitions=5)
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap)
    assert (code, found["answer"], found["pairs"]) == (0, "equal", {"match": 200})
    # A record without an id could be anything: all else is equal, and yet the answer is not equal.
    code, found = ask(a, c, "--bootstrap", kafka.bootstrap)
    assert (code, found["answer"], found["topics"][1]["without_id"]) == (4, "unknown", 1)


def test_keys_headers_and_order_are_compared_on_request(kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"

    def rows(order: list[int], tenant: bytes = b"x") -> list[Write]:
        return [
            Write(b"1", b"one", 0, FIRST_MS + n, (("id", b"%d" % n), ("tenant", tenant if n == 3 else b"x")))
            for n in order
        ]

    written(kafka.bootstrap, {a: rows([0, 1, 2, 3]), b: [*rows([1, 0, 2, 3], b"y")[:3], *rows([3], b"y")]})
    asked = [a, b, "--bootstrap", kafka.bootstrap, "--id", "header:id"]
    assert ask(*asked)[0] == 0
    code, found = ask(*asked, "--header", "tenant", "--order", "--key")
    assert (code, found["pairs"], found["order"]) == (3, {"match": 3, "mismatch": 1}, {"pairs": 4, "broken": 1})
    assert found["fields"] == {"$headers.tenant": 1}
    (example,) = found["examples"]
    assert example["places"] == [f"{a}/0@3", f"{b}/0@3"]
    code, found = ask(*asked, "--header", "tenant", "--ignore", "$headers.tenant")
    assert (code, found["pairs"]) == (0, {"match": 3, "ignored": 1})


@pytest.mark.parametrize("option", ["--config", "--other-config"])
def test_either_config_covers_keys_and_headers_of_both_topics(
    kafka: Broker, topic_prefix: str, tmp_path: Path, option: str
) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    for topic, person in ((a, "ada"), (b, "bob")):
        row = Write(b'{"n": 1}', f"key-of-{person}".encode(), 0, FIRST_MS, (("id", b"1"), ("who", person.encode())))
        written(kafka.bootstrap, {topic: [row]})
    path = tmp_path / "trial.yaml"
    redact = {"headers": ["who"], "keys": True}
    for compare in ({}, {**SHOWN, "redact": redact}):
        path.write_text(json.dumps({**LEAST, "kafka": {"bootstrap": kafka.bootstrap}, "compare": compare}))
        at = ["--bootstrap", kafka.bootstrap, "--id", "header:id", "--header", "who", "--key"]
        code, found = ask(a, b, option, str(path), *at)
        assert (code, found["fields"]) == (3, {"$headers.who": 1, "$key": 1})
        (example,) = found["examples"]
        assert example["key"].startswith(MARK)
        for one in example["differences"]:
            assert MARK in one["production"]
            assert MARK in one["shadow"]
            assert one["production"] != one["shadow"]


def test_the_login_of_one_cluster_is_not_sent_to_another(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "ana"}
    kafka = {"bootstrap": "127.0.0.1:9", "client": {**login, "sasl.password": "planted-secret"}}
    path.write_text(json.dumps({**LEAST, "kafka": kafka}))
    code, found = ask("a", "b", "--config", str(path), "--other-bootstrap", "127.0.0.1:10")
    assert code == 2
    assert "the login of --config is not sent to another cluster" in found["error"]["message"]
    assert "planted-secret" not in found["error"]["message"]


def test_of_compacted_topics_the_last_record_of_a_key_counts(kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    first = [Write(b"1", b"k", 0, FIRST_MS), Write(b"2", b"k", 0, FIRST_MS), Write(b"3", b"gone", 0, FIRST_MS)]
    second = [Write(b"2", b"k", 0, FIRST_MS), Write(b"9", b"gone", 0, FIRST_MS), Write(None, b"gone", 0, FIRST_MS)]
    written(kafka.bootstrap, {a: [*first, Write(None, b"gone", 0, FIRST_MS)], b: second}, cleanup_policy="compact")
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap)
    assert (code, found["pairs"]) == (0, {"match": 1})
    assert [one["single"] for one in found["topics"]] == [
        {"superseded": 2, "deleted": 1},
        {"superseded": 1, "deleted": 1},
    ]
    assert ask(a, b, "--bootstrap", kafka.bootstrap, "--every-record")[0] == 3


def test_an_id_that_later_records_hide_is_not_called_equal(kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    late = Write(b"3", b"k", 0, FIRST_MS + 2 * STEP_MS)
    other = Write(b"1", b"other", 0, FIRST_MS)
    topics = {name: [Write(value, b"k", 0, FIRST_MS), other, late] for name, value in ((a, b"1"), (b, b"2"))}
    written(kafka.bootstrap, topics, cleanup_policy="compact")
    asked = [a, b, "--bootstrap", kafka.bootstrap, "--to", "2023-11-14T22:13:21Z"]
    code, found = ask(*asked)
    assert (code, found["answer"], found["pairs"], found["hidden"]) == (4, "unknown", {"match": 1}, 1)
    code, found = ask(*asked, "--margin", "0")
    assert (code, found["pairs"], found["hidden"]) == (3, {"match": 1, "mismatch": 1}, 0)


def test_a_range_shifts_no_pairs_of_keys_that_come_again(kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    rows = [(b"key-%d" % (n % 3), b"%d" % n, FIRST_MS + n * 7 * STEP_MS) for n in range(120)]
    topics = {
        name: [Write(text, key, 0, time_ms + late_ms) for key, text, time_ms in rows]
        for name, late_ms in ((a, 0), (b, 3 * STEP_MS))
    }
    written(kafka.bootstrap, topics)
    for begin in range(240, 261, 4):
        low = FIRST_MS + begin * STEP_MS
        span = ["--from", datetime.fromtimestamp(low / 1000, UTC).isoformat(), "--margin", "60s"]
        code, found = ask(a, b, "--bootstrap", kafka.bootstrap, *span)
        assert (code, found["pairs"]) == (0, {"match": sum(at + 3 * STEP_MS >= low for _, _, at in rows)})


def test_partners_are_found_beyond_the_range(kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    first = [Write(b"1", b"key-%d" % n, 0, FIRST_MS + n * STEP_MS) for n in range(100)]
    second = [Write(b"1", b"key-%d" % n, 0, FIRST_MS + n * STEP_MS + 2_500) for n in range(100)]
    written(kafka.bootstrap, {a: first, b: second})
    span = ["--from", "2023-11-14T22:13:40Z", "--to", "2023-11-14T22:14:00Z"]  # 20 to 40 s after the first
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap, *span, "--margin", "5s")
    in_a, in_b = set(range(20, 40)), set(range(18, 38))
    assert (code, found["pairs"]) == (0, {"match": len(in_a | in_b)})
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap, *span, "--margin", "0")
    assert (code, [one["single"] for one in found["topics"]]) == (
        3,
        [{"unmatched": len(in_a - in_b)}, {"unmatched": len(in_b - in_a)}],
    )
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap, "--from", "offset:10", "--to", "offset:30")
    assert (code, found["pairs"]) == (0, {"match": 20})


def test_the_ends_of_both_topics_are_those_of_the_start(kafka: Broker, topic_prefix: str) -> None:
    names = f"{topic_prefix}a", f"{topic_prefix}b"
    one = [Write(b"1", b"k", 0, FIRST_MS)]
    written(kafka.bootstrap, dict.fromkeys(names, one))
    reached = Kafka(bootstrap=kafka.bootstrap)
    topics = (Topic("A", names[0], reached, DECODER), Topic("B", names[1], reached, DECODER))

    def grow(read: int) -> None:
        if read == 1:  # A has been read, and B has not
            for name in names:
                produce_all(kafka.bootstrap, name, [Write(b"2", b"late", 0, FIRST_MS)])

    comparer = Comparing(lambda _: (DECODER, DECODER, DECODER), RULES)
    tally = Comparison(topics, comparer, Redactor(RULES), Options(in_order), Tally(3), grow).run()
    assert (tally.answer, [side.read for side in tally.sides]) == (Answer.EQUAL, [1, 1])


def test_records_without_a_key_have_no_order(kafka: Broker, topic_prefix: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    rows = [Write(b"1", None, 0, FIRST_MS + n, (("id", b"%d" % n),)) for n in range(3)]
    written(kafka.bootstrap, {a: rows, b: rows[::-1]})
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap, "--id", "header:id", "--order")
    assert (code, found["pairs"], found["order"]) == (0, {"match": 3}, {"pairs": 0, "broken": 0})


def test_the_tolerance_of_a_config_holds_unless_one_is_given(kafka: Broker, topic_prefix: str, tmp_path: Path) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    written(kafka.bootstrap, {a: [Write(b"1", b"k", 0, FIRST_MS)], b: [Write(b"1", b"k", 0, FIRST_MS + 30_000)]})
    config = {
        "name": "any",
        "kafka": {"bootstrap": kafka.bootstrap},
        "inputs": ["in"],
        "production": {"outputs": [a], "group": "g", "commits": "after_output"},
        "candidate": {"call": "math:sqrt"},
        "identity": {"kind": "occurrence", "tolerance_ms": 60_000},
    }
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(config))
    asked = [a, b, "--config", str(tmp_path / "trial.yaml")]
    assert ask(*asked)[0] == 0
    assert ask(*asked, "--tolerance", "10s")[0] == 3


def test_what_cannot_be_compared_is_refused(kafka: Broker, topic_prefix: str) -> None:
    a = f"{topic_prefix}a"
    written(kafka.bootstrap, {a: []})
    at = ["--bootstrap", kafka.bootstrap]
    for words, text in (
        ([a, a], "are one topic"),
        ([a, a, "--other-bootstrap", kafka.bootstrap.replace("127.0.0.1", "localhost")], "are one topic"),
        (["", a], "A: topics not found on the cluster: ''"),
        ([a, "nowhere"], "nowhere"),
        ([a, "b", "--id", "field:x"], "--id 'field:x': give key, occurrence"),
        ([a, "b", "--order"], "--key and --order go with --id"),
        ([a, "b", "--atol", "score"], "give PATH=VALUE"),
        ([a, "b", "--atol", "score=-1"], "--atol, --rtol: -1 is below 0"),
        ([a, "b", "--registry", "nowhere"], "schemas.registry: nowhere cannot be used: "),
        ([a, "b", "--from", "offset:5", "--to", "offset:5"], "is not before"),
        ([a, "b", "--from", "yesterday"], "ISO 8601"),
    ):
        code, found = ask(*words, *at)
        assert (code, text in found["error"]["message"]) == (2, True), found


@pytest.mark.long
def test_a_million_records_on_two_clusters_in_bounded_memory(kafka: Broker, topic_prefix: str, say: Say) -> None:
    first, second, expected = noisy(1_000_000, 11)
    topic = f"{topic_prefix}a"
    with EmbeddedKafka() as other:
        written(kafka.bootstrap, {topic: first})
        written(other.bootstrap, {topic: second})
        words = [topic, topic, "--bootstrap", kafka.bootstrap, "--other-bootstrap", other.bootstrap]
        asked = [sys.executable, "-m", "shadowstream", "compare", *words, "--atol", "score=0.01", "--json"]
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-c", MEASURED, *asked], capture_output=True, text=True, check=False)
        took = time.monotonic() - began
        loop_s = seconds_of_a_plain_loop([(kafka.bootstrap, topic), (other.bootstrap, topic)])
    shown, figures = done.stdout.splitlines()
    found, (code, cpu_s, peak_mb) = json.loads(shown), map(float, figures.split())
    say(f"{len(first):,} and {len(second):,} records in {took:.1f} s, {cpu_s:.1f} CPU s")
    say(f"a plain loop in memory: {loop_s:.1f} CPU s")
    say(f"peak {peak_mb:.0f} MB: {counted(found)}")
    assert counted(found) == expected
    assert (code, peak_mb <= RSS_MB_MAX) == (3, True)
