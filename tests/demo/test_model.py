"""The model: learnt the same everywhere, frozen without loss, good enough to be worth replacing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shadowstream.demo import flights
from shadowstream.demo.model import PRODUCTION, Frozen, Scaled, features
from shadowstream.errors import ConfigError

if TYPE_CHECKING:
    from river.compose import Pipeline

PLAIN = Frozen(-1.0, {"dep_delay": Scaled(10.0, 30.0, 4.0)}, {"UA": 0.5})


def printed(program: str, **more: str) -> str:
    """What another process prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_the_closed_form_equals_rivers_own_probability(
    learnt: "Pipeline", frozen: Frozen, first_flights: list[dict[str, Any]]
) -> None:
    late_in_the_year = [flight for flight, _ in flights.labelled(month=12)][:2_000]
    for flight in first_flights + late_in_the_year:
        assert abs(frozen.score(flight) - learnt.predict_proba_one(features(flight))[True]) <= 1e-12, flight


def test_a_cancelled_flight_scores_like_a_missing_feature_in_river(
    learnt: "Pipeline", frozen: Frozen, first_flights: list[dict[str, Any]]
) -> None:
    cancelled = [flight for flight in first_flights if flight["dep_delay"] is None]
    assert cancelled
    for flight in cancelled:
        assert abs(frozen.score(flight) - learnt.predict_proba_one(features(flight))[True]) <= 1e-12
        assert 0.0 < frozen.score(flight) < 1.0


def test_extreme_delays_neither_overflow_nor_leave_the_unit_interval() -> None:
    assert PLAIN.score({"carrier": "UA", "dep_delay": 10**9}) == 1.0
    assert PLAIN.score({"carrier": "UA", "dep_delay": -(10**9)}) == 0.0


def test_a_carrier_unseen_in_training_adds_nothing() -> None:
    known = Frozen(PLAIN.bias, PLAIN.numbers, {"UA": 0.0})
    assert PLAIN.score({"carrier": "??", "dep_delay": 20}) == known.score({"carrier": "UA", "dep_delay": 20})


def test_a_flight_is_late_from_the_threshold_on() -> None:
    even = Frozen(0.0, {}, {})
    flight = {"id": "x", "carrier": "UA"}
    assert even.judge(flight, PRODUCTION) == flight | {"score": 0.5, "late": True, "model": PRODUCTION}
    assert even.judge(flight, PRODUCTION, late_from=0.5000001)["late"] is False


def test_training_gives_the_same_bits_whatever_the_hash_seed(frozen: Frozen) -> None:
    program = "from shadowstream.demo.model import train; print(train().to_json())"
    assert printed(program, PYTHONHASHSEED="4242") == frozen.to_json()


def test_json_keeps_every_bit(frozen: Frozen) -> None:
    assert Frozen.from_json(frozen.to_json()) == frozen


def test_a_file_that_is_no_model_is_reported_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for content in ("", "[]", '{"bias": 1}', '{"bias": 1, "numbers": {"hour": [1]}, "carriers": {}}'):
        path.write_text(content, "utf-8")
        with pytest.raises(ConfigError, match=r"model\.json"):
            Frozen.from_file(path)
    with pytest.raises(ConfigError, match=r"absent\.json"):
        Frozen.from_file(tmp_path / "absent.json")


def test_on_an_unseen_month_the_model_beats_always_answering_no(frozen: Frozen) -> None:
    judged = [(frozen.judge(flight, PRODUCTION)["late"], late) for flight, late in flights.labelled(month=2)]
    right = sum(prediction == late for prediction, late in judged)
    never_late = sum(not late for _, late in judged)
    assert right - never_late > 0.05 * len(judged)


def test_scoring_does_not_import_river() -> None:
    look = "print(any(name.split('.')[0] == 'river' for name in sys.modules))"
    assert printed(f"import sys, shadowstream.demo.production; {look}") == "False"
