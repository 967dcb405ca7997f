"""Production's answer in the input's own record: the real runner step and joiner step, with deaths in between."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.hooks import load
from shadowstream.records import Partition
from tests.joiner.joiner_world import Record, config
from tests.joiner.recovery.test_restarts import do, histories
from tests.joiner.whole_trial import Trial

SEEN: list[Any] = []
"""All that the candidate has been given."""


def candidate(value: Any) -> Any:
    """Answer as the field `as` of an input asks."""
    SEEN.append(value)
    if value is None or value["as"] == "lost":
        return None
    return {"score": 2.0 if value["as"] == "wrong" else 1.0}


# Records by kind, and the outcomes that they end in.
KINDS: dict[str, tuple[str | None, dict[str, int]]] = {
    "same": ('{"as": "same", "out": {"answer": {"score": 1.0}, "at": 7}}', {"match": 1}),
    "wrong": ('{"as": "wrong", "out": {"answer": {"score": 1.0}}}', {"mismatch": 1}),
    "lost": ('{"as": "lost", "out": {"answer": {"score": 1.0}}}', {"missing": 1}),
    "null": ('{"as": "same", "out": {"answer": null}}', {"mismatch": 1}),
    "no answer": ('{"as": "same", "out": {"other": 1}}', {"undecodable_production": 1}),
    "nothing there": ('{"as": "same"}', {"undecodable_production": 1}),
    "broken": ("{", {"undecodable_input": 1}),
    "deleted": (None, {"missing": 1}),
}


class AnswerTrial(Trial):
    """A trial whose inputs, of `KINDS`, hold production's answer at `out.answer`."""

    def __init__(self, kinds: list[str], **more: Any) -> None:
        own: dict[str, Any] = {
            "production": {"answer": "out.answer"},
            "candidate": {"call": "tests.joiner.test_answer_in_input:candidate", "trusted": True},
            "compare": {"match_sample": 1},
            **more,
        }
        super().__init__(config(**own), [kinds])
        self.compare = comparer_of(NoSchemas(), self.config, load)
        (place,) = self.inputs
        texts = [KINDS[kind][0] for kind in kinds]
        values = [None if text is None else text.encode() for text in texts]
        self.logs[place] = [Record(b"the same key", value, 300 * n) for n, value in enumerate(values)]
        self.marker(place)

    def produce(self, place: Partition, n: int) -> None:
        """Production has answered each input before it was written."""

    def commit_production(self) -> None:
        """It has no commits."""


def test_each_kind_of_record_ends_in_its_one_outcome() -> None:
    for kind, (_, expected) in KINDS.items():
        trial = AnswerTrial([kind], bounded=True).begin()
        trial.finish()
        assert trial.outcomes() == expected, kind
        assert trial.remainders() == []


def test_the_candidate_never_sees_the_answer() -> None:
    SEEN.clear()
    AnswerTrial(["same", "null", "nothing there", "deleted"], bounded=True).begin().finish()
    assert SEEN == [{"as": "same", "out": {"at": 7}}, {"as": "same", "out": {}}, {"as": "same"}, None]


def test_a_missing_answer_is_named_with_its_path() -> None:
    trial = AnswerTrial(["no answer"], bounded=True).begin()
    trial.finish()
    (row,) = trial.diff
    assert row["reason"] == "answer: the record has no field out.answer, which holds production's answer"


def test_pairs_resolve_at_once_in_a_trial_without_end() -> None:
    trial = AnswerTrial(["same", "wrong", "lost"]).begin()
    trial.run(trial.inputs[0], 2)
    trial.commit_runner()
    trial.turn()
    assert trial.outcomes() == {"match": 1, "mismatch": 1}
    trial.drain()
    assert trial.outcomes() == {"match": 1, "mismatch": 1, "missing": 1}


def test_inputs_before_the_start_are_warm_up_whatever_their_time() -> None:
    trial = AnswerTrial(["same", "wrong", "same", "wrong"]).begin(committed=2, warm_below=2, floor_ms=10**6)
    trial.drain()
    assert trial.outcomes() == {"match": 1, "mismatch": 1, "warm_up": 2}


@settings(max_examples=25)
@given(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=3, max_size=12), history=histories)
def test_deaths_at_any_point_change_no_count(kinds: list[str], history: list[tuple[str, int, int]]) -> None:
    trial = AnswerTrial(kinds, bounded=True).begin()
    for action in history:
        do(trial, action)
    trial.finish()
    expected: dict[str, int] = {}
    for kind in kinds:
        for outcome, n in KINDS[kind][1].items():
            expected[outcome] = expected.get(outcome, 0) + n
    assert trial.outcomes() == expected
    assert trial.remainders() == []


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"production": {"answer": "a", "outputs": ["out"]}}, "production.outputs: the inputs hold"),
        ({"production": {"answer": "a", "group": "g"}}, "remove group and commits"),
        ({"production": {"answer": "$"}}, "nothing would be left for the candidate"),
        ({"identity": {"kind": "key"}}, "pairs each answer with the input that holds it"),
        ({"candidate": {"topic": "next", "group": "g", "version": "1"}}, "would read production's answer"),
        ({"candidate": {"call": "a:b", "partitioner": "murmur2"}}, "go to their input's partition"),
        ({"twin": {"topic": "again"}}, "twin: its records could not be paired"),
        ({"compare": {"latency": {"over_ms": 5}}}, "needs production_header"),
        ({"inputs": ["in", "other"]}, "goes with one input topic"),
        ({"start": "production-group"}, "use latest or earliest"),
        ({"schemas": {"dir": "s", "formats": {"in": {"format": "text"}}}}, "reads JSON and Avro only"),
    ],
)
def test_a_config_that_cannot_hold_with_an_answer_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnswerTrial(["same"], **parts)
