"""The overrides that the live page obeys: those that the gate obeys."""

from typing import Any

import pytest

from shadowstream.kafka.operator_commands import Commands
from shadowstream.kafka.reading.topic_tails import TailRecord
from shadowstream.protocol.command_signatures import signature_of
from shadowstream.web.trial_watch import TrialWatch
from tests.least_config import least_config

KEY = "k" * 32
OVERRIDE = {"command": "override", "subject": "ab", "by": "ana", "reason": "known", "at_ms": 1, "decision": "promote"}


class StopAsking(Exception):
    """Raised by the gate of these tests once it was asked."""


@pytest.mark.parametrize(
    ("key", "signed_with", "counts"),
    [
        (None, "", True),
        (KEY, KEY, True),
        (KEY, "", False),
        (KEY, "another key of many characters", False),
    ],
)
def test_the_page_obeys_no_override_that_the_gate_refuses(key: str | None, signed_with: str, counts: bool) -> None:
    config = least_config(judge={"commands_key": key})
    seen = []

    def ask(_: object, commands: Commands, *__: object) -> Any:
        seen.append(commands.overrides())
        raise StopAsking

    watch = TrialWatch(config, "trial.yaml", "ab", ask)
    record = {**OVERRIDE, "until_ms": None, "share": None}
    record["signature"] = signature_of(record, config.name, signed_with) if signed_with else ""
    watch._take([TailRecord(config.plan.of("commands"), record, b"")])
    with pytest.raises(StopAsking):
        watch._publish(is_read=True)
    assert ("ab" in seen[0]) == counts
