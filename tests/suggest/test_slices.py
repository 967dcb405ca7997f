"""A field is proposed as a dimension only if its values tell which pairs differ, whatever chance brings."""

from random import Random
from typing import Any

from shadowstream.suggest.slices import separating


def values(dice: Random, n: int, **more: Any) -> list[dict[str, Any]]:
    return [{"country": dice.choice("abc"), "user": {"vip": dice.random() < 0.5}, "n": i, **more} for i in range(n)]


def test_only_the_field_that_separates_is_found() -> None:
    dice = Random(1)
    bad = [one | {"country": "a"} for one in values(dice, 200)]
    found = separating(bad, values(dice, 400), [])
    assert [(one.path, one.value) for one in found] == [("country", "a")]
    assert found[0].differ == 200
    assert separating(bad, values(dice, 400), ["country"]) == []


def test_a_nested_field_and_an_absent_one_separate_too() -> None:
    dice = Random(2)
    vip, other = ([one | {"user": {"vip": vip}} for one in values(dice, 200)] for vip in (True, False))
    assert [one.path for one in separating(vip, other, [])] == ["user.vip"]
    lacking = separating(values(dice, 200, channel="web"), values(dice, 200), [])
    assert [(one.path, one.value) for one in lacking] == [("channel", "web")]


def test_chance_proposes_nothing() -> None:
    for seed in range(40):
        dice = Random(seed)
        assert separating(values(dice, 60), values(dice, 60), []) == []
