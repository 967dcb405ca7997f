"""Steering by people's commands: the last one counts, for this trial only; a share that is not safe is refused."""

from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.judge.steering import Steering, pause_refusal, share_refusal
from shadowstream.judge.verdict.operator_commands import OperatorCommands


def config(**changes: Any) -> Config:
    """A trial that calls its candidate on half of the keys."""
    document: dict[str, Any] = {
        "name": "fraud",
        "inputs": ["in"],
        "production": {"outputs": ["scores"]},
        "candidate": {"call": "a:b", "sample": 0.5},
        "identity": {"kind": "key"},
    }
    return Config.model_validate({**document, **changes})


def command(name: str, at_ms: int = 0, **fields: Any) -> dict[str, Any]:
    """A command as readers get it from the topic."""
    record = {"command": name, "subject": "fraud", "by": "ana", "reason": "load", "at_ms": at_ms, **fields}
    return own.read("command", own.encode("command", record))


def after(*records: dict[str, Any]) -> Steering:
    steering = Steering(config())
    for record in records:
        steering.obey(record)
    return steering


def test_the_last_of_pause_and_resume_counts() -> None:
    assert after().paused is None
    assert after(command("pause"), command("pause", 60_000)).notes() == [
        "the runner is paused since 1970-01-01 00:01 UTC by ana: load; inputs wait, and `shadowstream resume` ends it"
    ]
    assert after(command("pause"), command("resume")).paused is None
    assert after(command("resume"), command("pause")).paused is not None


@pytest.mark.parametrize("other", [{"subject": "another"}, {"command": "restart"}, {"command": "override"}])
def test_other_trials_and_other_commands_are_passed_over(other: dict[str, Any]) -> None:
    assert after(command("pause"), command("resume") | other).paused is not None
    assert after(command("sample", share=0.1) | other).share == 0.5


def test_the_share_is_the_last_one_that_is_safe() -> None:
    assert (after().share, after().notes()) == (0.5, [])
    steering = after(command("sample", share=0.1), command("sample", share=0.2))
    assert steering.share == 0.2
    (note,) = steering.notes()
    assert note.startswith("the candidate is called on 0.2 of the keys (candidate.sample: 0.5) since 1970-01-01 00:00 ")
    assert steering.obey(command("sample", share=0.6)) is not None
    assert steering.share == 0.2


@pytest.mark.parametrize(
    ("changes", "share", "why"),
    [
        ({}, 0.5, None),
        ({}, 0.51, "raise it in the config"),
        ({}, 0.0, "above 0"),
        ({}, -0.1, "above 0"),
        ({}, float("nan"), "above 0"),
        ({}, None, "above 0"),
        ({"delivery": "at_least_once"}, 0.1, "may be another then"),
        ({"candidate": {"call": "a:b"}, "identity": {"kind": "coordinate"}}, 0.1, None),
        ({"candidate": {"call": "a:b"}}, 0.1, "identity.kind key in a config with candidate.sample below 1"),
        ({"identity": {"kind": "occurrence"}}, 0.1, "use identity.kind coordinate"),
    ],
)
def test_a_share_is_refused_where_left_out_records_are_unknown(
    changes: dict[str, Any], share: float | None, why: str | None
) -> None:
    refusal = share_refusal(config(**changes), share)
    assert (refusal is None) == (why is None)
    assert why is None or why in str(refusal)


def test_a_candidate_that_is_a_job_of_its_own_is_not_steered() -> None:
    assert pause_refusal(config()) is None
    external = config(candidate={"topic": "scores-new", "group": "job", "version": "2"})
    assert "pause or sample it there" in str(pause_refusal(external))


def test_a_record_with_an_impossible_share_is_refused_by_readers() -> None:
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(RecordError, match="share"):
            command("sample", share=share)


def test_the_judges_state_keeps_the_steering_and_reads_that_of_earlier_releases() -> None:
    before, later = OperatorCommands(config(), "ab"), OperatorCommands(config(), "ab")
    before.take(command("pause"))
    before.take(command("sample", share=0.25))
    later.restore(before.snapshot())
    assert later.steering.notes() == before.steering.notes()
    assert len(later.steering.notes()) == 2
    later.restore([{}, {}, None])
