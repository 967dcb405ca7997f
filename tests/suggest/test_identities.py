"""An identity is proposed if it pairs records that have no partner, is unique, and nearly all records have it."""

from typing import Any

import pytest

from shadowstream.suggest.identities import SingleRecord, identities

RECORDS = 40


def record(n: int, side: str, **more: Any) -> SingleRecord:
    value = {"order": {"id": f"o{n}"}, "side": side, "n": n % 3, **more}
    return SingleRecord(f"{side}{n}".encode(), {"x-request": b"r%d" % n, "host": side.encode()}, value)


def sides(**more: Any) -> tuple[list[SingleRecord], list[SingleRecord]]:
    return [record(n, "p", **more) for n in range(RECORDS)], [record(n, "s", **more) for n in range(RECORDS)]


def test_ids_in_headers_and_values_are_found_with_their_pairs() -> None:
    found = identities(*sides())
    assert [(one.entry, one.pairs) for one in found] == [
        ({"kind": "id", "path": "order.id"}, RECORDS),
        ({"kind": "id", "header": "x-request"}, RECORDS),
    ]


@pytest.mark.parametrize("shared", [0, 19])
def test_ids_that_pair_less_than_half_are_none(shared: int) -> None:
    missing, _ = sides()
    extra = [record(n + RECORDS - shared, "s") for n in range(RECORDS)]
    assert identities(missing, extra) == []


def test_ids_that_come_again_or_lack_are_none() -> None:
    missing, extra = sides()
    again = [*missing[: RECORDS // 2], *missing[: RECORDS // 2]]
    lacking = [one._replace(headers={}, value={}) for one in missing[:5]] + missing[5:]
    assert identities(again, extra) == identities(lacking, extra) == []


def test_the_key_is_an_identity() -> None:
    missing, extra = (
        [one._replace(key=b"k%d" % n, headers={}, value=1) for n, one in enumerate(side)] for side in sides()
    )
    assert [dict(one.entry) for one in identities(missing, extra)] == [{"kind": "key"}]
