"""The candidates, one flight at a time and over the year, against counts taken from the file in another way."""

import importlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shadowstream import configfile
from shadowstream.demo import candidates, flights, offline
from shadowstream.demo.model import LATE_FROM, PRODUCTION, Frozen
from shadowstream.demo.wire import SCHEMAS
from shadowstream.errors import ConfigError


@pytest.fixture
def model_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, frozen: Frozen) -> Iterator[Path]:
    path = tmp_path / "model.json"
    path.write_text(frozen.to_json(), "utf-8")
    monkeypatch.setenv(candidates.MODEL_VARIABLE, str(path))
    candidates.model.cache_clear()
    yield path
    candidates.model.cache_clear()


def affected(year: pa.Table) -> pa.Table:
    """The flights that the unit error can change: of the carrier, from the switch on, with a delay other than 0."""
    carrier = pc.equal(year["carrier"], candidates.BUG_CARRIER)
    after = pc.greater_equal(year["scheduled_ms"], candidates.BUG_FROM_MS)
    return year.filter(pc.and_(pc.and_(carrier, after), pc.fill_null(pc.not_equal(year["dep_delay"], 0), False)))


def test_the_switch_is_midnight_of_the_first_of_july_in_new_york() -> None:
    assert datetime(2013, 7, 1, tzinfo=ZoneInfo("America/New_York")).timestamp() * 1000 == candidates.BUG_FROM_MS


def test_every_candidate_signs_with_a_name_that_is_not_productions(
    model_file: Path, frozen: Frozen, first_flights: list[dict[str, Any]]
) -> None:
    for flight in first_flights[:50]:
        production = frozen.judge(flight, PRODUCTION)
        for candidate in (candidates.same, candidates.worse, candidates.late_bug):
            assert candidate(dict(flight))["model"] != production["model"]


def test_same_says_what_production_says_to_the_last_bit(
    model_file: Path, frozen: Frozen, first_flights: list[dict[str, Any]]
) -> None:
    for flight in first_flights:
        assert candidates.same(flight) | {"model": PRODUCTION} == frozen.judge(flight, PRODUCTION)


def test_worse_keeps_the_score_and_moves_the_threshold(
    model_file: Path, frozen: Frozen, first_flights: list[dict[str, Any]]
) -> None:
    for flight in first_flights:
        output = candidates.worse(flight)
        assert output["score"] == frozen.score(flight)
        assert output["late"] is (output["score"] >= candidates.WORSE_LATE_FROM)


def test_late_bug_affects_only_its_carrier_after_its_date(model_file: Path) -> None:
    flight = {"id": "x", "carrier": "UA", "distance": 1400, "hour": 9, "dep_delay": 60}
    before, after = candidates.BUG_FROM_MS - 1, candidates.BUG_FROM_MS

    def wrong(**changed: Any) -> bool:
        given = {**flight, **changed}
        kept = dict(given)
        differs: bool = candidates.late_bug(given)["score"] != candidates.same(given)["score"]
        assert given == kept
        return differs

    assert wrong(scheduled_ms=after)
    assert not wrong(scheduled_ms=before)
    assert not wrong(scheduled_ms=after, carrier="DL")
    assert not wrong(scheduled_ms=after, dep_delay=None)


def test_the_candidates_are_entry_points_by_name(model_file: Path, first_flights: list[dict[str, Any]]) -> None:
    module = importlib.import_module("shadowstream.demo.candidates")
    model = candidates.model()
    for name, judge in candidates.JUDGES.items():
        assert getattr(module, name)(first_flights[0]) == judge(model, first_flights[0])


def test_without_a_model_a_candidate_says_which_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(candidates.MODEL_VARIABLE, raising=False)
    candidates.model.cache_clear()
    with pytest.raises(ConfigError, match=candidates.MODEL_VARIABLE):
        candidates.same({})


def test_over_the_year_the_mismatches_are_those_that_the_file_says(year: pa.Table, frozen: Frozen) -> None:
    """Counted twice: pair by pair, and from the columns, where each fault can be counted by what it is."""
    found = offline.run(model=frozen)
    scores = np.array([frozen.score(flight) for flight in flights.records()])
    assert found["pairs"] == year.num_rows == len(scores)
    moved = (scores >= candidates.WORSE_LATE_FROM) & (scores < LATE_FROM)
    wrong = affected(year)
    assert found["mismatches"] == {"same": 0, "worse": int(moved.sum()), "late_bug": wrong.num_rows}
    assert 0.03 < found["mismatches"]["worse"] / found["pairs"] < 0.08
    assert found["late_bug"]["first_ms"] == wrong["scheduled_ms"][0].as_py()
    assert found["late_bug"]["first_number"] <= 20
    assert wrong.num_rows > 0.9 * found["late_bug"]["carrier_flights"]


def test_worse_is_wrong_on_the_first_day_and_late_bug_is_not(year: pa.Table, frozen: Frozen) -> None:
    first_day = sum(identity.startswith("2013-01-01T") for identity in year["id"].slice(0, 2_000).to_pylist())
    found = offline.run(limit=first_day, model=frozen)
    assert found["pairs"] == first_day
    assert found["mismatches"]["worse"] > 0.01 * first_day
    assert found["mismatches"]["late_bug"] == 0
    assert found["late_bug"]["first_ms"] is None


def test_the_rules_written_out_offline_are_those_of_the_config(model_file: Path) -> None:
    path = Path(flights.__file__).with_name("flights.yaml")
    config = configfile.load(path, {"SHADOWSTREAM_BOOTSTRAP": "here:9092", candidates.MODEL_VARIABLE: str(model_file)})
    rules = {rule.path: rule for rule in config.compare.rules}
    assert {path: (*rule.doubles, rule.ignore) for path, rule in rules.items()} == {
        "score": (offline.SCORE_ATOL, 0.0, False),
        "model": (0.0, 0.0, True),
    }
    assert config.candidate.call == "shadowstream.demo.candidates:same"
    assert config.candidate.files == [str(model_file)], "the frozen model is part of the revision"
    assert config.schemas.dir == str(SCHEMAS)


def test_the_offline_comparison_sees_each_field_but_the_model(frozen: Frozen) -> None:
    output = json.loads('{"id": "x", "carrier": "UA", "score": 0.25, "late": false, "model": "m"}')
    assert not offline.differs(output, output | {"model": "n"})
    assert not offline.differs(output, output | {"score": 0.25 + 0.9e-6})
    for change in ({"score": 0.25 - 1.1e-6}, {"late": True}, {"id": "y"}, {"carrier": "DL"}):
        assert offline.differs(output, output | change), change
