"""`judged: production`: of pairs on which one side is right, the bad ones are those on which production is wrong."""

import pytest

from shadowstream.config import Criterion
from shadowstream.judge.criteria import rate_of
from tests.least_config import least_config

ONE_RIGHT = {"label_production_only": 30, "label_candidate_only": 70}


@pytest.mark.parametrize("unit", ["record", "key", "block"])
def test_labels_count_the_wrong_answers_of_the_judged_side(unit: str) -> None:
    labels = {"topic": "truth", "path": "p"}
    counts = []
    for judged in (None, "production"):
        criterion = Criterion.model_validate({"rate": "labels", "limit": 0.5, "unit": unit, "judged": judged})
        config = least_config(labels=labels, judge={"criteria": [criterion.model_dump()]})
        counts.append(tuple(rate_of(criterion, config).counts(ONE_RIGHT)))
    assert counts == [(100, 30), (100, 70)]


@pytest.mark.parametrize("rate", ["mismatch", "missing", "error", "duplicate"])
def test_it_goes_with_rates_that_have_a_side_only(rate: str) -> None:
    with pytest.raises(ValueError, match="judged does not go with rate"):
        Criterion.model_validate({"rate": rate, "limit": 0.01, "judged": "production"})


def test_a_criterion_without_it_keeps_its_digest() -> None:
    dumped = Criterion.model_validate({"rate": "labels", "limit": 0.5}).model_dump()
    assert "judged" not in dumped
