"""A value of a declared dimension that is bad holds a promote back, however little of the traffic it is."""

from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.verdict.explain import explain
from tests.judge.trials_by_slice import Values, hour, judged, sliced

BIG = {"n": 4_995, "s": 0}
DAYS = 72
NEEDED = 449
"""Pairs that show a candidate good at the limit 0.01 without a single bad one."""


def verdict_of_slices(
    values: Values, hours: int = DAYS, settings: Config | None = None, **outcomes: int
) -> dict[str, Any]:
    return judged(settings or sliced(), [hour(index, values, **outcomes) for index in range(hours)])


def test_a_tenant_wrong_in_all_its_few_records_blocks_promote() -> None:
    verdict = verdict_of_slices({"big": BIG, "tiny": {"n": 5, "s": 5}})
    assert verdict["decision"] == "not_yet"
    assert verdict["reasons"] == [
        "slice tenant=tiny: 360 of 360 pairs (100 %) differ, which is shown to be over the limit 1 % of mismatch; the "
        "slice holds 0.1 % of all pairs. Mend the candidate there; judge.slices: show lets slices decide nothing"
    ]
    assert not any("tenant=tiny" in caveat for caveat in verdict["caveats"]), "it is a reason already"
    assert any(
        "a slice is over a limit" in todo for todo in explain(verdict, verdict["decision"], verdict["reasons"]).todo
    )


@pytest.mark.parametrize(
    ("small", "held"),
    [
        ({"n": 1, "s": 1}, True),
        ({"n": 300, "s": 300}, True),
        ({"n": 300, "s": 20}, True),
        ({"n": 300, "s": 3}, False),
        ({"n": 5, "s": 0}, False),
    ],
    ids=["one an hour, all wrong", "six in a thousand, all wrong", "one in fifteen wrong", "at the limit", "right"],
)
def test_what_a_value_shows_decides_and_not_its_size(small: dict[str, int], held: bool) -> None:
    verdict = verdict_of_slices({"big": {"n": 50_000, "s": 0}, "small": small})
    assert (verdict["decision"] == "not_yet") == held
    assert any(reason.startswith("slice tenant=small") for reason in verdict["reasons"]) == held


def test_a_value_with_few_records_is_named_and_blocks_nothing() -> None:
    verdict = verdict_of_slices({"big": BIG, "nano": {"n": 1, "s": 0}})
    assert verdict["decision"] == "promote"
    assert verdict["caveats"][-1] == (
        "slice tenant=nano: 72 pairs (0.02 % of all), too few to be judged by themselves: 449 are needed at the limit "
        "1 % of mismatch; none of them differ"
    )


def test_many_small_values_are_named_by_their_worst_and_counted() -> None:
    small = {f"t{i:02}": {"n": 1, "s": 0} for i in range(12)}
    verdict = verdict_of_slices({"big": {"n": 50_000, "s": 0}, **small}, 30)
    assert verdict["decision"] == "promote"
    assert [caveat[:17] for caveat in verdict["caveats"][-6:-1]] == [f"slice tenant=t{i:02}" + ":" for i in range(5)]
    assert verdict["caveats"][-1] == "7 more slices are too small to be judged by themselves: 210 pairs"


@pytest.mark.parametrize(
    ("rate", "figures", "what"),
    [
        ("missing", {"n": 5, "missing": 5}, "360 of 720 production records (50 %) have no partner"),
        ("missing", {"missing": 5}, "360 of 360 production records (100 %) have no partner"),
        (
            "error",
            {"n": 5, "candidate_error": 5},
            "360 of 720 production records (50 %) have an error of the candidate",
        ),
        ("error", {"n": 5, "undecodable_shadow": 5}, "360 of 720 production records (50 %) have an error"),
    ],
)
def test_records_that_ended_unmatched_count_by_value_too(rate: str, figures: dict[str, int], what: str) -> None:
    lost = {name: n for name, n in figures.items() if name != "n"}
    outcomes = {"match": 10_000 + figures.get("n", 0), "input": 20_000, **lost}
    verdict = verdict_of_slices({"big": {"n": 10_000}, "tiny": figures}, **outcomes)
    assert verdict["decision"] == "not_yet"
    assert any(what in reason and f"of {rate};" in reason for reason in verdict["reasons"])


def test_latency_and_fields_are_looked_at_by_value() -> None:
    criteria = [{"rate": "over", "limit": 0.01}, {"rate": "field", "path": "score", "limit": 0.01}]
    settings = sliced(criteria=criteria)
    tiny = {"n": 5, "s": 5, "latency_pairs": 5, "latency_over": 5, "field/score": 5}
    big = {"n": 4_995, "latency_pairs": 4_995}
    outcomes = {"match": 4_995, "mismatch": 5, "latency_pairs": 5_000, "latency_over": 5}
    verdict = verdict_of_slices({"big": big, "tiny": tiny}, settings=settings, **outcomes)
    assert [reason.partition(",")[0] for reason in verdict["reasons"]] == [
        "slice tenant=tiny: 360 of 360 pairs (100 %) differ at score",
        "slice tenant=tiny: 360 of 360 pairs with both latencies (100 %) are over the latency limit",
    ]


def test_show_lets_slices_decide_nothing() -> None:
    verdict = verdict_of_slices({"big": BIG, "tiny": {"n": 5, "s": 5}}, settings=sliced(slices="show"))
    assert verdict["decision"] == "promote"
    assert not any("tenant=tiny" in caveat for caveat in verdict["caveats"])


def test_muted_or_partial_criteria_hold_back_nothing_by_slice() -> None:
    criteria = [
        {"rate": "mismatch", "limit": 0.01, "muted": True},
        {"rate": "mismatch", "limit": 0.5, "where": {"tenant": "big"}, "required": False},
        {"rate": "missing", "limit": 0.01},
    ]
    verdict = verdict_of_slices({"big": BIG, "tiny": {"n": 5, "s": 5}}, settings=sliced(criteria=criteria))
    assert verdict["decision"] == "promote"


def test_a_correction_that_takes_back_more_than_there_was_proves_nothing() -> None:
    hours = [hour(index, {"big": BIG, "odd": {"missing": -2}}, match=4_995, input=4_995) for index in range(DAYS)]
    assert judged(sliced(), hours)["decision"] == "promote"


def test_a_value_that_could_not_be_read_is_no_tenant() -> None:
    verdict = verdict_of_slices(
        {"big": {"n": 50_000}, "(undecodable)": {"missing": 5}}, match=50_000, input=50_005, missing=5
    )
    assert verdict["decision"] == "promote"


def test_a_later_attempt_is_held_back_like_the_first() -> None:
    from shadowstream.judge.step import JudgeStep
    from tests.judge.stats_records import REVISION

    settings = sliced().model_copy(update={"release": "r"})
    first, tenth = (JudgeStep(settings, REVISION, ["scores/0"], attempt)._guard_alpha for attempt in (1, 10))
    assert first == tenth == 0.05
