"""Banned words leave the identifiers of shipped code, and none comes back."""

import ast

import pytest

from tests.tidy import banned_names
from tests.tidy.house import Source


def test_banned_words_in_identifiers_only_shrink() -> None:
    found = banned_names.counts(banned_names.shipped_sources())
    offences = banned_names.differences(found, banned_names.recorded_counts())
    assert not offences, "\n".join(offences)


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
    assert banned_names.counts([Source("shadowstream/a.py", text)])["said"] == 1


@pytest.mark.parametrize("text", ["# said", '"""what was said"""', "x = 'said'", "saidler = 1", "unsaid = 1"])
def test_prose_and_parts_of_words_are_no_identifiers(text: str) -> None:
    assert banned_names.counts([Source("shadowstream/a.py", text)])["said"] == 0


def test_two_words_count_only_together() -> None:
    assert banned_names.counts([Source("shadowstream/a.py", "put_off_s = put = off = PutOff")])["put_off"] == 2


def test_lag_may_be_behind_and_tests_are_not_counted() -> None:
    behind = Source("shadowstream/kafka/client/lag.py", "behind = 1"), Source("tests/a.py", "behind = 1")
    assert banned_names.counts(behind)["behind"] == 0


def test_each_banned_word_is_counted_and_recorded() -> None:
    assert set(banned_names.recorded_counts()) == set(banned_names.BANNED)
    assert ast.parse("".join(f"{word} = 1\n" for word in banned_names.BANNED))


def test_counts_that_grew_or_are_recorded_too_high_are_offences() -> None:
    assert banned_names.differences({"said": 2}, {"said": 2}) == []
    (grown,) = banned_names.differences({"said": 3}, {"said": 2})
    assert "at most 2" in grown
    (stale,) = banned_names.differences({"said": 1}, {"said": 2})
    assert "make banned-names" in stale


def test_the_record_refuses_to_grow() -> None:
    assert banned_names.shrunk({"said": 1}, {"said": 2}) == {"said": 1}
    with pytest.raises(ValueError, match="said: 3 identifiers, at most 2"):
        banned_names.shrunk({"said": 3}, {"said": 2})
