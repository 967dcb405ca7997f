"""Counts of proposals are those of the real comparison under the config as it would be written."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import comparer
from shadowstream.config import Compare
from shadowstream.configfile import source_of
from shadowstream.kafka.pair_sample.pair_values import RawPair
from shadowstream.kafka.pair_sample.proof import ComparedAgain, compared_again
from shadowstream.protocol.outcomes import Outcome
from shadowstream.suggest.config_edit import with_entries
from shadowstream.suggest.evidence import ReadPair
from shadowstream.suggest.proposals import NEVER, Proposal
from shadowstream.suggest.recomparison import differences_under, differing
from shadowstream.suggest.suggestions import Limits, accepted, entry_of
from tests.suggest.planted import pairs_of, proposals
from tests.suggest.test_proposals import BUGS, LISTS, NOISE

KINDS: dict[str, Any] = {
    **{name: one[:2] for name, one in NOISE.items()},
    **{name: one[:2] for name, one in LISTS.items()},
    **BUGS,
}
CONFIG = """\
name: t
inputs: [in]
production: {outputs: [out]}
candidate: {call: "m:f"}
compare:
  rules:
    - {path: "b", rtol: 0.0001}  # there already
"""
PAIRS = 40
drawn = st.fixed_dictionaries({
    "seed": st.integers(0, 10**6),
    "fields": st.dictionaries(
        st.sampled_from("abc"), st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 2)), min_size=1
    ),
    "bad": st.sets(st.integers(0, PAIRS - 1), max_size=5),
})  # fmt: skip


def pairs_with(seed: int, fields: dict[str, tuple[str, int]], bad: set[int]) -> list[ReadPair]:
    """Pairs whose fields differ in different ways, some of them each in another way too, as their JSON has them."""
    columns = {name: pairs_of(*KINDS[kind], every, seed, PAIRS) for name, (kind, every) in fields.items()}
    found = []
    for n in range(PAIRS):
        sides = [
            {name: getattr(column[n], side)["field"] for name, column in columns.items()}
            for side in ("production", "candidate")
        ]
        if n in bad:
            sides[1][min(sides[1])] = [None]
        read = [json.loads(json.dumps(side)) for side in sides]
        found.append(next(iter(columns.values()))[n]._replace(production=read[0], candidate=read[1]))
    return found


def really(pairs: Sequence[ReadPair], compare: Compare) -> ComparedAgain:
    raw = [
        RawPair("out", json.dumps(pair.production).encode(), json.dumps(pair.candidate).encode(), pair.time_ms)
        for pair in pairs
    ]
    return compared_again(comparer(NoSchemas(), compare), raw)


@settings(max_examples=10, deadline=None)
@given(drawn, st.randoms(use_true_random=False))
def test_predicted_counts_are_those_of_the_real_comparison(spec: dict[str, Any], dice: Any) -> None:
    pairs = pairs_with(**spec)
    before = source_of(CONFIG, "trial.yaml").config.compare
    named = proposals(pairs, before.model_dump(mode="json", exclude_unset=True))
    taken = [one for one in named if one.refused is None and dice.random() < 0.7]
    written = compare_with(taken)
    after = really(pairs, written)
    assert differing(pairs, differences_under(written), lambda _: True) == [
        outcome == Outcome.MISMATCH for outcome in after.outcomes
    ]
    for one in taken:
        after_one = really(pairs, compare_with([one]))
        assert one.only_here == really(pairs, before).differ - after_one.differ


def compare_with(taken: Sequence[Proposal]) -> Compare:
    """The comparison of the config with these proposals, as its text is loaded again."""
    text = CONFIG
    limits = Limits(0.5, NEVER)
    for one in taken:
        now = source_of(text, "trial.yaml").config.compare
        entry = accepted(one, now, limits, "") if one.section == "expected" else entry_of(one)
        text = with_entries(text, [entry])
    return source_of(text, "trial.yaml").config.compare
