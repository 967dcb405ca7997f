"""The view of a trial: stats records and marks in, figures out."""

from shadowstream.protocol.marks import Counters, mark
from shadowstream.records import Partition
from shadowstream.status.summary import Decision, Look, status_of
from shadowstream.status.trial_view import TrialView
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

SCORES, OUT, IN = Partition("scores", 0), Partition("shadow.fraud.out.scores", 0), Partition("payments", 0)
NOW_MS = 1_700_000_000_000


def read(seq: int, production: int, shadow: int) -> dict[str, object]:
    """What a commit says of both sides: records read, and offsets."""
    places = ((SCORES, production), (OUT, shadow))
    ledgers = [{"ledger": 3, "place": str(at), "expected": n, "counted": n} for at, n in places]
    sources = [{"topic": at.topic, "partition": 0, "from_offset": 0, "to_offset": n} for at, n in places]
    return {"ledgers": ledgers, "sources": sources}


def view_of_an_hour() -> TrialView:
    view = TrialView(config(), REVISION, ["scores/0"])
    first = cell(0, fields={"score": 30}, match=60, mismatch=30, input=90)
    second = cell(HOUR_MS, fields={"score": 5}, match=5, mismatch=5)
    view.add_stats(NOW_MS - 20_000, stats("scores/0", 1, first, watermark_ms=HOUR_MS, **read(1, 90, 90)))
    view.add_stats(NOW_MS - 10_000, stats("scores/0", 2, second, watermark_ms=HOUR_MS + 60_000, **read(2, 110, 100)))
    for seconds, n in ((20, 100), (10, 120)):
        counters = Counters(read=n, with_output=n).record()
        place = {"input_topic": "payments", "input_partition": 0}
        view.add_mark(NOW_MS - seconds * 1_000, mark("done", REVISION, to_offset=n, counters=counters, **place))
    return view


def test_each_side_has_its_records_rate_and_lag() -> None:
    inputs, production, candidate = view_of_an_hour().sides(NOW_MS, {IN: 10}, {IN: 130, SCORES: 115, OUT: 102})
    assert (inputs.records, inputs.per_s, inputs.lag, inputs.begins) == (120, 1.0, 10, {"payments/0": 10})
    assert (production.records, production.per_s, production.lag) == (110, 1.0, 5)
    assert (candidate.records, candidate.per_s, candidate.lag) == (100, 0.5, 2)
    assert candidate.begins == {str(OUT): 0}


def test_an_open_window_has_its_counts_and_the_totals_include_it() -> None:
    view = view_of_an_hour()
    (window,) = view.open_windows()
    assert (window.start_ms, window.end_ms, window.pairs, window.differ) == (HOUR_MS, 2 * HOUR_MS, 10, 5)
    assert view.passed_ms() == HOUR_MS + 60_000
    assert view.windows.closed == 1
    assert view.so_far() == {"outcomes": {"match": 65, "mismatch": 35}, "reasons": {}, "fields": {"score": 35}}


def test_a_record_that_comes_twice_counts_once_and_another_revision_does_not() -> None:
    view = view_of_an_hour()
    view.add_stats(NOW_MS, stats("scores/0", 2, cell(HOUR_MS, match=5), watermark_ms=HOUR_MS, **read(2, 110, 100)))
    view.add_stats(NOW_MS, {**stats("scores/0", 3, watermark_ms=HOUR_MS, **read(3, 999, 999)), "revision": "00"})
    assert view.so_far()["outcomes"] == {"match": 65, "mismatch": 35}
    assert view.sides(NOW_MS, {}, {})[1].records == 110


def test_before_and_after_it_begins_every_role_has_its_health() -> None:
    trial, answer = config(), Decision(REVISION, "not_yet", ["no verdict"], None)
    before = status_of(trial, Look(NOW_MS, None, None, {}, {}), answer)
    assert [(role.name, role.healthy) for role in before.roles] == [
        ("runner", False),
        ("joiner", False),
        ("judge", False),
    ]
    assert (before.sides, before.windows) == ([], ())
    ends = {IN: 130, SCORES: 115, OUT: 102}
    now = status_of(trial, Look(NOW_MS, view_of_an_hour(), "began at payments/0@10", {IN: 10}, ends), answer)
    assert [role.healthy for role in now.roles] == [True, True, False]
    later = status_of(trial, Look(NOW_MS + 120_000, view_of_an_hour(), "", {IN: 10}, ends), answer)
    assert [role.healthy for role in later.roles] == [False, False, False]
    # All that they read is done, so they need not write anything.
    done = {IN: 120, SCORES: 110, OUT: 100}
    rests = status_of(trial, Look(NOW_MS + 120_000, view_of_an_hour(), "", {IN: 10}, done), answer)
    assert [role.healthy for role in rests.roles] == [True, True, False]
