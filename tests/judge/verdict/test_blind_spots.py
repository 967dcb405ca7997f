"""Evidence that is thinner than its counts is named: excused pairs, noise, few windows or keys, gaps."""

from typing import Any

import pytest

from shadowstream.judge.verdict.blind_spots import blind_spots
from tests.judge.stats_records import config

PLAIN = config()
TWIN = config(criteria=[{"rate": "mismatch", "limit": 0.01}, {"rate": "twin", "limit": 0.6}])


def only(outcomes: dict[str, int], settings: Any = PLAIN, windows: int = 24, keys: int = 500) -> str:
    (found,) = blind_spots(settings, outcomes, windows, keys)
    return found


@pytest.mark.parametrize("outcome", ["ignored", "tolerated", "expected"])
def test_only_a_large_share_of_excused_pairs_is_named(outcome: str) -> None:
    assert only({"match": 60, outcome: 40}).startswith("40 % of the pairs differ ")
    assert blind_spots(PLAIN, {"match": 90, outcome: 10}, 24, 500) == []


def test_a_twin_as_noisy_as_the_candidate_is_the_noise_floor() -> None:
    found = only({"match": 60, "joint_both": 20, "joint_twin": 10, "joint_shadow": 10, "joint_neither": 60}, TWIN)
    assert found.startswith(
        "noise floor: production differs from its own second run in 30 % of the pairs, the candidate"
    )
    assert blind_spots(TWIN, {"match": 99, "joint_twin": 1, "joint_neither": 99}, 24, 500) == []


@pytest.mark.parametrize(
    ("windows", "keys", "named"), [(1, 500, "only 1 window has"), (24, 1, "1 key "), (24, 29, "29 keys")]
)
def test_too_few_windows_or_keys_to_see_clusters_are_named(windows: int, keys: int, named: str) -> None:
    assert named in only({"match": 100}, PLAIN, windows, keys)
    assert blind_spots(PLAIN, {"match": 100}, 12, 30) == []


@pytest.mark.parametrize(
    ("final", "promise"), [(False, "let it run, or"), (True, "run a new trial over more event time")]
)
def test_a_trial_at_its_end_is_promised_nothing_by_waiting(final: bool, promise: str) -> None:
    (found,) = blind_spots(PLAIN, {"match": 100}, 1, 500, final=final)
    assert promise in found
    assert ("let it run" in found) != final


def test_a_large_declared_share_is_named() -> None:
    assert only({"match": 1, "warm_up": 99}).startswith("99 % of production's records were left out as warm_up")


def test_pairs_that_differ_where_no_criterion_asks_are_named() -> None:
    field = config(criteria=[{"rate": "field", "path": "score", "limit": 0.01}])
    assert only({"match": 50, "mismatch": 40, "cardinality": 10}, field) == (
        "50 % of the pairs (50 of 100) differ, and mismatch is not among judge.criteria: only what the other criteria "
        "name is judged; see `shadowstream diff CONFIG`"
    )
    others = {"rate": "missing", "limit": 0.01}
    muted = config(criteria=[{"rate": "mismatch", "limit": 0.01, "muted": True}, others])
    assert "mismatch is muted" in only({"match": 50, "mismatch": 50}, muted)
    assert blind_spots(field, {"match": 1_000, "mismatch": 9}, 24, 500) == []
    assert blind_spots(PLAIN, {"match": 50, "mismatch": 50}, 24, 500) == []


def test_a_large_share_of_failures_of_production_is_named() -> None:
    assert only({"match": 10, "both_failed": 90}).startswith("90 % of production's records say that production failed")
    assert blind_spots(PLAIN, {"match": 90, "both_failed": 10}, 24, 500) == []


def test_labels_awaited_by_the_majority_are_named() -> None:
    labels = config(criteria=[{"rate": "mismatch", "limit": 0.01}, {"rate": "labels", "limit": 0.5}])
    some = {"match": 1_000, "label_both_right": 5, "label_candidate_only": 5}
    assert only(some, labels).startswith("labels: 99 % of the pairs still wait for their label, 10 of 1,000 have one")
    assert blind_spots(labels, some | {"label_unlabelled": 600}, 24, 500) == []
    assert blind_spots(PLAIN, some, 24, 500) == []
