"""The simulator itself: many seeds, what it prints of a failing one, its oracle, its coverage."""

import ast
import os
from collections import Counter
from pathlib import Path

import pytest

from shadowstream.joiner.intake.dedupe import DedupeWindow
from shadowstream.judge.criteria import KNOWN
from shadowstream.protocol.count_names import LABELS, LATENCIES, RECHECKS
from shadowstream.records import Side
from shadowstream.testing.simulation import coverage, oracle, run
from shadowstream.testing.simulation.__main__ import main
from shadowstream.testing.simulation.generator import history
from shadowstream.testing.simulation.history import IDENTITIES, Input, Setup
from shadowstream.testing.simulation.logs import Label
from shadowstream.testing.simulation.truth import Truth, Unit, Written, as_read

SEEDS_LONG = 500
SHOWING = (
    *(0, 7, 8, 11, 12, 14, 16, 20, 22, 23, 24, 26, 28, 33, 34, 45, 46, 53, 61, 64, 70),
    *(72, 73, 75, 77, 79, 81, 85, 89, 104, 116, 121, 132, 171, 172, 177, 183, 191, 193, 194, 213, 230, 355),
)
"""Few seeds that show all that the first 200 and the last three show; 11 and 70 are tried with planted faults too."""


def test_few_seeds_show_every_outcome_and_none_wrong() -> None:
    played = [run.run_seed(seed) for seed in SHOWING]
    assert [(one.seed, one.offences) for one in played if one.offences] == []
    seen = Counter({(outcome, one.identity): n for one in played for outcome, n in one.seen.items()})
    assert coverage.faults(seen) == []


@pytest.mark.long
def test_five_hundred_seeds_show_no_wrong_outcome_and_every_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", str(SEEDS_LONG), "--processes", str(os.cpu_count() or 1)]) == 0, capsys.readouterr().out


def test_a_seed_means_the_same_in_every_process() -> None:
    assert [history(seed) for seed in range(20)] == [history(seed) for seed in range(20)]
    # More than a chunk, so that both processes play.
    assert list(run.results(0, run.CHUNK + 1, 2)) == list(run.results(0, run.CHUNK + 1, 1))


def test_a_failing_seed_prints_its_shrunk_history_and_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DedupeWindow, "repeats", lambda self, ids, contents, offsets: {})
    assert main(["--seeds", "10", "--processes", "1"]) == 1
    output = capsys.readouterr().out
    failing = next(seed for seed in range(10) if run.run_seed(seed).offences)
    assert f"make sim SEEDS=1 FIRST_SEED={failing}\n" in output
    whole, small = history(failing), output.partition("shrunk history:")[2].partition("to repeat it")[0]
    assert 0 < small.count(" input ") < len(whole.inputs)
    assert small.count(" action ") < len(whole.actions)
    assert "expected ('duplicate_" in small or "expected ('repeated_" in small


def test_the_oracle_is_short_and_knows_nothing_of_the_joiner() -> None:
    path = Path(oracle.__file__)
    for name in ["oracle", "failures", "repeats", "truth", "world", "history", "generator", "logs", "producers"]:
        for node in ast.walk(ast.parse(path.with_name(f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("shadowstream.joiner"), name
            elif isinstance(node, ast.Import):
                assert all(not alias.name.startswith("shadowstream.joiner") for alias in node.names), name
    assert len(path.read_text().splitlines()) < 100


def test_an_outcome_that_was_never_shown_is_named_unless_it_cannot_be() -> None:
    full = Counter({(outcome, identity): 1 for outcome in coverage.OUTCOMES for identity in IDENTITIES})
    assert coverage.empty(full) == []
    del full["missing", "key"], full["cardinality", "occurrence"]
    assert coverage.empty(full) == [("missing", "key")]
    assert any("- cardinality under occurrence: " in line for line in coverage.table(full))


def test_what_cannot_be_and_what_nobody_has_listed_must_not_be_shown() -> None:
    cells = ((outcome, identity) for outcome in coverage.OUTCOMES for identity in IDENTITIES)
    seen = Counter({cell: 1 for cell in cells if coverage.impossible(*cell) is None})
    assert coverage.faults(seen) == []
    seen["cardinality", "occurrence"] = seen["vanished", "key"] = 1
    del seen["missing", "key"]
    assert coverage.faults(seen) == [
        "never shown: missing under key",
        "shown, though it cannot be (outputs: many needs an id of the input, so the config refuses it here): "
        "cardinality under occurrence",
        "shown, and not in the table of coverage: vanished under key",
    ]
    assert coverage.faults(seen, may_lack=["missing"])[0].startswith("shown, though it cannot be")


def test_every_outcome_of_the_judges_table_occurs_under_some_identity() -> None:
    """Who adds an outcome has the simulator show it."""
    figures = {*LATENCIES, *LABELS, "input", "input_failed", "input_undecodable"}
    figures |= {*RECHECKS}
    figures |= {name for name in KNOWN if name.startswith("label_")}
    assert KNOWN - figures - set(coverage.OUTCOMES) == set()
    for outcome in coverage.OUTCOMES:
        assert any(coverage.impossible(outcome, identity) is None for identity in IDENTITIES), outcome


def test_a_repeat_of_an_unreadable_record_is_the_first() -> None:
    first, again = (Unit(Input(n, 0, 0, "a", again=n > 0), "A", warm=False) for n in range(2))
    for unit in (first, again):
        for side in Side:
            broken = side is Side.PRODUCTION and unit is first
            one = Written(Label(unit.input.number, side, 0), "plain", "A", False, False, b"%d" % side, broken)
            unit.written[side] = [] if side is Side.TWIN else [one]
    as_read([first, again])
    truth = Truth(Setup(0), ("A",), [first, again], (None,))
    found = [
        (word.outcomes, [label[:2] for label in word.records])
        for unit in truth.units
        for word in oracle.words(truth, unit)
    ]
    assert found == [
        (("undecodable_production",), [(0, Side.PRODUCTION)]),
        (("mismatch",), [(1, Side.PRODUCTION), (0, Side.SHADOW)]),
        (("repeated_shadow",), [(1, Side.SHADOW)]),
    ]


def written(*kinds: str) -> list[Written]:
    return [Written(Label(1, Side.PRODUCTION, 0), kind, "", False, False) for kind in kinds]


def test_a_declared_change_is_expected_unless_something_else_differs_too() -> None:
    plain, declared, near, differs = written("plain", "declared", "near", "differs")
    assert oracle.compared(plain, declared) == oracle.compared(near, declared) == "expected"
    assert oracle.compared(differs, declared) == "mismatch"


def test_a_pair_is_uncompared_only_where_nothing_but_a_function_decides() -> None:
    plain, unanswered, unexplained, answered = written("plain", "unanswered", "unexplained", "answered")
    failed, broken, tombstone = written("failed", "broken", "tombstone")
    assert oracle.compared(plain, unanswered) == oracle.compared(plain, unexplained) == "uncompared"
    assert oracle.compared(plain, answered) == "tolerated"
    assert oracle.compared(failed, unanswered) == oracle.compared(tombstone, unanswered) == "mismatch"
    assert oracle.compared(broken, unanswered) == "undecodable_production"
    assert oracle.compared(unanswered, unanswered) == oracle.compared(failed, failed) == "match"
