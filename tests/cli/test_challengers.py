"""`challengers` on a broker: trials whose topics the test fills, and configs that cannot be compared."""

from pathlib import Path
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.revision import revision_of
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.test_diff import row
from tests.cli.verdict_topic import verdict
from tests.judge.stats_records import HOUR_MS, cell, stats

RECORDS = 6_000


def filled(path: Path, bootstrap: str, wrong: range) -> Path:
    """Fill a trial's topics: 6,000 records of production in ten hours, these wrong, and what is before the start."""
    trial = load(path)
    revision, topics = (
        revision_of(trial),
        {kind: trial.plan.of(kind) for kind in ("stats", "diff", "verdict", "starts")},
    )
    create_topics(bootstrap, dict.fromkeys(topics.values(), 1))

    def one(offset: int) -> dict[str, Any]:
        record = {"topic": "scores", "partition": 0, "offset": offset}
        more: dict[str, Any] = {"revision": revision, "production": record, "key": b"%d" % offset}
        return row(f"scores/0/{offset}", time_ms=offset * HOUR_MS // 600, **more)

    begin = marks.mark("start", revision, ends=marks.ends_field({Partition("scores", 0): 100}))
    hours = [cell(hour * HOUR_MS, revision, match=600) for hour in range(RECORDS // 600)]
    held = {
        "stats": [stats("scores/0", 1, *hours, revision=revision)],
        "diff": [one(offset) for offset in (*range(100), *wrong, *range(RECORDS, RECORDS + 500))],
        "verdict": [verdict("not_yet", revision, to_ms=RECORDS // 600 * HOUR_MS, name=trial.name)],
    }
    for kind, records in held.items():
        key = revision.encode() if kind == "verdict" else b"k"
        produce_all(bootstrap, topics[kind], [Write(own.encode(kind, record), key) for record in records])
    produce_all(bootstrap, topics["starts"], [Write(marks.write("", begin).value, b"start")])
    return path


@pytest.fixture
def trials(kafka: Broker, name: str, make_trial: MakeTrial) -> tuple[Path, Path]:
    """Two trials beside one production; the second is wrong on fewer records."""
    found = []
    for letter, wrong in (("a", range(100, RECORDS, 20)), ("b", range(101, RECORDS, 100))):
        path = make_trial(name=f"{letter}{name}"[:20], bootstrap=kafka.bootstrap)
        own_path = path.with_name(f"{letter}.yaml")
        path.rename(own_path)
        found.append(filled(own_path, kafka.bootstrap, wrong))
    return found[0], found[1]


def test_the_better_of_two_candidates_is_shown_by_their_topics(cli: Cli, trials: tuple[Path, Path]) -> None:
    first, second = (load(path).name for path in trials)
    found = cli("challengers", *trials, "--json")
    assert found.code == 0
    (pair,) = found.json["pairs"]
    assert (found.json["best"], pair["better"], pair["reasons"]) == (second, second, [])
    assert (pair["records"], pair["records_of_second"], pair["judged"]) == (295 + 59, 59, RECORDS)
    text = cli("challengers", *trials).out
    assert f"{first} and {second}: {second} is better" in text
    assert f"of 6,000 records {first} is wrong on 295 (4.92 %), {second} on 59 (0.983 %)" in text


def test_trials_by_other_rules_are_not_compared(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial(name="one")
    first = path.rename(path.with_name("one.yaml"))
    second = make_trial(
        name="two", extra="compare: {rules: [{path: score, atol: 0.1}]}\nidentity: {kind: occurrence}\n"
    )
    found = cli("challengers", first, second)
    assert found.code == 2
    assert "identity, compare.rules: 'one' and 'two' differ there" in found.err
    # A row of a record left out is in a sample only, so a trial that leaves out others would seem right on them.
    other = make_trial(
        name="three", extra="compare: {duplicate_names: last}\n", replaced=("candidate: {", "candidate: {sample: 0.5, ")
    )
    found = cli("challengers", first, other)
    assert "candidate.sample, compare.duplicate_names: 'one' and 'three' differ there" in found.err
    assert "each candidate needs a trial of its own" in cli("challengers", first, first).err
    assert "give 2 to 10 configs: 1 given" in cli("challengers", first).err


def test_a_trial_without_a_verdict_is_named(kafka: Broker, cli: Cli, name: str, make_trial: MakeTrial) -> None:
    paths = []
    for letter in "ab":
        path = make_trial(name=f"{letter}{name}"[:20], bootstrap=kafka.bootstrap)
        paths.append(path.rename(path.with_name(f"{letter}.yaml")))
    found = cli("challengers", *paths)
    assert found.code == 2
    assert "has no verdict of revision" in found.err
