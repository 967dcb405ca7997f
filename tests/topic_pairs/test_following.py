"""`compare --follow` on a real broker: whatever the rounds, the counts are those of a comparison of the whole."""

import json
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.redact import Redactor
from shadowstream.config import Kafka, Rule
from shadowstream.kafka.topic_pairs.comparison import Comparison, Options
from shadowstream.kafka.topic_pairs.following import Following, Rounds
from shadowstream.kafka.topic_pairs.read_topic import Range, Topic
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from shadowstream.topic_pairs.pairing import Fate, in_order
from shadowstream.topic_pairs.tally import Answer, Tally
from tests.forked import Forked
from tests.pipeline.written_records import await_that
from tests.report.test_comparison_page import Page
from tests.topic_pairs.test_compare_command import DECODER, FIRST_MS, RULES, ask, noisy

PATIENCE_S = 600.0


class Played:
    """Two topics that grow by one part each round; `now_s` is the time of the rounds."""

    def __init__(self, kafka: Broker, prefix: str, parts: list[tuple[list[Write], list[Write]]]) -> None:
        self.bootstrap, self.topics = kafka.bootstrap, (f"{prefix}a", f"{prefix}b")
        create_topics(self.bootstrap, dict.fromkeys(self.topics, 3), {"retention.ms": "-1"})
        self._parts, self.now_s, self.waiting = iter(parts), 0.0, list[tuple[int, ...]]()
        self.step_s = 1.0

    def rest(self, _: float) -> bool:
        """Write the next part; end once there is none."""
        self.now_s += self.step_s
        part = next(self._parts, None)
        for topic, writes in zip(self.topics, part or (), strict=False):
            produce_all(self.bootstrap, topic, writes)
        return part is None

    def run(self) -> Tally:
        rules = RULES.model_copy(update={"rules": [Rule.model_validate({"path": "score", "atol": 0.01})]})
        at = Kafka(bootstrap=self.bootstrap)
        one, other = (Topic(letter, name, at, DECODER) for letter, name in zip("AB", self.topics, strict=True))
        comparer = Comparing(lambda _: (DECODER, DECODER, DECODER), rules)
        made = Comparison((one, other), comparer, Redactor(rules), Options(in_order, Range(begin_ms=0)), Tally(0))
        seen = self.waiting

        def report(tally: Tally) -> None:
            assert [side.remainder for side in tally.sides] == [0, 0], "each record has one place at each moment"
            seen.append(tuple(side.waiting for side in tally.sides))

        return Following(made, Rounds(0.0, PATIENCE_S, self.rest, report, pytest.fail, clock=lambda: self.now_s)).run()


def cut(writes: list[Write], parts: int, dice: Random) -> list[list[Write]]:
    """Cut into so many parts at random places; some are empty."""
    places = [0, *sorted(dice.randrange(len(writes)) for _ in range(parts - 1)), len(writes)]
    return [writes[begin:end] for begin, end in pairwise(places)]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_rounds_pair_as_a_comparison_of_the_whole_does(kafka: Broker, topic_prefix: str, seed: int) -> None:
    dice = Random(seed)
    first, second, expected = noisy(800, seed)
    played = Played(kafka, topic_prefix, list(zip(cut(first, 5, dice), cut(second, 5, dice), strict=True)))
    tally = played.run()
    pairs = {kind: n for kind, n in expected.items() if " " not in kind}
    assert {str(outcome): n for outcome, n in tally.outcomes.items()} == pairs
    single = [sum(n for kind, n in expected.items() if kind.endswith(side)) for side in (" A", " B")]
    assert [side.waiting for side in tally.sides] == single
    assert tally.answer == Answer.DIFFER


def test_a_record_is_single_once_its_patience_has_ended(kafka: Broker, topic_prefix: str) -> None:
    one = [Write(b"1", b"early", 0, FIRST_MS)]
    played = Played(kafka, topic_prefix, [(one, []), ([], []), ([], []), ([], [Write(b"1", b"early", 0, FIRST_MS)])])
    played.step_s = PATIENCE_S / 2
    tally = played.run()
    # Read in the second round, so it is single in the fourth; the partner of the fifth waits for another.
    assert played.waiting == [(0, 0), (1, 0), (1, 0), (0, 0), (0, 1)]
    assert [side.single[Fate.UNMATCHED] for side in tally.sides] == [1, 0]


def test_equal_topics_with_records_in_flight_are_not_called_equal(kafka: Broker, topic_prefix: str) -> None:
    both = Write(b"1", b"k", 0, FIRST_MS), Write(b"1", b"l", 1, FIRST_MS)
    tally = Played(kafka, topic_prefix, [([*both], [both[0]])]).run()
    assert (tally.outcomes.total(), tally.answer, tally.unequal) == (1, Answer.UNKNOWN, 0)


@pytest.mark.parametrize(("has_end", "answer"), [(True, "equal"), (False, "differ")])
def test_the_command_ends_by_its_range_or_an_interrupt(
    kafka: Broker, topic_prefix: str, tmp_path: Path, has_end: bool, answer: str
) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    create_topics(kafka.bootstrap, {a: 2, b: 2}, {"retention.ms": "-1"})
    until = datetime.now(UTC) + timedelta(seconds=12)
    words = ["--to", until.isoformat(), "--margin", "1s"] if has_end else []
    report = tmp_path / "page.html"
    command = [sys.executable, "-m", "shadowstream", "compare", a, b, "--bootstrap", kafka.bootstrap]
    command += ["--report", str(report)]
    errors = tmp_path / "stderr"
    with errors.open("wb") as log:
        process = Forked([*command, "--follow", "--every", "0.2s", "--json", *words], stdout=-1, stderr=log)
        await_that("a round has ended", lambda: b"0 pairs" in errors.read_bytes())
        for topic, value in ((a, b"1"), (b, b"1" if has_end else b"2")):
            produce_all(kafka.bootstrap, topic, [Write(value, b"k", 0, round(time.time() * 1000))])
        await_that("the pair is counted", lambda: b"1 pairs" in errors.read_bytes())
        if not has_end:
            process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    found = json.loads(printed)
    assert (found["answer"], sum(found["pairs"].values())) == (answer, 1)
    assert process.returncode == (0 if has_end else 3)
    assert f"{a} and {b}: {answer}" in Page(report.read_text("utf-8")).text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--to", "offset:5"), "--follow ends at a time"),
        (("--id", "occurrence"), "--id occurrence and --order need a range that has ended"),
        (("--compacted",), "compacted topics need --every-record"),
    ],
)
def test_what_needs_the_whole_is_refused(kafka: Broker, topic_prefix: str, words: tuple[str, ...], text: str) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    create_topics(kafka.bootstrap, {a: 1, b: 1})
    code, found = ask(a, b, "--bootstrap", kafka.bootstrap, "--follow", *words)
    assert (code, text in found["error"]["message"]) == (2, True), found
