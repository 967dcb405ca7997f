"""Signatures of verdicts: what was changed, moved or copied is not proven, whichever of two keys signed."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.protocol.verdict_signatures import (
    FORGED,
    REPEATED,
    UNSIGNED,
    SignedVerdicts,
    key_id,
    problem_of,
    signature_of,
)
from tests.cli.verdict_topic import REVISION, verdict

KEY, OTHER = "a key of 16 chars", "another of 16 chars"


@settings(max_examples=40)
@given(st.binary(), st.text(max_size=9), st.text(max_size=9), st.sampled_from(["value", "trial", "revision"]))
def test_each_part_is_covered(value: bytes, trial: str, revision: str, changed: str) -> None:
    signature = signature_of(value, trial, revision, KEY)
    assert problem_of(value, trial, revision, signature, [OTHER, KEY]) is None
    other = {"value": value + b"x" if changed == "value" else value}
    names = {"trial": trial + "x" * (changed == "trial"), "revision": revision + "x" * (changed == "revision")}
    assert problem_of(other["value"], names["trial"], names["revision"], signature, [KEY]) == FORGED


def test_no_part_can_be_moved_into_another() -> None:
    made = {
        signature_of(value, trial, revision, KEY) for value, trial, revision in [(b"c", "a", "b"), (b"bc", "a", "")]
    }
    assert len(made | {signature_of(b"c", "ab", "", KEY)}) == 3


@pytest.mark.parametrize("signature", ["", None])
def test_none_is_no_signature(signature: str | None) -> None:
    assert problem_of(b"", "t", "r", signature, [KEY]) == UNSIGNED


@pytest.mark.parametrize("signature", ["v1", "v1,,", ",,,", "ü", "v1," + key_id(KEY) + ",00", "0" * 5_000])
def test_no_text_that_is_no_signature_passes(signature: str) -> None:
    assert problem_of(b"", "t", "r", signature, [KEY]) is not None


def test_a_signature_by_a_key_that_is_not_known_is_named_so() -> None:
    problem = problem_of(b"", "t", "r", signature_of(b"", "t", "r", OTHER), [KEY])
    assert "another key" in str(problem)
    assert OTHER not in signature_of(b"", "t", "r", OTHER)


def test_an_older_verdict_that_comes_again_is_refused() -> None:
    found = SignedVerdicts("fraud", [KEY])

    def take(evaluated_at_ms: int) -> str | None:
        value = own.encode("verdict", verdict("promote", evaluated_at_ms=evaluated_at_ms))
        found.take(REVISION.encode(), value, signature_of(value, "fraud", REVISION, KEY).encode())
        return found.problems.get(REVISION)

    assert [take(at_ms) for at_ms in (5, 7, 7, 5, 8)] == [None, None, None, REPEATED, None]


def test_a_forged_late_one_does_not_make_genuine_ones_old() -> None:
    found = SignedVerdicts("fraud", [KEY])
    late, genuine = (own.encode("verdict", verdict("promote", evaluated_at_ms=at_ms)) for at_ms in (9, 5))
    found.take(REVISION.encode(), late, signature_of(late, "fraud", REVISION, OTHER).encode())
    found.take(REVISION.encode(), genuine, signature_of(genuine, "fraud", REVISION, KEY).encode())
    assert found.problems == {}


def test_without_a_key_nothing_is_checked_and_a_tombstone_removes() -> None:
    found = SignedVerdicts("fraud", [])
    found.take(b"r", base64.b64decode("AAAA"), None)
    assert (list(found.last), found.problems) == (["r"], {})
    found.take(b"r", None, None)
    assert found.last == {}
