"""A key that comes again: partners by event time, whatever was read first."""

import time
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching import by_event_time
from shadowstream.joiner.matching.by_event_time import EventTimeStore
from shadowstream.joiner.matching.matches import Decision, Pair, Unmatched
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import CompletenessWorld

TOLERANCE_MS = 10
GRACE_MS = 5
KEY = b"k"
FAR_MS = 10**9

Result = tuple[str, int, int]
"""A decision as the tests speak of it: pair, missing or extra, and the event times (-1: none) of both records."""


def results_of(decisions: Iterable[Decision]) -> list[Result]:
    found = []
    for one in decisions:
        if isinstance(one, Pair):
            found.append(("pair", one.production.time_ms, one.shadow.time_ms))
        elif isinstance(one, Unmatched) and one.side is Side.PRODUCTION:
            found.append(("missing", one.row.time_ms, -1))
        elif isinstance(one, Unmatched):
            found.append(("extra", -1, one.row.time_ms))
    return found


class Table:
    """A store under the clocks of a task; both sides are read in bits."""

    def __init__(self, production: Sequence[int] = (), shadow: Sequence[int] = ()) -> None:
        self.desk = CompletenessWorld(grace_ms=GRACE_MS)
        self.store = EventTimeStore(1_000, TOLERANCE_MS)
        self.read = [0, 0]
        self.marks = [-FAR_MS, -FAR_MS]
        self.decided: list[Decision] = []
        self.marked()
        self.take(Side.PRODUCTION, *production)
        self.take(Side.SHADOW, *shadow)

    def marked(self) -> None:
        """Both sides are done with whatever the other's records come from."""
        self.desk.completeness.observe_born(10**12, {})
        self.desk.completeness.observe_born(10**12, {}, Side.SHADOW)
        self.desk.completeness.advance()

    def take(self, side: Side, *times_ms: int, key: bytes = KEY) -> None:
        """Records with these event times are read from one side."""
        rows = [PendingRecord(self.read[side] + n, time_ms, b"v", key) for n, time_ms in enumerate(times_ms)]
        self.read[side] += len(rows)
        self.decided += self.store.match_rows(side, [key] * len(rows), rows)
        self.marks[side] = max([self.marks[side], *times_ms])
        self.desk.read_to_ms(*self.marks)

    def pass_to(self, time_ms: int) -> None:
        """Both sides have been read to this event time."""
        self.marks = [max(mark, time_ms) for mark in self.marks]
        self.desk.read_to_ms(*self.marks)

    def settle(self) -> list[Result]:
        """What is decided now."""
        found = self.store.take_decidable(self.desk.completeness).matches
        self.decided += found
        return results_of(found)

    def end(self) -> list[Result]:
        """All that has been decided once both sides are read far beyond everything."""
        self.pass_to(2 * FAR_MS)
        self.settle()
        assert self.store.held.records == self.store.held.bytes == [0, 0, 0]
        return results_of(self.decided)


class Unmarked(Table):
    """A table on which no mark has been laid yet."""

    def marked(self) -> None:
        self.lay = super().marked


def test_a_record_without_partner_is_given_up_only_after_the_marks() -> None:
    """Two inputs feed the partition; the candidate is an hour behind on one, its watermark is the other's."""
    table = Unmarked([100, 5_000], [5_000])
    table.pass_to(FAR_MS)
    assert table.settle() == [], "neither the first nor, behind it, the second"
    table.lay()
    assert table.settle() == [("missing", 100, -1), ("pair", 5_000, 5_000)]


def of(production: Sequence[int], shadow: Sequence[int]) -> list[Result]:
    return Table(production, shadow).end()


@pytest.mark.parametrize("first", [Side.PRODUCTION, Side.SHADOW])
def test_a_lost_occurrence_does_not_shift_the_others(first: Side) -> None:
    """P1, P2, P3 under one key and a lost S1: on arrival S2 would meet P1, S3 meet P2, and P3 be missing."""
    table = Table()
    logs = {Side.PRODUCTION: (100, 104, 108), Side.SHADOW: (104, 108)}
    table.take(first, *logs[first])
    table.take(Side(1 - first), *logs[Side(1 - first)])
    assert table.decided == [], "nothing is decided on arrival"
    assert table.end() == [("pair", 104, 104), ("pair", 108, 108), ("missing", 100, -1)]


@pytest.mark.parametrize("lost", range(5))
def test_whichever_occurrence_of_five_is_lost_is_the_one_that_is_missing(lost: int) -> None:
    times = [100, 103, 106, 109, 112]
    found = of(times, [time_ms for n, time_ms in enumerate(times) if n != lost])
    assert sorted(found) == sorted(
        ("missing", time_ms, -1) if n == lost else ("pair", time_ms, time_ms) for n, time_ms in enumerate(times)
    )
    found = of([time_ms for n, time_ms in enumerate(times) if n != lost], times)
    assert ("extra", -1, times[lost]) in found
    assert len([one for one in found if one[0] == "pair" and one[1] == one[2]]) == 4


def test_partners_differ_by_no_more_than_the_tolerance() -> None:
    assert of([100], [100 + TOLERANCE_MS]) == [("pair", 100, 110)]
    assert of([100 + TOLERANCE_MS], [100]) == [("pair", 110, 100)]
    assert sorted(of([100], [100 + TOLERANCE_MS + 1])) == [("extra", -1, 111), ("missing", 100, -1)]
    assert sorted(of([100 + TOLERANCE_MS + 1], [100])) == [("extra", -1, 100), ("missing", 111, -1)]


def test_nothing_is_decided_before_both_sides_have_passed_tolerance_and_grace() -> None:
    table = Table([100, FAR_MS])
    assert table.settle() == [], "the other side has said nothing"
    table.take(Side.SHADOW, 100 + TOLERANCE_MS + GRACE_MS - 1, key=b"other")
    assert table.settle() == []
    table.take(Side.SHADOW, 100 + TOLERANCE_MS + GRACE_MS, key=b"other")
    assert table.settle() == [("missing", 100, -1)]


def test_the_grace_waits_for_a_record_out_of_order() -> None:
    table = Table([100, FAR_MS])
    table.take(Side.SHADOW, 100 + TOLERANCE_MS + GRACE_MS - 1, key=b"other")
    assert table.settle() == []
    table.take(Side.SHADOW, 100)
    assert ("pair", 100, 100) in table.end()


def test_nothing_is_decided_before_the_start_of_the_trial_is_known() -> None:
    world, store = CompletenessWorld(started=False, grace_ms=GRACE_MS), EventTimeStore(1_000, TOLERANCE_MS)
    store.match_rows(Side.PRODUCTION, [KEY], [PendingRecord(0, 100, b"v", KEY)])
    world.read_to_ms(FAR_MS, FAR_MS)
    world.completeness.observe_born(10**12, {})
    world.completeness.advance()
    assert store.take_decidable(world.completeness).matches == []
    world.start()
    assert results_of(store.take_decidable(world.completeness).matches) == [("missing", 100, -1)]


def test_a_pair_is_ambiguous_where_another_partner_was_possible_and_only_there() -> None:
    table = Table([100, 200, 204, 300], [100, 200, 204, 300])
    table.end()
    pairs = [one for one in table.decided if isinstance(one, Pair)]
    assert [(one.production.time_ms, one.ambiguous) for one in pairs] == [
        (100, False), (200, True), (204, True), (300, False),
    ]  # fmt: skip


def test_a_record_left_unmatched_beside_a_possible_partner_is_ambiguous_too() -> None:
    table = Table([100, 104, 200], [104])
    table.end()
    unmatched = [(one.row.time_ms, one.ambiguous) for one in table.decided if isinstance(one, Unmatched)]
    assert unmatched == [(100, True), (200, False)]


@pytest.mark.parametrize("spacing_ms", [3, 9, 11])
def test_production_stamping_late_within_the_tolerance_pairs_correctly(spacing_ms: int) -> None:
    """Production stamps 8 ms later than the candidate, which is stamped with its input's time."""
    inputs = range(100, 100 + 50 * spacing_ms, spacing_ms)
    assert of([time_ms + 8 for time_ms in inputs], inputs) == [("pair", one + 8, one) for one in inputs]


def test_keys_are_apart() -> None:
    table = Table()
    table.take(Side.PRODUCTION, 100, key=b"a")
    table.take(Side.SHADOW, 100, key=b"b")
    assert sorted(table.end()) == [("extra", -1, 100), ("missing", 100, -1)]


def test_the_floor_and_the_waiting_offsets_are_those_of_what_is_undecided() -> None:
    table = Table([1_500, 4_200])
    assert (table.store.held.floor_ms(), list(table.store.offsets(Side.PRODUCTION))) == (1_000, [0, 1])
    table.pass_to(1_500 + TOLERANCE_MS + GRACE_MS)
    table.settle()
    assert (table.store.held.floor_ms(), list(table.store.offsets(Side.PRODUCTION))) == (4_000, [1])


times = st.lists(st.integers(0, 120), max_size=25)


@given(
    production=times,
    shadow=times,
    bits=st.lists(st.tuples(st.booleans(), st.integers(1, 6), st.booleans()), max_size=30),
    cluster_max=st.sampled_from([2, 3, 5, 1_000]),
)
def test_the_order_of_arrival_changes_nothing(
    production: list[int], shadow: list[int], bits: list[tuple[bool, int, bool]], cluster_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_event_time, "CLUSTER_MAX", cluster_max)
        logs = {Side.PRODUCTION: sorted(production), Side.SHADOW: sorted(shadow)}
        table = Table()
        left = {side: list(log) for side, log in logs.items()}
        for take_shadow, n, settle in bits:
            side = Side(int(take_shadow))
            table.take(side, *left[side][:n])
            left[side] = left[side][n:]
            if settle:
                table.settle()
        for side, rest in left.items():
            table.take(side, *rest)
        found = sorted(table.end())
        assert found == sorted(of(logs[Side.PRODUCTION], logs[Side.SHADOW]))
        ended = [[one[side] for one in found if one[side] >= 0] for side in (1, 2)]
        assert [sorted(one) for one in ended] == [sorted(production), sorted(shadow)], "each record ends once"
        assert all(abs(one[1] - one[2]) <= TOLERANCE_MS for one in found if one[0] == "pair")


@given(production=times, shadow=times, cluster_max=st.sampled_from([2, 5, 1_000]))
def test_what_is_left_unmatched_has_no_partner_left_unmatched_beside_it(
    production: list[int], shadow: list[int], cluster_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_event_time, "CLUSTER_MAX", cluster_max)
        found = of(sorted(production), sorted(shadow))
    missing = [one[1] for one in found if one[0] == "missing"]
    extra = [one[2] for one in found if one[0] == "extra"]
    assert not [(p, s) for p in missing for s in extra if abs(p - s) <= TOLERANCE_MS]


def test_no_record_is_skipped_for_a_better_fit_that_costs_pairs() -> None:
    """P at 1 fits S better than P at 0, but then P at 12 would have none."""
    assert sorted(one[0] for one in of([0, 1, 2, 12], [1, 1, 1])) == ["missing", "pair", "pair", "pair"]


@pytest.mark.parametrize("late_ms", [0, 8])
def test_a_cluster_that_is_cut_loses_no_pair_at_the_cut(monkeypatch: pytest.MonkeyPatch, late_ms: int) -> None:
    """A hundred records a millisecond apart are one cluster; with ten a cluster it is cut amid every pair."""
    monkeypatch.setattr(by_event_time, "CLUSTER_MAX", 10)
    inputs = range(100, 200)
    assert of([one + late_ms for one in inputs], inputs) == [("pair", one + late_ms, one) for one in inputs]


def test_more_simultaneous_records_than_a_cluster_holds_still_pair() -> None:
    n = 3 * by_event_time.CLUSTER_MAX
    assert of([100] * n, [100] * n) == [("pair", 100, 100)] * n
    assert sorted({one[0] for one in of([100] * n, [100] * (n - 1))}) == ["missing", "pair"]


@pytest.mark.parametrize(
    ("n", "spacing_ms"),
    [
        pytest.param(30_000, 1, id="one cluster"),
        pytest.param(30_000, TOLERANCE_MS + 1, id="a cluster each"),
        pytest.param(1_000_000, 1, id="a million, one cluster", marks=pytest.mark.long),
        pytest.param(1_000_000, TOLERANCE_MS + 1, id="a million, a cluster each", marks=pytest.mark.long),
    ],
)
def test_one_key_with_a_million_occurrences_takes_seconds(n: int, spacing_ms: int) -> None:
    bits = 20
    table = Table()
    began = time.process_time()
    table.take(Side.PRODUCTION, *range(0, n * spacing_ms, spacing_ms))
    taken = []
    for first in range(0, n, n // bits):
        table.take(Side.SHADOW, *range(first * spacing_ms, (first + n // bits) * spacing_ms, spacing_ms))
        taken.append(len(table.settle()))
    table.pass_to(FAR_MS)
    table.settle()
    seconds = time.process_time() - began
    print(f"\n{n:,} occurrences of one key on each side, {spacing_ms} ms apart: {seconds:.1f} s of CPU")
    assert sum(1 for one in table.decided if isinstance(one, Pair)) == len(table.decided) == n
    assert min(taken[1:]) > 0, "decided as the candidate comes, not all at the end"
    assert seconds < max(6, n * 60 / 1_000_000)
