"""The sentences of an identity that does not fit: its share, and what to change."""

import random
from typing import Any

import pytest

from shadowstream.config import Config
from tests.judge.stats_records import Trial, config
from tests.judge.test_step import judged

Hours = list[dict[str, int]]


def verdict_of(hours: Hours, **identity: Any) -> dict[str, Any]:
    settings = Config.model_validate(
        config().model_dump(mode="json", exclude_unset=True) | {"identity": identity or {"kind": "key"}}
    )
    return judged(Trial(hours).task_logs(random.Random(1))[0], settings=settings).evaluate(force=True)


def repeats(production: int, shadow: int = 0) -> Hours:
    return [{"match": 1_000, "repeated_production": production, "repeated_shadow": shadow, "input": 1_000}] * 24


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [
        ({"kind": "key"}, "repeat a key; use identity: occurrence or coordinate"),
        ({"kind": "id", "header": "order"},
         "repeat an id in header 'order'; use one that is unique, or identity: coordinate"),
        ({"kind": "id", "path": "o.id"}, "repeat an id at 'o.id'; use one that is unique, or identity: coordinate"),
        ({"kind": "coordinate"}, "name an input and output that another of them names; write identity.header as "
         "topic/partition/offset/k, or use identity.outputs: many"),
    ],
)  # fmt: skip
def test_a_repeating_key_is_not_yet_with_share_and_advice(identity: dict[str, str], sentence: str) -> None:
    record = verdict_of(repeats(3_000, 3_000), **identity)
    assert record["decision"] == "not_yet"
    assert record["reasons"][0] == f"75 % of production's records (72,000 of 96,000) {sentence}"


def test_a_candidate_that_repeats_keys_by_itself_is_rejected() -> None:
    record = verdict_of(repeats(0, 1_000))
    assert record["decision"] == "reject"
    assert record["reasons"][0].startswith("duplicate: ")


def test_a_few_repeats_are_a_caveat() -> None:
    record = verdict_of(repeats(5))
    assert not any("repeat a key" in reason for reason in record["reasons"])
    assert (
        "0.4975 % of production's records (120 of 24,120) repeat a key; use identity: occurrence or coordinate"
        in (record["caveats"])
    )


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [
        ({"kind": "key"}, "null key; use identity: id or coordinate"),
        ({"kind": "occurrence"}, "null key; use identity: id or coordinate"),
        ({"kind": "coordinate"}, "no usable header 's'; set identity.header to the one by which production names its "
         "input, or use identity: key or occurrence"),
        ({"kind": "coordinate", "header": "x-in"}, "no usable header 'x-in'; set identity.header to one that every "
         "output has, or use identity: key or occurrence"),
        ({"kind": "id", "path": "order.id"}, "no field 'order.id'; set identity.path to a field that every output has, "
         "or use identity: key or occurrence"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("extra", [0, 1_000])
def test_an_identity_that_finds_nothing_is_not_yet_and_never_a_reject(
    identity: dict[str, str], sentence: str, extra: int
) -> None:
    record = verdict_of([{"unpairable_production": 1_000, "extra": extra, "input": 1_000}] * 24, **identity)
    assert record["decision"] == "not_yet"
    assert record["reasons"][0] == f"100 % of production's records (24,000 of 24,000) have {sentence}"


def test_missing_and_extra_that_rise_together_are_hinted_at() -> None:
    together = verdict_of([{"match": 520, "missing": 480, "extra": 480, "input": 1_000}] * 24)
    hints = [caveat for caveat in together["caveats"] if caveat.startswith("missing and extra rise together")]
    assert len(hints) == 1
    assert hints[0].startswith(
        "missing and extra rise together: 48 % and 48 %; keys may differ in bytes and mean the same"
    )


@pytest.mark.parametrize(
    "outcomes", [{"missing": 480}, {"extra": 480}, {"missing": 480, "extra": 100}, {"missing": 1, "extra": 1}]
)
def test_only_one_of_them_or_a_few_are_not(outcomes: dict[str, int]) -> None:
    record = verdict_of([{"match": 520, "input": 1_000} | outcomes] * 15)
    assert not any("rise together" in caveat for caveat in record["caveats"])
