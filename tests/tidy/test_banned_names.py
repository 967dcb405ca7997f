"""A banned word is found in each kind of identifier, and nowhere else."""

import pytest

from tests.tidy.banned_names import BANNED, banned_words
from tests.tidy.house import Source


def found(text: str, path: str = "shadowstream/a.py") -> list[str]:
    return list(banned_words(Source(path, text)))


@pytest.mark.parametrize(
    "text",
    [
        "said = 1",
        "x = row.said_from",
        "def restore_said(): ...",
        "async def _said_before(): ...",
        "class SaidRow: ...",
        "f(said=1)",
        "def f(*, said): ...",
        "lambda said: 1",
        "from shadowstream.joiner.said import x",
        "import a as said",
        "try: ...\nexcept E as said: ...",
        "match x:\n    case [1, *said]: ...",
        "match x:\n    case A(said=1): ...",
        "match x:\n    case {1: 2, **said}: ...",
        "def f():\n    global said",
    ],
)
def test_a_banned_word_is_found_in_each_kind_of_identifier(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize("text", ["# said", '"""what was said"""', "x = 'said'", "saidler = 1", "unsaid = 1"])
def test_prose_and_parts_of_words_are_no_identifiers(text: str) -> None:
    assert found(text) == []


def test_two_words_count_only_together() -> None:
    assert len(found("put_off_s = put = off = PutOff")) == 2


def test_lag_may_use_the_word() -> None:
    assert found("behind = 1", "shadowstream/kafka/client/lag.py") == []
    assert len(found("behind = 1", "tests/a.py")) == 1


def test_each_banned_word_is_found() -> None:
    assert all(len(found(f"{word} = 1")) == 1 for word in BANNED)
