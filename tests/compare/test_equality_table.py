"""The table of docs/comparison.md says what the comparison does."""

import pytest

from tests.compare.proof.table import PAGE, ROWS, Row, answer, page_with

EVERY = [pytest.param(row, id=f"{head} {n}") for head, rows in ROWS.items() for n, row in enumerate(rows, 1)]


@pytest.mark.parametrize("row", EVERY)
def test_a_row_of_the_table_is_what_the_comparison_says(row: Row) -> None:
    assert answer(row) == row.is_


def test_the_page_holds_the_table() -> None:
    text = PAGE.read_text("utf-8")
    assert page_with(text) == text, "make docs"
