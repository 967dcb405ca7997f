"""Why inputs have no output, as a mark holds it: type and text, bounded, redacted as the config says."""

import re
from typing import Any

import pytest

from shadowstream.config import Candidate
from shadowstream.errors import CandidateError, RecordError
from shadowstream.runner.absences import (
    KINDS_MAX,
    TEXT_CHARS_MAX,
    TEXTS_MAX,
    Reason,
    ReasonTexts,
    add_absence,
    reason_of,
)
from shadowstream.runner.candidate import load
from tests.least_config import redactor

CLEAR = redactor()
REDACTED = redactor(redact={"paths": ["card"], "secret": "s" * 32})


def two_arguments(value: Any) -> Any:
    def score(p: Any, q: Any) -> Any:
        return p

    return score(value)  # type: ignore[call-arg]  # which is what it raises on


def ends(value: Any) -> Any:
    raise SystemExit(value)


class _Odd(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def odd(value: Any) -> Any:
    raise _Odd


def quotes(value: Any) -> Any:
    raise KeyError(value)


def empty(value: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    ("name", "value", "text", "redacted"),
    [
        (
            "two_arguments",
            1,
            "TypeError: two_arguments.<locals>.score() missing 1 required positional argument: 'q'",
            "TypeError",
        ),
        ("ends", 0, "SystemExit: 0", "SystemExit"),
        ("odd", 0, "_Odd", "_Odd"),
        ("quotes", "4242 4242", "KeyError: '4242 4242'", "KeyError"),
        ("empty", 0, "AssertionError", "AssertionError"),
        ("quotes", "a\nb " * 500, None, "KeyError"),
    ],
)
@pytest.mark.parametrize("takes", ["value", "batch"])
def test_the_reason_is_the_type_and_the_text_of_what_was_raised(
    name: str, value: Any, text: str | None, redacted: str, takes: Any
) -> None:
    call = load(Candidate(call=f"tests.runner.test_absences:{name}", trusted=True, takes=takes))
    (error,) = call([value])
    assert isinstance(error, CandidateError)
    if takes == "value" and text is not None:
        assert reason_of("error", error, CLEAR) == Reason("error", text)
    found = reason_of("error", error, CLEAR).text
    assert found.startswith(redacted)
    assert "\n" not in found
    assert len(found) <= TEXT_CHARS_MAX
    hidden = reason_of("error", error, REDACTED).text
    assert hidden == redacted or re.fullmatch(rf"{redacted}: redacted:[0-9a-f]{{16}}", hidden)


def test_an_undecodable_inputs_reason_begins_with_the_decoders_word() -> None:
    error = RecordError("ends before its schema id", reason="framing")
    assert reason_of("undecodable", error, CLEAR) == Reason("undecodable", "framing: ends before its schema id")
    assert re.fullmatch("framing: redacted:[0-9a-f]{16}", reason_of("undecodable", error, REDACTED).text)


def test_texts_of_shadowstream_itself_are_shown() -> None:
    ended = CandidateError("its process ended by SIGKILL", absence="crashed")
    assert reason_of("crashed", ended, REDACTED).text == "its process ended by SIGKILL"


def test_texts_that_differ_in_every_input_are_held_by_their_kinds() -> None:
    texts = ReasonTexts()
    found = [texts.index(f"KeyError: {n}") for n in range(1_000)]
    assert len(texts.known) == TEXTS_MAX + 1
    assert set(found[TEXTS_MAX:]) == {list(texts.known).index("KeyError")}
    assert texts.index("ValueError: 7") == TEXTS_MAX + 1
    kinds = [texts.index(f"Kind{n}: 7") for n in range(1_000)]
    assert len(texts.known) == KINDS_MAX
    assert kinds[-1] == -1


def test_a_run_ends_where_the_reason_is_another() -> None:
    runs: list[dict[str, Any]] = []
    for offset, why in ((3, 0), (4, 0), (5, 1), (6, 1), (8, 1)):
        add_absence(runs, offset, None, "error", why)
    assert [(run["offset"], run["count"], run["why"]) for run in runs] == [(3, 2, 0), (5, 2, 1), (8, 1, 1)]
