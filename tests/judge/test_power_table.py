"""The table of docs/judging.md about how soon the judge decides is that of the code, and holds its limits."""

import pytest

from tests.judge.power import DETECTIONS, QUIET, Detection
from tests.judge.power_table import PAGE, SEED, SETTINGS, measured, table, table_of

TABLE = table_of(PAGE.read_text("utf-8"))
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines() if line.startswith("|")][2:]


def _number(text: str) -> float:
    return float(text.split()[-1].replace(",", ""))


def test_each_row_is_a_setting_of_the_code_within_its_limit() -> None:
    assert [(row[0], row[2], row[6]) for row in ROWS] == [
        (setting.words, f"{setting.runs}", f"{setting.ratio_max:g}") for setting in SETTINGS
    ]
    for row in ROWS:
        assert _number(row[4]) == pytest.approx(_number(row[1]) / _number(row[3]), abs=0.011), row
        assert _number(row[4]) <= _number(row[6]), row


def test_no_window_without_a_change_has_an_incident() -> None:
    quiet, before = sum(setting.windows for setting in QUIET), sum(200 * setting.runs for setting in DETECTIONS)
    assert quiet == 100_000
    assert f"Incidents without a change: 0 in {quiet:,} windows" in TABLE
    assert f"Incidents before the changes of the table: 0 in {before:,} windows" in TABLE


def test_the_cusum_of_a_row_is_that_of_the_code() -> None:
    place = SETTINGS.index(DETECTIONS[2])
    assert isinstance(SETTINGS[place], Detection)
    assert ROWS[place][3] == f"CUSUM {DETECTIONS[2].cusum(SEED):,.0f}"


@pytest.mark.long
def test_the_whole_table_comes_again() -> None:
    assert table(*measured()) == TABLE
