"""The comparison against its oracle on generated cases, and planted faults that this must catch."""

from typing import Any

import pyarrow as pa
import pytest

from shadowstream.compare import pairs
from shadowstream.native.library import SWITCH
from tests.compare.proof.executions import Report, run
from tests.compare.proof.planted import CASES, PLANTED, Planted, caught

SEED = 1


def report_text(report: Report) -> str:
    return "\n".join(map(str, report.faults[:5]))


@pytest.mark.parametrize("switch", ["1", "0"], ids=["native", "python"])
def test_generated_cases_agree_with_the_oracle(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, switch)
    in_columns: list[int] = []
    real = pairs.arrow_levels

    def counted(production: pa.RecordBatch, *given: Any) -> Any:
        in_columns.append(production.num_rows)
        return real(production, *given)

    monkeypatch.setattr(pairs, "arrow_levels", counted)
    report = run(SEED, 500 if switch == "1" else 200)  # a planted fault shows within 200
    assert not report.faults, report_text(report)
    # The proof says something of columns only if they are made.
    assert len(in_columns) > report.cases / 100
    assert len(report.kinds) > (80 if switch == "1" else 40)


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught_within_two_hundred_cases(fault: Planted) -> None:
    assert caught(fault, SEED).first is not None, f"{fault.name}: not within {CASES} cases"


def test_nothing_is_caught_where_nothing_is_planted() -> None:
    assert caught(Planted("nothing", lambda patch: None), SEED).first is None


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 7))
def test_twenty_thousand_generated_cases_agree_with_the_oracle(seed: int) -> None:
    report = run(seed, 4000)
    assert not report.faults, report_text(report)


@pytest.mark.long
@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught_from_any_seed(fault: Planted) -> None:
    missed = [seed for seed in range(2, 6) if caught(fault, seed, 4 * CASES).first is None]
    assert not missed
