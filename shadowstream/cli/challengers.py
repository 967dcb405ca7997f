"""`challengers`: compare the candidates of several trials with each other, on the same records of production."""

from dataclasses import asdict
from typing import Annotated

import typer

from shadowstream.cli.output import Json, put_json, put_wrapped
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.paired.comparison import PairedComparison, best_of, comparisons, terms_of
from shadowstream.judge.utc_text import utc_text
from shadowstream.kafka.replay.judged_records import judged_records
from shadowstream.revision import revision_of

READ_TIMEOUT_S = 30.0
TRIALS_MAX = 10
_SAME = ("inputs", "production", "identity")
_SAME_INPUTS = ("sample", "exclude")
_SAME_RULES = ("rules", "added_fields", "expected", "duplicate_names")


def challengers(
    configs: Annotated[list[str], typer.Argument(metavar="CONFIG CONFIG…", help="the trials' YAML files")],
    as_json: Json = False,
) -> None:
    """Compare the candidates of several trials on the same records of production: which is shown to be better?

    It reads topics only, and decides nothing for `gate`. Exit code 0 if the trials could be compared.
    """
    trials = [load(config).acting_as("reader") for config in configs]
    _check(trials)
    found = [judged_records(trial, revision_of(trial), READ_TIMEOUT_S) for trial in trials]
    judge = [trial.judge for trial in trials]
    terms = terms_of(found, min(one.alpha for one in judge), max(one.min_coverage for one in judge), judge[0].window_ms)
    pairs = comparisons(found, terms)
    best = best_of(found, pairs)
    if as_json:
        put_json({"best": best, **asdict(terms), "pairs": [asdict(pair) for pair in pairs]})
        return
    put_wrapped(f"records of production from {utc_text(terms.from_ms)} to {utc_text(terms.to_ms)}")
    for pair in pairs:
        for line in _lines(pair, terms.level):
            put_wrapped(line)
    put_wrapped(f"best: {best}" if best else "best: not yet")


def _check(trials: list[Config]) -> None:
    """Raise `ConfigError` unless these are trials of different names beside the same production, by the same rules."""
    if not 2 <= len(trials) <= TRIALS_MAX:
        raise ConfigError(f"give 2 to {TRIALS_MAX} configs: {len(trials)} given")
    first, names = trials[0], [trial.name for trial in trials]
    if len(set(names)) < len(names):
        raise ConfigError(f"name: each candidate needs a trial of its own; these are {', '.join(sorted(names))}")
    for trial in trials[1:]:
        other = ["kafka.bootstrap"] if trial.kafka.bootstrap != first.kafka.bootstrap else []
        other += [key for key in _SAME if getattr(trial, key) != getattr(first, key)]
        other += [
            f"candidate.{key}" for key in _SAME_INPUTS if getattr(trial.candidate, key) != getattr(first.candidate, key)
        ]
        other += [f"compare.{key}" for key in _SAME_RULES if getattr(trial.compare, key) != getattr(first.compare, key)]
        if trial.judge.window_ms != first.judge.window_ms:
            other.append("judge.window_ms")
        if other:
            raise ConfigError(
                f"{', '.join(other)}: {first.name!r} and {trial.name!r} differ there, so they do not judge the same "
                "records by the same rules. Make them equal"
            )


def _lines(pair: PairedComparison, level: float) -> list[str]:
    """The sentences about one pair of candidates."""
    of_first, keys_of_first = pair.records - pair.records_of_second, pair.units - pair.of_second
    lines = [
        f"{pair.first} and {pair.second}: {_result(pair, level)}",
        f"  of {pair.judged:,} records {pair.first} is wrong on {_share(pair.wrong_first, pair.judged)}, "
        f"{pair.second} on {_share(pair.wrong_second, pair.judged)}",
        f"  only one of them is wrong on {pair.records:,} records: {pair.first} on {of_first:,}, {pair.second} on "
        f"{pair.records_of_second:,}",
    ]
    if pair.units:
        low, high = (percent(limit, 3) for limit in pair.share)
        lines.append(
            f"  each key once: {pair.first} {keys_of_first:,}, {pair.second} {pair.of_second:,}; the share of "
            f"{pair.second} is {low} to {high} (50 % if both are equally good)"
        )
    return [*lines, *(f"  {reason}" for reason in pair.reasons)]


def _result(pair: PairedComparison, level: float) -> str:
    if pair.better is None:
        return "not yet"
    return f"{pair.better} is better (chance of a wrong statement at most {percent(level, 3)}, however often you look)"


def _share(wrong: int, judged: int) -> str:
    return f"{wrong:,}" if not judged else f"{wrong:,} ({percent(wrong / judged, 3)})"
