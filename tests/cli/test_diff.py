"""`diff`: stored differences as a table for people or JSON lines for programs, from a real broker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.compare.redact import DROPPED, Redactor
from shadowstream.configfile import load
from shadowstream.protocol.outcomes import Outcome
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.cli.conftest import Cli, MakeTrial

ROOT = Path(__file__).resolve().parents[2]


def row(pair_id: str, outcome: str = "mismatch", time_ms: int = 1_372_651_200_000, **more: Any) -> dict[str, Any]:
    differences = [{"path": "score", "kind": "value", "production": "0.25", "shadow": "0.5", "delta": 0.25}]
    record = {"pair_id": pair_id, "task": "scores/0", "outcome": outcome, "revision": "ab" * 32, "time_ms": time_ms}
    record |= {"key": b"k", "identity": "key", "production": {"topic": "scores", "partition": 0, "offset": 1}}
    record |= dict.fromkeys(("shadow", "input", "reason", "correction_of", "twin", "id"))
    record |= {"differences": differences if outcome == "mismatch" else [], "late": False, "ambiguous": False}
    record |= {"dimensions": {}}
    return record | more


class Stored:
    """A trial of its own on the broker, whose diff topic the test fills."""

    def __init__(self, path: Path, bootstrap: str) -> None:
        self.path = path
        self.bootstrap = bootstrap
        self.topic = load(path).plan.of("diff")
        create_topics(bootstrap, {self.topic: 2})

    def store(self, *rows: dict[str, Any]) -> None:
        writes = [Write(own.encode("diff", one), one["pair_id"].encode(), len(one["pair_id"]) % 2) for one in rows]
        produce_all(self.bootstrap, self.topic, writes, transactional_id=f"{self.topic}.test")


@pytest.fixture
def stored(kafka: Broker, name: str, make_trial: MakeTrial) -> Stored:
    return Stored(make_trial(name=name, bootstrap=kafka.bootstrap), kafka.bootstrap)


DIMENSIONS = "compare: {dimensions: [{name: carrier, path: carrier}, {name: origin, header: origin}]}\n"


def pairs(out: str) -> list[str]:
    return [json.loads(line)["pair_id"] for line in out.splitlines()]


@pytest.fixture
def sliced(kafka: Broker, name: str, make_trial: MakeTrial) -> Stored:
    """A trial with dimensions, and rows: UA from EWR, UA from JFK, AA from EWR, none."""
    stored = Stored(make_trial(name=name, bootstrap=kafka.bootstrap, extra=DIMENSIONS), kafka.bootstrap)
    values = {"a": ("UA", "EWR"), "b": ("UA", "JFK"), "c": ("AA", "EWR")}
    rows = [row(pair, dimensions={"carrier": one, "origin": other}) for pair, (one, other) in values.items()]
    stored.store(*rows, row("d"))
    return stored


def test_the_outcomes_are_those_that_the_schema_of_diff_states() -> None:
    field = next(field for field in own.schema("diff")["fields"] if field["name"] == "outcome")
    assert field["doc"] == f"From the closed table: {', '.join(Outcome)}."


def test_rows_are_json_lines_whole_and_in_order_of_event_time(cli: Cli, stored: Stored) -> None:
    rows = [row("scores/0/9", time_ms=3), row("scores/0/10", time_ms=1), row("scores/0/8", "missing", time_ms=2)]
    stored.store(*rows)
    result = cli("diff", stored.path, "--json")
    assert result.code == 0
    expected = sorted(rows, key=lambda one: one["time_ms"])
    assert [json.loads(line) for line in result.out.splitlines()] == [{**one, "key": "k"} for one in expected]
    assert result.err == f"3 of 3 rows in '{stored.topic}'\n"


def test_a_row_is_found_by_the_key_that_its_hash_stands_for(
    cli: Cli, kafka: Broker, name: str, make_trial: MakeTrial
) -> None:
    extra = "compare: {examples: {secret: of this trial}}\n"
    stored = Stored(make_trial(name=name, bootstrap=kafka.bootstrap, extra=extra), kafka.bootstrap)
    redactor = Redactor.of(load(stored.path))
    stored.store(*(row(f"scores/0/{key}", key=redactor.key(key.encode())) for key in ("ada", "bob")))
    assert pairs(cli("diff", stored.path, "--json", "--key", "ada").out) == ["scores/0/ada"]
    assert pairs(cli("diff", stored.path, "--json", "--key", "ad").out) == []


def test_bytes_without_text_and_nan_are_still_json(cli: Cli, stored: Stored) -> None:
    difference = {"path": "", "kind": "value", "production": None, "shadow": "1", "delta": float("nan")}
    stored.store(row("a", key=b"\xff\x00", differences=[difference]))
    found = cli("diff", stored.path, "--json").json
    assert (found["key"], found["differences"][0]["delta"]) == ("\\xff\x00", None)


def test_the_last_row_of_a_pair_wins_before_outcomes_are_chosen(cli: Cli, stored: Stored) -> None:
    stored.store(row("a", "missing"), row("b", "missing"))
    stored.store(row("a", "mismatch", late=True, correction_of="missing"))
    assert pairs(cli("diff", stored.path, "--json", "--outcome", "missing").out) == ["b"]
    assert pairs(cli("diff", stored.path, "--json", "--outcome", "mismatch").out) == ["a"]
    assert "mismatch late (was missing)" in cli("diff", stored.path).out


def test_only_the_newest_rows_are_shown_and_zero_is_all(cli: Cli, stored: Stored) -> None:
    stored.store(*(row(f"{number:02}", time_ms=number) for number in range(25)))
    newest = cli("diff", stored.path, "--json")
    assert pairs(newest.out) == [f"{number:02}" for number in range(5, 25)]
    assert newest.err.startswith("20 of 25 rows")
    assert pairs(cli("diff", stored.path, "--json", "--limit", "2").out) == ["23", "24"]
    assert len(pairs(cli("diff", stored.path, "--json", "--limit", "0").out)) == 25


def test_a_table_shows_time_outcome_pair_key_and_both_sides(cli: Cli, stored: Stored) -> None:
    many = [{"path": f"f{n}", "kind": "value", "production": f"{n}", "shadow": None, "delta": None} for n in range(7)]
    stored.store(row("scores/0/1"), row("scores/0/2", differences=many), row("scores/0/3", "missing", reason="timeout"))
    out = cli("diff", stored.path).out
    values = ("score: 0.25 → 0.5", "f0: 0 → (nothing)", "and 3 more")
    for part in ("2013-07-01 04:00:00", "scores/0/1", *values, "timeout"):
        assert part in out
    assert "f4: " not in out


def test_what_a_record_holds_does_not_steer_the_terminal(cli: Cli, stored: Stored) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J[red]x[/red]"
    difference = {"path": evil, "kind": "value", "production": evil, "shadow": evil, "delta": None}
    stored.store(row("a", key=evil.encode(), differences=[difference], reason=evil))
    for arguments in ((), ("--follow", "--limit", "1")):
        out = cli("diff", stored.path, *arguments).out
        assert "\x1b" not in out
        assert "\\x1b]0;owned" in out
        assert "[red]x[/red]" in out.replace("\n", "")


def test_a_timestamp_beyond_the_calendar_is_shown_as_it_is(cli: Cli, stored: Stored) -> None:
    stored.store(row("a", time_ms=2**62))
    assert f"{2**62} ms" in cli("diff", stored.path).out


def test_nothing_stored_is_no_error(cli: Cli, stored: Stored) -> None:
    result = cli("diff", stored.path)
    assert (result.code, result.out, result.err) == (0, "", f"0 of 0 rows in '{stored.topic}'\n")


def test_following_shows_what_is_stored_and_what_comes_until_ctrl_c(stored: Stored) -> None:
    stored.store(row("a"))
    command = [sys.executable, "-m", "shadowstream", "diff", str(stored.path), "--follow", "--limit", "0", "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.communicate(timeout=20)[1]
        assert json.loads(first)["pair_id"] == "a"
        stored.store(row("b"))
        assert json.loads(process.stdout.readline())["pair_id"] == "b"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 130
        finally:
            process.kill()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_following_ends_at_the_limit(cli: Cli, stored: Stored) -> None:
    stored.store(row("a"), row("b", "missing"), row("c"))
    result = cli("diff", stored.path, "--follow", "--limit", "1", "--outcome", "missing", "--json")
    assert (result.code, pairs(result.out)) == (0, ["b"])


def test_an_unknown_outcome_is_2_and_gets_the_nearest(cli: Cli, make_trial: MakeTrial) -> None:
    result = cli("diff", make_trial(), "--outcome", "mismatches")
    assert result.code == 2
    assert "did you mean 'mismatch'?" in result.err


def test_a_missing_diff_topic_is_1_and_names_its_writer(cli: Cli, kafka: Broker, make_trial: MakeTrial) -> None:
    result = cli("diff", make_trial(name="never-joined", bootstrap=kafka.bootstrap))
    assert result.code == 1
    assert "there is no topic 'shadow.never-joined.diff'" in result.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--revision", "cd"), ["b"]),
        (("--field", "user"), ["b", "c"]),
        (("--field", "score"), ["a"]),
        (("--field", "us"), []),
        (("--key", "ana"), ["c"]),
        (("--since", "2013-07-01T04:00:01"), ["b", "c"]),
        (("--since", "2013-07-01T04:00:01", "--outcome", "missing"), []),
    ],
)
def test_rows_are_chosen_by_each_option(
    cli: Cli, stored: Stored, options: tuple[str, ...], expected: list[str]
) -> None:
    def differing(path: str) -> list[dict[str, Any]]:
        return [{"path": path, "kind": "value", "production": "1", "shadow": "2", "delta": 1.0}]

    later = 1_372_651_202_000
    stored.store(
        row("a"),
        row("b", revision="cd" * 32, differences=differing("user.zip"), time_ms=later),
        row("c", key=b"ana-7", differences=differing("user[0]"), time_ms=later),
    )
    assert pairs(cli("diff", stored.path, "--json", *options).out) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["carrier=UA"], ["a", "b"]),
        (["carrier=UA", "origin=EWR"], ["a"]),
        (["carrier=UA,origin=EWR"], ["a"]),
        (["origin=EWR,carrier=UA"], ["a"]),
        (["carrier=U"], []),
        (["carrier=UA", "carrier=AA"], []),
    ],
)
def test_rows_are_chosen_by_slice(cli: Cli, sliced: Stored, texts: list[str], expected: list[str]) -> None:
    options = [word for text in texts for word in ("--slice", text)]
    assert pairs(cli("diff", sliced.path, "--json", *options).out) == expected


def test_a_slice_of_no_dimension_is_refused_with_those_there_are(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial(extra=DIMENSIONS)
    for text, problem in {
        "country=NO": "'country' is no dimension of the config; those are carrier, origin",
        "carrier": "give a value too, as carrier=VALUE",
        "carrier=(other)": "rows hold the exact value",
    }.items():
        found = cli("diff", path, "--slice", text)
        assert (found.code, problem in found.err) == (2, True), found.err
    assert "declares no dimensions" in cli("diff", make_trial(), "--slice", "carrier=UA").err


def test_a_summary_counts_outcomes_fields_and_reasons(cli: Cli, stored: Stored) -> None:
    failed = [row(f"e{n}", "candidate_error", reason=f"ValueError: no score for {n}") for n in range(3)]
    stored.store(row("a"), row("b"), *failed)
    found = cli("diff", stored.path, "--summary", "--json").json
    assert found["outcomes"] == {"candidate_error": 3, "mismatch": 2}
    assert (found["fields"], found["reasons"]) == ({"score": 2}, {"candidate_error: ValueError": 3})
    assert found["deltas"]["score"]["median"] == 0.25
    table = cli("diff", stored.path, "--summary").out
    assert "score: typically +0.25" in table
    assert "candidate_error: ValueError" in table
    assert "counts of 5 rows" in cli("diff", stored.path, "--summary").err


def test_a_pair_is_shown_with_both_values_and_its_input(cli: Cli, stored: Stored, name: str) -> None:
    topics = {side: f"{name}-{side}" for side in ("input", "production", "shadow")}
    create_topics(stored.bootstrap, dict.fromkeys(topics.values(), 1))
    values = {"input": {"amount": 7}, "production": {"score": 0.25, "id": "x"}, "shadow": {"score": 0.5, "id": "x"}}
    for side, topic in topics.items():
        produce_all(stored.bootstrap, topic, [Write(json.dumps(values[side]).encode(), b"k", 0)])
    at = {side: {"topic": topics[side], "partition": 0, "offset": 0} for side in ("production", "shadow")}
    stored.store(row("a", **at, input=f"{topics['input']}/0/0/0"))
    found = cli("diff", stored.path, "--show", "a", "--json").json
    assert found["fields"] == [
        {"path": "score", "production": "0.25", "candidate": "0.5", "differs": True},
        {"path": "id", "production": f'"{DROPPED}"', "candidate": f'"{DROPPED}"', "differs": False},  # no key of hashes
    ]
    assert found["input"] == [{"path": "amount", "value": "7"}]
    text = cli("diff", stored.path, "--show", "a").out
    assert "pair a, key k, 2013-07-01 04:00:00 UTC: mismatch" in text
    assert f"production: {topics['production']}/0@0" in text
    assert "no row of" in cli("diff", stored.path, "--show", "b").err
