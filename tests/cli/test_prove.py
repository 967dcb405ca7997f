"""`prove` on a broker: the pairs of a trial whose topics the test fills, and what `explain` shows of its result."""

import json
from pathlib import Path

import pytest

from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import InputCoordinate, Partition
from shadowstream.revision import revision_of
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.cli.conftest import Cli, MakeTrial
from tests.judge.stats_records import HOUR_MS, cell, stats

PAIRS, HOURS = 240, 4
RULES = """\
compare:
  rules: [{path: model, ignore: true}]
identity: {kind: key}
"""


@pytest.fixture
def trial(kafka: Broker, name: str, make_trial: MakeTrial) -> Path:
    """A trial with 240 pairs of JSON values in four hours; ten of them differ, and one record has no partner."""
    scores = f"{name}-scores"
    replaced = "outputs: [scores]", f"outputs: [{scores}]"
    path = make_trial(name=name, bootstrap=kafka.bootstrap, extra=RULES, replaced=replaced)
    config = load(path)
    revision, topics = revision_of(config), {kind: config.plan.of(kind) for kind in ("stats", "starts", "audit")}
    shadow = config.plan.out(scores)
    create_topics(kafka.bootstrap, dict.fromkeys((scores, shadow, *topics.values()), 1))
    production, candidate = [], []
    for n in range(PAIRS + 1):
        at, key = HOUR_MS + n * HOURS * HOUR_MS // (PAIRS + 1), b"k%d" % n
        value = {"score": n % 7 / 7, "model": "a"}
        production.append(Write(json.dumps(value).encode(), key, timestamp_ms=at))
        if n == PAIRS:
            continue
        headers = [(PACKED_HEADER, pack(revision, InputCoordinate(0, 0, n, 0), at, at))]
        answer = value | {"model": "b", "score": value["score"] + (n < 10)}
        candidate.append(Write(json.dumps(answer).encode(), key, timestamp_ms=at, headers=headers))
    produce_all(kafka.bootstrap, scores, production)
    produce_all(kafka.bootstrap, shadow, candidate)
    hours = [cell(hour * HOUR_MS, revision, ignored=PAIRS // HOURS) for hour in range(1, HOURS + 1)]
    found = stats(f"{scores}/0", 1, *hours, watermark_ms=(HOURS + 1) * HOUR_MS, revision=revision)
    produce_all(kafka.bootstrap, topics["stats"], [Write(own.encode("stats", found), b"k")])
    begin = marks.mark("start", revision, ends=marks.ends_field({Partition(scores, 0): 0}))
    produce_all(kafka.bootstrap, topics["starts"], [Write(marks.write("", begin).value, b"start")])
    return path


def test_prove_reads_the_trial_and_explain_shows_what_it_found(trial: Path, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "proof.json"
    options = ("--share", "0.5", "--runs", "2", "--size", "1", "--field", "score", "--field", "model")
    shown = cli("prove", trial, *options, "--out", out)
    assert shown.code == 0
    assert "230 pairs that agree" in shown.err
    assert "left out: 10 pairs that differ already and 1 records without a partner" in shown.err
    assert "  model changed: ignored" in shown.out.splitlines()
    assert "in 50 % of the records: rejected in 2 of 2 runs" in shown.out
    assert json.loads(out.read_text())["statement"] == shown.out.splitlines()
    explained = cli("explain", trial, "--proof", out)
    assert "  model changed: ignored" in explained.out
    assert cli("explain", trial, "--proof", out, "--json").json["sensitivity"] == shown.out.splitlines()


def test_a_proof_of_other_rules_or_of_no_file_is_refused(trial: Path, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "proof.json"
    out.write_text(json.dumps({"statement": ["all is seen"], "criteria_hash": "00"}))
    refused = cli("explain", trial, "--proof", out)
    assert refused.code == 2
    assert "other criteria or rules" in refused.err
    assert cli("explain", trial, "--proof", tmp_path / "none.json").code == 2


def test_a_size_that_is_no_number_is_refused(make_trial: MakeTrial, cli: Cli) -> None:
    for size in ("nan", "inf"):
        refused = cli("prove", make_trial(), "--size", size)
        assert (refused.code, "--size: give finite numbers" in refused.err) == (2, True)


def test_a_field_that_no_pair_has_is_named(trial: Path, cli: Cli) -> None:
    refused = cli("prove", trial, "--field", "skore")
    assert (refused.code, "skore" in refused.err) == (2, True)


def test_a_trial_without_pairs_has_nothing_to_plant_in(
    kafka: Broker, name: str, make_trial: MakeTrial, cli: Cli
) -> None:
    path = make_trial(name=name, bootstrap=kafka.bootstrap)
    assert cli("prove", path).code == 2
