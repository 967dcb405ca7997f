"""A state record that somebody else wrote is told from one that can be taken up."""

from typing import Any

import pytest

from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.recovery.task_commit import is_usable
from shadowstream.protocol.metadata_codec import pack
from shadowstream.protocol.varints import varints_of

GOOD: dict[str, Any] = {
    "counts": {"passed:in/0": 7, "input_floor:in/0": 1, "input_read:in/0": 7, "input_ended:in/0": 7, "read:shadow": 3},
    "inputs_counted": {"in/0": 7},
    "overflow": {"shadow": checkpoint.pending_text([1, 2, 9])},
    "marks": MarksLog("ab").snapshot(),
}


def test_what_a_joiner_writes_can_be_taken_up() -> None:
    assert is_usable(GOOD)
    assert is_usable({**GOOD, "marks": b"", "overflow": {}, "counts": {}})


@pytest.mark.parametrize(
    "odd",
    [
        {"marks": b"garbage"},
        {"marks": MarksLog("ab").snapshot()[:-3]},
        {"overflow": {"shadow": "no base85 \x00"}},
        {"overflow": {"shadow": pack(varints_of([0, 2**62]))}},
        {"counts": {"passed:nowhere": 1}},
        {"counts": {"input_read:in/0": 1}},
        {"inputs_counted": {"in/zero": 1}},
    ],
)
def test_unusable_state_is_refused_in_bounded_time(odd: dict[str, Any]) -> None:
    assert not is_usable({**GOOD, **odd})
