"""A sample of rows holds rare kinds too, stands for all rows, and is the same on each run."""

from typing import Any

from shadowstream.codecs import own
from shadowstream.kafka.pair_sample.row_sample import RowSample, shares
from shadowstream.kafka.reading.last_rows import LastRows
from tests.cli.test_diff import row


def difference(path: str) -> dict[str, Any]:
    return {"path": path, "kind": "value", "production": "1", "shadow": "2", "delta": 1.0}


def sample(*rows: dict[str, Any]) -> RowSample:
    last = LastRows()
    for one in rows:
        last.put(one["pair_id"], one["time_ms"], own.encode("diff", one))
    return RowSample(last)


def rows_of(kinds: dict[str, int]) -> list[dict[str, Any]]:
    return [
        row(f"scores/0/{path}{n}", differences=[difference(f"{path}.{n}"), difference("noise")])
        for path, count in kinds.items()
        for n in range(count)
    ]


KINDS = {"common": 400, "rare": 3, "other": 60}


def test_each_kind_is_there_and_the_weights_add_up_to_the_rows() -> None:
    found = sample(*rows_of(KINDS))
    sampled = found.differing(100)
    assert (found.kinds, len(sampled)) == (3, 100)
    by_kind: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for one in sampled:
        by_kind[one.row["differences"][0]["path"].partition(".")[0]].append(one.weight)
    assert {kind: round(sum(weights), 6) for kind, weights in by_kind.items()} == KINDS
    assert len(by_kind["rare"]) == 3


def test_all_rows_are_taken_where_there_is_room() -> None:
    sampled = sample(*rows_of(KINDS)).differing(2_000)
    assert len(sampled) == sum(KINDS.values())
    assert all(one.drawn and one.weight == 1 for one in sampled)


def test_the_uniform_part_has_all_kinds_in_their_shares() -> None:
    sampled = sample(*rows_of({"common": 900, "other": 300})).differing(200)
    drawn = [one.row["differences"][0]["path"].startswith("common") for one in sampled if one.drawn]
    assert len(drawn) > 100
    assert 0.65 < sum(drawn) / len(drawn) < 0.85


def test_the_sample_does_not_depend_on_the_order_of_rows() -> None:
    rows = rows_of(KINDS)
    one, other = (sorted(kept.row["pair_id"] for kept in sample(*order).differing(100)) for order in (rows, rows[::-1]))
    assert one == other


def test_shares_use_all_the_room_that_there_is() -> None:
    for room in range(60):
        kinds = {"a": 1, "b": 7, "c": 20}
        found = shares(kinds, room)
        assert sum(found.values()) == min(room, sum(kinds.values()))
        assert all(found[kind] <= kinds[kind] for kind in kinds)


def test_pairs_agree_unless_a_row_says_otherwise() -> None:
    found = sample(row("a", "mismatch"), row("b", "tolerated"), row("c", "missing"))
    assert [found.agrees(pair) for pair in "abcd"] == [False, True, False, True]
