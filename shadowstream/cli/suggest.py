"""`suggest`: propose rules, changes, dimensions and identity from the differences of a trial, and write them."""

import difflib
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from shadowstream.cli.durations import time_ms_of
from shadowstream.cli.output import ConfigPath, Json, put, put_json, say
from shadowstream.cli.suggest_output import as_record, show_proof, show_proposals
from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import Difference
from shadowstream.config import Config
from shadowstream.configfile import ConfigFileError, open_source, source_of
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.pair_sample.pair_values import compared_pairs
from shadowstream.kafka.pair_sample.proof import Proof, compared_again
from shadowstream.kafka.pair_sample.trial_evidence import TrialEvidence, read_evidence
from shadowstream.kafka.refused_records import OwnRecord, Refusals
from shadowstream.kafka.replay import rejoin
from shadowstream.kafka.replay.stored_stats import Stored, judged, stored
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial.hash_key import keyed_for_reading
from shadowstream.protocol.outcomes import Outcome
from shadowstream.revision import revision_of
from shadowstream.suggest.config_edit import Entry, with_entries
from shadowstream.suggest.evidence import Couple
from shadowstream.suggest.proposals import Proposal
from shadowstream.suggest.recomparison import differences_under, differing
from shadowstream.suggest.suggestions import (
    Limits,
    Shown,
    Suggestions,
    accepted,
    by_default,
    entry_of,
    suggestions,
)

PAIRS_MIN, PAIRS_MAX = 20, 20_000
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


class Choice(NamedTuple):
    """The numbers of the proposals to write as they are, and to accept as changes. `only` None: those by default."""

    only: list[int] | None
    accept: list[int]
    limits: Limits | None
    reason: str


class _Trial(NamedTuple):
    config: Config
    keyed: Config
    text: str
    path: str
    stored: Stored

    @property
    def revision(self) -> str:
        return self.stored.revision

    @property
    def stats(self) -> list[OwnRecord]:
        return self.stored.records


def suggest(
    config: ConfigPath,
    revision: Annotated[
        str | None,
        typer.Option(help="whose differences, or the first digits; default: the local one's, else the last"),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=PAIRS_MIN, max=PAIRS_MAX, help="read at most so many pairs that differ")
    ] = 1_000,
    only: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="take these proposals; default: the rules that hide nothing"),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="accept these as intended: declared changes with the limits below"),
    ] = None,
    share_max: Annotated[
        str | None,
        typer.Option("--at-most", metavar="SHARE", help="--accept: greatest share of the pairs, for example '2 %'"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="--accept: event time of the end, ISO 8601, UTC by default")
    ] = None,
    reason: Annotated[str, typer.Option(help="--accept: why; a comment in the config")] = "",
    replay: Annotated[
        bool, typer.Option("--replay/--no-replay", help="prove the choice on the whole trial, from its topics")
    ] = True,
    write: Annotated[bool, typer.Option("--write", help="show the changed lines of the config, ask, write")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="--write: do not ask")] = False,
    as_json: Json = False,
) -> None:
    """Propose rules and changes for the config from the differences so far, and prove them. Exit code 0.

    Each proposal has the pairs that it explains and those that it hides. The config is changed only with --write.
    """
    choice = _choice(only, accept, (share_max, until), reason)
    if yes and not write:
        raise ConfigError("--yes: goes with --write; without it nothing is written")
    trial = _trial(config, revision)
    keyed = trial.keyed
    loads = HookProcess(keyed).load
    comparer = comparer_of(schema_source(keyed.schemas), keyed, loads)
    found = read_evidence(keyed, trial.revision, trial.stats, trial.stored.starts, comparer, pairs)
    shown = _shown(Redactor.of(keyed), keyed)
    proposals = suggestions(found.evidence, found.singles, keyed.compare, keyed.identity, shown, loads)
    if not as_json:
        show_proposals(keyed.name, trial.revision, found, proposals)
    numbers, entries = _entries(choice, proposals.proposed, keyed)
    text = with_entries(trial.text, entries)
    changed = _checked(text, trial, entries)
    proof = _proved(trial, found, changed, numbers, replay) if entries else None
    revisions = (trial.revision, _revision_of(changed)) if entries else None
    if proof is not None and not as_json:
        show_proof(proof)
    lines = _diff(trial, text)
    written = write and bool(entries) and _written(trial, text, lines, yes, as_json)
    if as_json:
        put_json(as_record(keyed.name, trial.revision, found, proposals, proof) | {"diff": lines, "written": written})
        return
    _say_end(proposals, entries, written, write, revisions)


def _trial(config: str, revision: str | None) -> _Trial:
    source = open_source(config)
    try:
        text = Path(config).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{config} cannot be read: {error.strerror}") from error
    trial = source.config.acting_as("reader")
    found = stored(trial, revision, Refusals())
    return _Trial(trial, keyed_for_reading(trial), text, config, found)


def _choice(only: str | None, accept: str | None, limits: tuple[str | None, str | None], reason: str) -> Choice:
    share_max, until = limits
    named = None if only is None else _numbers("--only", only)
    if accept is None:
        if share_max or until or reason:
            raise ConfigError("--at-most, --until, --reason: limits of accepted changes; name those by --accept")
        return Choice(named, [], None, "")
    if share_max is None or until is None:
        raise ConfigError("--accept: give --at-most and --until too: a change is accepted up to a share and an end")
    end_ms = time_ms_of("--until", until)
    if end_ms is None or end_ms <= now_ms():
        raise ConfigError(f"--until {until!r}: is in the past; from then on the change is a mismatch again")
    if not reason.isprintable():  # YAML ends a comment at other characters too
        raise ConfigError("--reason: must be one line without control characters; it becomes a comment in the config")
    end = datetime.fromtimestamp(end_ms / 1000, UTC)
    return Choice(named or [], _numbers("--accept", accept), Limits(_share(share_max), end), reason)


def _numbers(option: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{option} {text!r}: give numbers of proposals, for example 1,2,5")
    return [int(part) for part in dict.fromkeys(parts)]


def _share(text: str) -> float:
    """Return a share given as `2 %` or `0.02`."""
    parsed = _SHARE.fullmatch(text.strip())
    share = float(parsed[1]) / (100 if parsed[2] else 1) if parsed else 0.0
    if not 0 < share < 0.99:
        raise ConfigError(f"--at-most {text!r}: give a share above 0 % and below 99 %, for example '2 %' or 0.02")
    return share


def _shown(redactor: Redactor, config: Config) -> Shown:
    values = config.compare.examples.values

    def path(text: str, only_candidate: bool) -> str:
        if only_candidate:
            return redactor.path(Difference(text, "extra", None, "1"))
        return redactor.field(text)

    def may_be_named(path: str, couples: Sequence[Couple]) -> bool:
        if redactor.covers(path) or values not in ("shown", "numbers"):
            return False
        sides = (value for one in couples for value in (one.production, one.candidate))
        return values == "shown" or not any(isinstance(value, str | bytes) for value in sides)

    return Shown(path, may_be_named)


def _entries(choice: Choice, proposed: Sequence[Proposal], config: Config) -> tuple[list[int], list[Entry]]:
    """Return the numbers of the chosen proposals and their entries. Raises `ConfigError` for a number without one."""
    taken = [proposed.index(one) + 1 for one in by_default(proposed)] if choice.only is None else choice.only
    for option, numbers in (("--only", taken), ("--accept", choice.accept)):
        if unknown := [number for number in numbers if not 1 <= number <= len(proposed)]:
            raise ConfigError(f"{option}: there is no proposal {unknown[0]}; they are numbered 1 to {len(proposed)}")
    if both := set(taken) & set(choice.accept):
        raise ConfigError(f"--only and --accept both name {min(both)}; give it once")
    entries = [entry_of(proposed[number - 1]) for number in taken]
    compare = config.compare
    for number in choice.accept:
        assert choice.limits is not None, "checked with --accept"
        entry = accepted(proposed[number - 1], compare, choice.limits, choice.reason)
        declared = type(compare).model_validate({"expected": [dict(entry.value)]}).expected
        compare = compare.model_copy(update={"expected": [*compare.expected, *declared]})
        entries.append(entry)
    return [*taken, *choice.accept], entries


def _checked(text: str, trial: _Trial, entries: Sequence[Entry]) -> Config:
    """Return the config of the changed text. Raises `ConfigError` if it is not valid, or differs elsewhere."""
    try:
        changed = source_of(text, trial.path).config.acting_as("reader")
    except ConfigFileError as error:
        raise ConfigError(f"nothing was written, for the changed config would not be valid:\n{error}") from error
    before = trial.config
    rest = changed.model_copy(update={"compare": before.compare, "identity": before.identity})
    sizes = [len(getattr(changed.compare, name)) for name in ("rules", "expected", "dimensions")]
    if rest != before or (entries and changed == before) or sum(sizes) < len(entries) - 1:
        raise ShadowstreamBug(f"the lines for {len(entries)} entries would change other parts of {trial.path}")
    return changed


def _proved(trial: _Trial, found: TrialEvidence, changed: Config, numbers: list[int], replay: bool) -> Proof:
    """Compare the pairs read again under the new config, and the whole trial if asked for."""
    keyed, before = keyed_for_reading(changed), trial.keyed
    loads = HookProcess(keyed).load
    again = [compared_again(comparer_of(schema_source(one.schemas), one, loads), found.raw) for one in (before, keyed)]
    under = differences_under(keyed.compare, loads)
    predicted = differing(found.evidence.pairs, under, lambda at: again[1].outcomes[at] == Outcome.MISMATCH)
    if sum(predicted) != again[1].differ:
        raise ShadowstreamBug(
            f"{sum(predicted)} of the pairs read were to differ under the new rules, and {again[1].differ} do"
        )
    outcomes = list[dict[str, int]]()
    replayed = None
    if replay:
        say("comparing the whole trial again from its topics; --no-replay leaves that out")
        records = rejoin.compared_again(changed, trial.revision, trial.stats)
        replayed = judged(changed, records, trial.revision, Refusals()).verdict(now_ms())
        outcomes = [dict(compared_pairs(one, trial.revision)) for one in (trial.stats, records)]
    return Proof(numbers, again[0], again[1], outcomes, replayed)


def _revision_of(config: Config) -> str | None:
    """Return the revision of a config; None where the candidate's files are not here."""
    try:
        return revision_of(config)
    except ConfigError:
        return None


def _diff(trial: _Trial, text: str) -> str:
    old, new = (part.splitlines(keepends=True) for part in (trial.text, text))
    lines = difflib.unified_diff(old, new, trial.path, trial.path)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _written(trial: _Trial, text: str, lines: str, yes: bool, as_json: bool) -> bool:
    """Show the changed lines, ask, and replace the file at once. Raises `ConfigError` without a terminal to ask on."""
    if not as_json:
        put(lines.rstrip("\n"))
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError("--write: nothing was written; add --yes to write without being asked")
        if not typer.confirm(f"Write this to {trial.path}?", err=True):
            return False
    path = Path(os.path.realpath(trial.path))
    try:
        raw = path.read_bytes()
        if raw.decode("utf-8-sig") != trial.text:
            raise ConfigError(f"{trial.path}: nothing was written, for it has changed meanwhile; run `suggest` again")
        mark = raw[: len(raw) - len(trial.text.encode())]  # a byte order mark stays
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
            new.write(mark + text.encode())
        os.chmod(new.name, path.stat().st_mode)
        os.replace(new.name, path)
    except OSError as error:
        raise ConfigError(f"{trial.path}: nothing was written: {error.strerror}") from error
    return True


def _say_end(
    found: Suggestions,
    entries: Sequence[Entry],
    written: bool,
    write: bool,
    revisions: tuple[str, str | None] | None,
) -> None:
    if not entries:
        if found.proposed:
            say("nothing was chosen, so nothing is written; --only and --accept name proposals")
        else:
            say(
                "nothing to propose: under the rules of this config no field differs in the pairs read, or none has a "
                "pattern. `shadowstream diff --summary` counts the differences by field"
            )
        return
    if written:
        old, new = revisions or ("", None)
        to = f" {old[:16]} → {new[:16]}" if new else ""
        say(
            f"written. The revision changes{to}: evidence of other rules does not count, so the trial begins at zero, "
            "with the inputs that come after its roles are started again"
        )
    elif write:
        say("nothing was written")
    else:
        say("nothing was written; --write shows the changed lines and asks")
