"""Rows of the page's tables: the figures of the verdict in words."""

from dataclasses import replace
from typing import Any

from shadowstream.status.differing_rows import TypicalDelta
from shadowstream.status.words import time_text
from shadowstream.web import rows
from shadowstream.web.trial_watch import Gate, RevisionFigures, TrialFigures
from tests.judge.stats_records import REVISION
from tests.report.trial_facts import HOSTILE, nothing, row, trial


def gate() -> Gate:
    return Gate(REVISION, trial().explanation.decision, trial().reasons, trial().explanation, trial().verdict)


def without() -> Gate:
    found = nothing()
    return Gate(REVISION, "not_yet", found.reasons, found.explanation, None)


def whole() -> RevisionFigures:
    return RevisionFigures(gate(), trial().history, drift=trial().drift)


def texts(table: list[list[rows.Cell]]) -> list[list[str]]:
    return [[cell.text for cell in one] for one in table]


def test_each_criterion_has_a_row_as_wide_as_its_titles() -> None:
    table = rows.criteria(gate())
    assert [one[0].text for one in table] == [one.criterion for one in trial().explanation.outlooks]
    assert {len(one) for one in table} == {len(rows.CRITERIA)}
    (mismatch,) = (one for one in texts(table) if one[0] == "mismatch")
    record = next(one for one in (trial().verdict or {})["criteria"] if one["rate"] == "mismatch")
    assert mismatch[2] == f"{record['s']} of {record['n']:,} pairs"
    assert mismatch[4] == "1 %"


def test_every_table_has_its_titles_width_with_and_without_a_verdict() -> None:
    for figures in (whole(), RevisionFigures(without())):
        for table, titles in (
            (rows.criteria(figures.gate), rows.CRITERIA),
            (rows.fields(figures), rows.FIELDS),
            (rows.slices(figures.gate), rows.SLICES),
            (rows.changes(figures.drift), rows.CHANGES),
            (rows.latencies(figures.gate), rows.LATENCIES),
        ):
            assert all(len(one) == len(titles) for one in table)
    assert rows.criteria(without()) == []


def test_fields_have_their_pairs_and_typical_delta() -> None:
    found = texts(rows.fields(replace(whole(), typical={"score": TypicalDelta(9, 0.25, 0.125, 0.5)})))
    assert found[0][0] == "score"
    assert found[0][2:] == ["+0.25", "+0.125 to +0.5 (newest 9)"]
    assert found[1][0] == HOSTILE, "shown as it is: the table sets texts"


def test_changes_begin_with_the_newest() -> None:
    found = texts(rows.changes(trial().drift))
    assert found[0][2] == time_text(trial().drift[-1]["window_end_ms"])
    assert "incident opens" in {one[1] for one in found}


def test_the_list_shows_a_verdict_or_the_problem_of_each_trial() -> None:
    link = {"fraud": "/trial/fraud"}
    known = TrialFigures("fraud", REVISION, {REVISION: whole()}, 0)
    (one,) = rows.trials([known], link)
    assert (one[0].link, one[1].text, one[2].text) == ("/trial/fraud", "reject", trial().reasons[0])
    (waits,) = rows.trials([TrialFigures("fraud", REVISION, problem="no broker answers")], link)
    assert waits[2].text == "no broker answers"
    assert len(one) == len(waits) == len(rows.TRIALS)


def test_each_revision_has_a_column() -> None:
    trial = TrialFigures("fraud", REVISION, {REVISION: whole(), "ff": RevisionFigures(without())}, 0)
    table = texts(rows.revisions(trial))
    assert table[0] == ["verdict", "reject", "not yet"]
    assert {len(one) for one in table} == {3}
    assert {one[0] for one in table} >= {"mismatch", "missing", "extra", "error"}


def test_a_row_of_diff_is_one_line_with_its_reason() -> None:
    assert rows.difference_text(row(1, "missing")) == "timeout"
    shown = rows.difference_text(row(1))
    assert shown.startswith("score: 0.25 → 0.75; ")
    corrected: dict[str, Any] = row(1, correction_of="missing")
    assert rows.outcome(corrected).text == "mismatch (was missing)"
