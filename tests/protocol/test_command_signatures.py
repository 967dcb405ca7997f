"""Signatures of commands: unsigned, changed, foreign and repeated commands are refused."""

from typing import Any

import pytest

from shadowstream.protocol.command_signatures import (
    FIELDS,
    FORGED,
    REPEATED,
    UNKNOWN_KEY,
    UNSIGNED,
    CommandCheck,
    signature_of,
)

KEY = "a key of sixteen characters"
COMMAND: dict[str, Any] = {"command": "override", "subject": "ab" * 32, "by": "ana", "reason": "known", "at_ms": 5}
COMMAND |= {"decision": "promote", "until_ms": None}


def signed(trial: str = "t", key: str = KEY, **changes: Any) -> dict[str, Any]:
    """A command with its signature."""
    record = COMMAND | changes
    return record | {"signature": signature_of(record, trial, key)}


def test_a_command_without_a_share_is_signed_as_by_earlier_releases() -> None:
    assert signature_of(COMMAND, "t", KEY) == signature_of(COMMAND | {"share": None}, "t", KEY)


def test_without_a_key_every_command_counts() -> None:
    assert CommandCheck("t", None).refusal(COMMAND) is None


def test_a_signed_command_counts_once() -> None:
    check = CommandCheck("t", KEY)
    assert check.refusal(signed()) is None
    assert check.refusal(signed()) == REPEATED
    assert check.refusal(signed(at_ms=4)) == REPEATED
    assert check.refusal(signed(at_ms=4, subject="other")) is None
    assert check.refusal(signed(at_ms=6, decision="")) is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (COMMAND, UNSIGNED),
        (COMMAND | {"signature": ""}, UNSIGNED),
        (signed(key="another key of 16 characters"), FORGED),
        (signed(trial="u"), FORGED),
        (signed() | {"signature": "ü"}, FORGED),
        (signed(share=0.1) | {"share": 0.2}, FORGED),
        (signed(share=0.1) | {"share": None}, FORGED),
        (signed() | {"share": 0.1}, FORGED),
        *((signed() | {name: 7 if name.endswith("_ms") else "x"}, FORGED) for name in FIELDS),
    ],
)
def test_any_other_command_is_refused(record: dict[str, Any], reason: str) -> None:
    assert CommandCheck("t", KEY).refusal(record) == reason


def test_without_the_key_of_the_trial_no_command_counts() -> None:
    for record in (COMMAND, signed(key="")):
        assert CommandCheck("t", "").refusal(record) == UNKNOWN_KEY


def test_the_signature_of_a_handover_covers_its_group_and_offsets() -> None:
    taken = {"group": "g", "offsets": [{"topic": "in", "partition": 0, "offset": 7}]}
    record = signed(command="handover", **taken)
    assert CommandCheck("t", KEY).refusal(record) is None
    moved = {"offsets": [{"topic": "in", "partition": 0, "offset": 8}]}
    for changed in ({"group": "h"}, {"group": ""}, moved, {"offsets": []}):
        assert CommandCheck("t", KEY).refusal(record | changed) == FORGED
