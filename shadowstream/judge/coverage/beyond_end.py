"""Records of production beyond the end of a trial that `until` ends, which may hide missing ones.

Without an identity that names the input, the joiner cannot always tell an answer to an input beyond the end from one
that the candidate left without output. It leaves both out (`sampled_out`). Of those left out, no more can belong to
inputs of the trial than there are inputs for which no record of production has been judged.
"""

from collections.abc import Mapping

from shadowstream.config import Config
from shadowstream.judge.coverage.coverage import share_of
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.outcomes import Outcome


def hidden_max(config: Config, outcomes: Mapping[str, int]) -> int:
    """Return an upper bound on production's records that belong to inputs of the trial and were left out."""
    if config.until is None or config.identity.kind == "coordinate":
        return 0
    left_out = max(0, outcomes.get(Outcome.SAMPLED_OUT, 0))
    if config.identity.outputs == "many":  # the number of inputs bounds nothing
        return left_out
    return min(left_out, max(0, outcomes.get("input", 0) - share_of("production", outcomes).total))


def blockers(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Return the reason why the evidence may lack missing records; empty if `judge.min_coverage` allows for them."""
    hidden, known = hidden_max(config, outcomes), share_of("production", outcomes)
    if hidden == 0 or known.judged >= config.judge.min_coverage * (known.total + hidden):
        return []
    return [
        f"until: up to {hidden:,} of {known.total + hidden:,} records of production "
        f"({percent(hidden / (known.total + hidden))}) may belong to inputs before the end that the candidate left "
        "without output; they count as left out, because production's outputs do not name their inputs. Use "
        "identity.kind: coordinate, or bounded: true in a new trial"
    ]
