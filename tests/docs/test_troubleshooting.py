"""docs/troubleshooting.md has a row for each kind of reason that the judge and the gate give."""

import re

from tests.docs.reasons import GAP, ROOT, templates

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROW = re.compile(r"^\| (`.+`) \| (.+) \|$", re.MULTILINE)


def patterns() -> list[str]:
    """The quoted reasons of the tables of reasons."""
    tables = PAGE.partition("## Nothing has been judged")[2]
    return [
        part.removeprefix("`").removesuffix("`") for cells in ROW.findall(tables) for part in cells[0].split("<br>")
    ]


def quotes(pattern: str, text: str) -> bool:
    """Whether the pieces of a pattern are in a text in that order.

    >>> quotes("a … c", "a … b … c"), quotes("c … a", "a … c")
    (True, False)
    """
    return re.search(".*".join(re.escape(piece.strip()) for piece in pattern.split(GAP)), text, re.DOTALL) is not None


def test_every_kind_of_reason_has_a_row_with_its_next_step() -> None:
    found, known = templates(), patterns()
    assert len(found) > 80
    lacking = [f"{function}: {text}" for text, function in found.items() if not any(quotes(one, text) for one in known)]
    assert not lacking, "write rows into docs/troubleshooting.md:\n" + "\n".join(sorted(lacking))


def test_no_row_quotes_a_reason_that_no_longer_exists() -> None:
    found = templates(3)
    assert [one for one in patterns() if not any(quotes(one, text) for text in found)] == []


def test_a_reason_without_a_row_would_be_seen() -> None:
    assert not any(quotes(one, "the moon is full, so nothing can be judged") for one in patterns())
