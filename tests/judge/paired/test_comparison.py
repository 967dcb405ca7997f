"""Two candidates on the same records: which is shown to be better, and what is no evidence."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats as reference

from shadowstream.errors import ConfigError
from shadowstream.judge.paired import judged_records
from shadowstream.judge.paired.comparison import PairedComparison, Terms, best_of, compare, comparisons, terms_of
from shadowstream.judge.paired.judged_records import JudgedRecords, RecordPlace, Standing, standing_of
from shadowstream.protocol.outcomes import Outcome
from shadowstream.records import Partition
from tests.judge.calibration_of_pairs import PairedRuns, of_pairs
from tests.judge.stats_records import HOUR_MS

REVISION = "ab" * 32
PARTITION = Partition("scores", 0)


def row(offset: int, outcome: str = "mismatch", key: bytes | None = None, **more: Any) -> dict[str, Any]:
    record = {"topic": "scores", "partition": 0, "offset": offset}
    found = {"revision": REVISION, "production": record, "outcome": outcome, "time_ms": offset * 60_000, "key": key}
    return found | more


def trial(name: str, rows: Iterable[dict[str, Any]], records: int = 10_000, **more: Any) -> JudgedRecords:
    """A trial that judged so many records, one a minute."""
    hours = range(0, records * 60_000, HOUR_MS)
    found = JudgedRecords(name, REVISION, to_ms=hours[-1] + HOUR_MS, **more)
    for start_ms in hours:
        found.add_window({"start_ms": start_ms, "revision": REVISION, "outcomes": {"match": 60}, "fields": {}})
    for one in rows:
        found.add_row(one)
    return found


def compared(first: JudgedRecords, second: JudgedRecords, alpha: float = 0.05) -> PairedComparison:
    return compare(first, second, terms_of([first, second], alpha, 0.99, HOUR_MS))


def wrong(offsets: Iterable[int], keys: int | None = 10**9) -> list[dict[str, Any]]:
    return [row(offset, key=None if keys is None else b"%d" % (offset % keys)) for offset in offsets]


def test_the_candidate_that_is_wrong_on_fewer_keys_is_better() -> None:
    both = list(range(0, 9_000, 30))
    first, second = trial("a", wrong([*both, *range(1, 9_000, 60)])), trial("b", wrong([*both, *range(2, 9_000, 360)]))
    found = compared(first, second)
    assert (found.better, found.reasons) == ("b", ())
    assert (found.records, found.records_of_second, found.units, found.of_second) == (175, 25, 175, 25)
    assert (found.wrong_first, found.wrong_second, found.unjudged) == (450, 325, 0)
    assert found.judged == 10_020
    mirrored = compared(second, first)
    assert mirrored.better == "b"
    assert (mirrored.log_e_first_better, mirrored.log_e_second_better) == pytest.approx(
        (found.log_e_second_better, found.log_e_first_better)
    )


def test_the_evidence_is_that_of_a_reference_integral() -> None:
    # E = 2 * integral over p in (0, 1/2) of (2 p)^s (2 (1 - p))^(n - s), by the incomplete beta function.
    found = compared(trial("a", wrong(range(1, 9_000, 60))), trial("b", wrong(range(2, 9_000, 360))))
    n, s = found.units, found.of_second
    beta = reference.beta(s + 1, n - s + 1)
    log_e = math.log(2) + n * math.log(2) + math.lgamma(s + 1) + math.lgamma(n - s + 1) - math.lgamma(n + 2)
    assert found.log_e_second_better == pytest.approx(log_e + beta.logcdf(0.5), rel=1e-9)
    assert found.log_e_first_better == pytest.approx(log_e + beta.logsf(0.5), rel=1e-9)


def test_records_of_few_keys_are_few_units() -> None:
    found = compared(trial("a", wrong(range(1, 9_000, 10), keys=5)), trial("b", []))
    assert (found.records, found.units) == (900, 1)
    assert found.better is None
    assert "neither is shown to be better" in found.reasons[-1]


def test_a_key_belongs_to_the_candidate_of_its_first_record() -> None:
    first, second = [row(5, key=b"k"), row(7, key=b"k")], [row(3, key=b"k"), row(7, key=b"k")]
    found = compared(trial("a", reversed(first)), trial("b", reversed(second)))
    assert (found.units, found.of_second, found.records) == (1, 1, 2)


def test_few_keys_with_many_records_decide_nothing_against_the_records() -> None:
    hot = [row(offset, key=b"hot") for offset in range(2_000, 4_000)]
    found = compared(trial("a", wrong(range(1, 9_000, 60))), trial("b", hot))
    assert found.better is None
    assert found.reasons == ("by keys 'b' is better, by records it is not: few keys hold many of the records",)


def test_records_without_a_key_must_not_come_together() -> None:
    single = compared(trial("a", wrong(range(1, 9_000, 60), keys=None)), trial("b", wrong([5_000], keys=None)))
    assert single.better == "b"
    bursts = [offset + i for offset in range(0, 9_000, 600) for i in range(50)]
    second = [offset + 100 + i for offset in range(0, 3_000, 600) for i in range(50)]
    clustered = compared(trial("a", wrong(bursts, keys=None)), trial("b", wrong(second, keys=None)))
    assert clustered.better is None
    assert "come together" in clustered.reasons[0]
    early = compared(trial("a", wrong(range(1, 300, 3), keys=None)), trial("b", []))
    assert early.better is None
    assert "12 are needed" in early.reasons[0]


def test_only_records_that_both_trials_judged_count() -> None:
    first = trial("a", wrong(range(1, 9_000, 60)))
    left_out = [row(offset, "warm_up") for offset in range(1, 9_000, 60)]
    assert compared(first, trial("b", left_out)).units == 0
    lost = compared(first, trial("b", [row(offset, "evicted") for offset in range(1, 9_000, 60)]))
    assert (lost.units, lost.unjudged, lost.better) == (0, 150, None)
    assert "150 of 10,170 records (1.47 %) were not judged by both trials" in lost.reasons[0]
    later = compared(first, trial("b", [], ends={PARTITION: 6_001}))
    assert later.units == 50
    shorter = trial("b", [], records=3_000)
    assert compared(first, shorter).units == 50
    assert compared(first, shorter).judged == 3_000


def test_no_window_of_both_is_not_yet() -> None:
    found = compare(trial("a", []), trial("b", []), Terms(0.025, 0.99, HOUR_MS, HOUR_MS, HOUR_MS))
    assert found.better is None
    assert found.reasons[0].startswith("no window with records of both trials")


def test_the_newest_row_of_a_record_counts() -> None:
    found = trial("a", [row(1), row(2), row(1, "match", late=True), row(3, revision="cd" * 32)])
    assert list(found.kept) == [RecordPlace(PARTITION, 2)]


def test_an_extra_record_of_a_candidate_is_no_record_of_production() -> None:
    assert not trial("a", [row(1, "extra", production=None)]).kept


def test_more_records_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged_records, "RECORDS_MAX", 10)
    trial("a", wrong(range(10)))
    with pytest.raises(ConfigError, match="more than 10 records"):
        trial("a", wrong(range(11)))


def test_each_outcome_of_production_has_a_standing() -> None:
    left_out = {Outcome.WARM_UP, Outcome.SAMPLED_OUT, Outcome.FILTERED}
    assert {one for one in Outcome if standing_of(one) is Standing.LEFT_OUT} == left_out
    right = {Outcome.MATCH, Outcome.TOLERATED, Outcome.IGNORED, Outcome.EXPECTED, Outcome.BOTH_FAILED}
    assert {one for one in Outcome if standing_of(one) is None} == right


def test_the_best_is_better_than_each_other() -> None:
    trials = [trial("a", wrong(range(1, 9_000, 60))), trial("b", []), trial("c", wrong(range(2, 9_000, 60)))]
    terms = terms_of(trials, 0.05, 0.99, HOUR_MS)
    assert terms.level == pytest.approx(0.05 / 6)
    found = comparisons(trials, terms)
    assert [one.better for one in found] == ["b", None, "b"]
    assert best_of(trials, found) == "b"
    assert best_of(trials, [replace(found[0], better=None), *found[1:]]) is None


@pytest.mark.parametrize("setting", [PairedRuns(0.1, 0.1, 300, 100, 8, 60), PairedRuns(0.3, 0.05, 500, 200, 8, 10)])
def test_equal_candidates_are_rarely_distinguished_and_better_ones_shown(setting: PairedRuns) -> None:
    assert [line for line, holds in of_pairs(setting, seed=4) if not holds] == []
