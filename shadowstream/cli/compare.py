"""`compare`: compare two topics that exist, record by record, without a trial and without writing."""

from __future__ import annotations

import secrets
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic import ValidationError

from shadowstream import extras
from shadowstream.cli.compare_follow import followed, from_now, refuse_followed
from shadowstream.cli.compare_output import show
from shadowstream.cli.compare_report import Terms, refuse_unusable, write
from shadowstream.cli.durations import seconds_of, time_ms_of
from shadowstream.cli.output import ExitCode, Json, put_json, say
from shadowstream.cli.written_file import refuse_unusable_folder
from shadowstream.codecs.bounds import DecodedBounds
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import SchemaSource
from shadowstream.compare.comparer import Comparing
from shadowstream.compare.redact import Redactor
from shadowstream.config import Compare, Config, Examples, Identity, Kafka, Rule, Schemas
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.topic_pairs.comparison import Comparison, Options
from shadowstream.kafka.topic_pairs.read_topic import Range, Topic, is_compacted, refuse_one_topic
from shadowstream.topic_pairs.pairing import by_time, in_order_from, newest
from shadowstream.topic_pairs.tally import Answer, Tally

PROGRESS_RECORDS = 500_000
_EXIT = {Answer.EQUAL: ExitCode.OK, Answer.DIFFER: ExitCode.REJECT, Answer.UNKNOWN: ExitCode.NOT_YET}


_Configs = tuple[Config | None, Config | None]
"""The configs of both topics."""


class _Access(NamedTuple):
    bootstraps: tuple[str | None, str | None]
    schemas: tuple[str | None, str | None]
    """Registry and folder."""


class _Rules(NamedTuple):
    ignore: list[str]
    tolerances: dict[str, list[str]]
    """Texts PATH=VALUE by the name of the tolerance."""


class _Beside(NamedTuple):
    """Parts that are compared beside the values."""

    key: bool
    headers: tuple[str, ...]
    order: bool


class _Side(NamedTuple):
    kafka: Kafka
    schemas: Schemas
    source: SchemaSource


_Compacted = Annotated[
    bool | None,
    typer.Option(
        "--compacted/--every-record", help="compare the last record of each id; default: if A or B is compacted"
    ),
]
_Follow = Annotated[
    bool,
    typer.Option("--follow", help="go on with what comes, until --to or Ctrl-C; a partner may come --margin later"),
]
_Order = Annotated[
    bool,
    typer.Option("--order", help="records of one key must come in the same order (with --id header: or path:)"),
]
_Id = Annotated[
    str | None,
    typer.Option("--id", help="identity of the pairs: key, header:NAME, path:PATH or occurrence"),
]


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="a topic")],
    second: Annotated[str, typer.Argument(metavar="B", help="the topic to compare with it")],
    config: Annotated[
        str | None, typer.Option(help="a trial's YAML file, for access, schemas, identity and rules of comparison")
    ] = None,
    other_config: Annotated[
        str | None, typer.Option(help="a YAML file for access and schemas of B, if B is on another cluster")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="host:port of the cluster; default localhost:9092")] = None,
    other_bootstrap: Annotated[str | None, typer.Option(help="host:port of B's cluster; default: as A")] = None,
    registry: Annotated[str | None, typer.Option(help="URL of the schema registry of both topics")] = None,
    schemas_dir: Annotated[str | None, typer.Option(help="folder of <id>.<subject>.avsc files")] = None,
    id_: _Id = None,
    tolerance: Annotated[
        str | None,
        typer.Option(help="--id occurrence: partners' times differ by at most this; default: the config's, or 10s"),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="field that may differ; * for any name")] = None,
    atol: Annotated[list[str] | None, typer.Option(metavar="PATH=VALUE", help="absolute tolerance of a field")] = None,
    rtol: Annotated[list[str] | None, typer.Option(metavar="PATH=VALUE", help="relative tolerance of a field")] = None,
    key: Annotated[bool, typer.Option("--key", help="compare record keys too (with --id header: or path:)")] = False,
    header: Annotated[list[str] | None, typer.Option(help="header that is compared too")] = None,
    order: _Order = False,
    compacted: _Compacted = None,
    begin: Annotated[str | None, typer.Option("--from", help="first event time (ISO 8601, UTC), or offset:N")] = None,
    end: Annotated[str | None, typer.Option("--to", help="event time or offset:N before which it ends")] = None,
    margin: Annotated[str, typer.Option(help="partners up to this far outside --from and --to are found")] = "10m",
    follow: _Follow = False,
    every: Annotated[str, typer.Option(help="--follow: time between two rounds")] = "10s",
    examples: Annotated[int, typer.Option(min=0, max=100, help="examples of each field that differs")] = 3,
    spill_dir: Annotated[
        str | None, typer.Option(help="folder for records that wait; default: the temporary one")
    ] = None,
    disk_bytes: Annotated[int, typer.Option(min=0, help="most bytes that may wait on disk")] = 20_000_000_000,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="HTML page of the result to write too")] = None,
    as_json: Json = False,
) -> None:
    """Compare two topics record by record; nothing is written. Exit code 0 equal, 3 differ, 4 could not tell.

    Records are paired by their key, or as --id says; the n-th record of an id in A belongs to the n-th in B. Both
    topics are read from --from to --to, by default whole, up to their ends as they are now. With --follow they are
    read from now on.
    """
    if report is not None:
        refuse_unusable(report)
    if spill_dir is not None:
        refuse_unusable_folder("--spill-dir", spill_dir)
    access = _Access((bootstrap, other_bootstrap), (registry, schemas_dir))
    rules = _Rules(ignore or [], {"atol": atol or [], "rtol": rtol or []})
    within = _range(begin, end, seconds_of("--margin", margin))
    within = from_now(within) if follow else within
    beside = _Beside(key, tuple(header or ()), order)
    trial, another = (None if path is None else load(path).acting_as("reader") for path in (config, other_config))
    compared = _with_parts(_rules(trial, another, rules), beside)
    topics = _topics((trial, another or trial), access, (first, second), compared)
    identity = _identity(id_, trial, tolerance)
    latest = _is_latest(topics, identity, beside, compacted)
    options = _options(identity, latest, within, beside, (spill_dir, disk_bytes))
    if follow:
        refuse_followed(options)
    comparison = _comparison(topics, compared, options, examples)
    tally = followed(comparison, seconds_of("--every", every)) if follow else comparison.run()
    if as_json:
        put_json({"a": first, "b": second, **tally.record()})
    else:
        show(tally, (first, second), latest=latest)
    if report is not None:
        write(report, comparison, Terms(compared, identity, latest, follow))
    raise typer.Exit(_EXIT[tally.answer])


def _options(identity: Identity, latest: bool, within: Range, beside: _Beside, disk: tuple[str | None, int]) -> Options:
    by_times = identity.kind == "occurrence"
    pairing = newest if latest else by_time(identity.tolerance_ms) if by_times else in_order_from(within.begin_ms)
    own = identity.header, identity.path, beside.order
    return Options(pairing, within, *own, *disk, in_turn=not latest and not by_times)


def _comparison(topics: tuple[Topic, Topic], rules: Compare, options: Options, examples: int) -> Comparison:
    decoders = topics[0].decoder, topics[1].decoder, topics[1].decoder
    comparer, redactor = Comparing(lambda _: decoders, rules), Redactor(rules)
    return Comparison(topics, comparer, redactor, options, Tally(examples), _Progress())


def _topics(configs: _Configs, access: _Access, names: tuple[str, str], rules: Compare) -> tuple[Topic, Topic]:
    sides = _sides(configs, access)
    first, second = (
        Topic(option, name, side.kafka, _decoder(side, name, rules))
        for option, name, side in zip("AB", names, sides, strict=True)
    )
    refuse_one_topic(first, second)
    return first, second


def _is_latest(topics: tuple[Topic, Topic], identity: Identity, beside: _Beside, compacted: bool | None) -> bool:
    """Return whether only the last record of each id counts. Raises `ConfigError` where that does not go together."""
    if (beside.key or beside.order) and not (identity.header or identity.path):
        raise ConfigError(
            "--key and --order go with --id header:NAME or path:PATH: by key, both are equal in every pair"
        )
    latest = any(map(is_compacted, topics)) if compacted is None else compacted
    if latest and (beside.order or identity.kind == "occurrence"):
        raise ConfigError("the last record of each id is compared: --order and --id occurrence need --every-record")
    return latest


def _sides(configs: _Configs, access: _Access) -> tuple[_Side, _Side]:
    """Return access and schemas of both topics; options win over the configs."""
    trial, another = configs
    (bootstrap, other_bootstrap), (registry, folder) = access.bootstraps, access.schemas
    if other_bootstrap is None and another is trial:
        other_bootstrap = bootstrap
    elif another is trial and trial is not None and (trial.kafka.client or trial.kafka.msk):
        raise ConfigError(
            "--other-bootstrap: the login of --config is not sent to another cluster; name B's access by --other-config"
        )
    found = []
    for of, at in ((trial, bootstrap), (another, other_bootstrap)):
        kafka = Kafka() if of is None else of.kafka
        own = Schemas() if of is None else of.schemas
        try:
            if at is not None:
                kafka = Kafka.model_validate({**kafka.model_dump(exclude_unset=True), "bootstrap": at})
            if registry or folder:
                own = Schemas.model_validate({"registry": registry, "dir": folder})
        except ValidationError as error:
            raise ConfigError(f"command line: {_text_of(error)}") from error
        found.append(_Side(kafka, own, schema_source(own)))
    return found[0], found[1]


def _decoder(side: _Side, topic: str, rules: Compare) -> Decoder:
    bounds = DecodedBounds(native=side.schemas.native)
    made = Decoder(side.source, side.schemas.formats, bounds, names=rules.duplicate_names)
    return made.of(topic)


def _covering(trial: Config | None, another: Config | None) -> Compare:
    """Return the rules of the trial, with what both configs cover.

    Without a config all values are shown, for a person reads their own topics. Hashes need a key of this output only.
    """
    if trial is None:
        of = Compare(examples=Examples(values="shown")) if another is None else another.compare
        return Compare(redact=of.redact, examples=of.examples).keyed(secrets.token_hex())
    if another is not None and _covered(trial) != _covered(another):
        raise ConfigError(
            "--config and --other-config differ in compare.redact or compare.examples.values, and each example shows "
            "values of both topics; let both configs cover the same"
        )
    return trial.compare.keyed(secrets.token_hex())


def _covered(config: Config) -> tuple[str, dict[str, object]]:
    redact = config.compare.redact
    return config.compare.examples.values, {} if redact is None else redact.model_dump(exclude={"secret"})


def _rules(trial: Config | None, another: Config | None, given: _Rules) -> Compare:
    """Return the rules of the trial and of the command line; of one path, those of the command line."""
    compare = _covering(trial, another)
    calls = [entry for rule in compare.rules for entry in rule.calls]
    calls += [change.call for change in compare.expected if change.call]
    if calls:
        raise ConfigError(
            f"compare: calls no functions of a config, and this one names {calls[0]!r}; give a config without it"
        )
    own: dict[str, dict[str, object]] = {path: {"path": path, "ignore": True} for path in given.ignore}
    for name, texts in given.tolerances.items():
        for text in texts:
            path, _, value = text.rpartition("=")
            try:
                if not path:
                    raise InvalidOperation
                own.setdefault(path, {"path": path})[name] = Decimal(value)
            except InvalidOperation:
                raise ConfigError(f"--{name} {text!r}: give PATH=VALUE, for example score=0.001") from None
    try:
        rules = [Rule.model_validate(rule) for rule in own.values()]
    except ValidationError as error:
        raise ConfigError(f"--ignore, --atol, --rtol: {_text_of(error)}") from error
    kept = [rule for rule in compare.rules if rule.path not in own]
    compared = compare.model_copy(update={"rules": [*kept, *rules]})
    if compared.any_order:
        extras.require("compare.rules, lists: unordered or set,", "judge")
    return compared


def _with_parts(rules: Compare, beside: _Beside) -> Compare:
    """Return the rules with the keys and headers that are compared: those of the command line, or else the config's."""
    headers = [*rules.headers, *(name for name in beside.headers if name not in rules.headers)]
    try:
        parts = Compare(key=beside.key or rules.key, headers=headers)
    except ValidationError as error:
        raise ConfigError(f"--header: {_text_of(error)}") from error
    return rules.model_copy(update={"key": parts.key, "headers": parts.headers})


def _text_of(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")


def _identity(text: str | None, trial: Config | None, tolerance: str | None) -> Identity:
    identity = _identity_of(text, trial)
    if tolerance is None:
        return identity
    return identity.model_copy(update={"tolerance_ms": round(seconds_of("--tolerance", tolerance) * 1_000)})


def _identity_of(text: str | None, trial: Config | None) -> Identity:
    if text is None:
        identity = Identity() if trial is None else trial.identity
        if identity.kind == "coordinate" and identity.header is None:
            raise ConfigError(
                "identity.kind: coordinate without a header is known in topics of a trial only; give --id header:NAME, "
                "path:PATH or key"
            )
        return identity
    kind, _, name = text.partition(":")
    if kind in ("key", "occurrence") and not name:
        return Identity.model_validate({"kind": kind})
    if kind not in ("header", "path") or not name:
        raise ConfigError(f"--id {text!r}: give key, occurrence, header:NAME or path:PATH, for example path:order.id")
    try:
        return Identity.model_validate({"kind": "id", kind: name})
    except ValidationError as error:
        raise ConfigError(f"--id {text!r}: {_text_of(error)}") from error


def _range(begin: str | None, end: str | None, margin_s: float) -> Range:
    offsets = [_offset(option, text) for option, text in (("--from", begin), ("--to", end))]
    times = [
        None if offset is not None else time_ms_of(option, text)
        for option, text, offset in zip(("--from", "--to"), (begin, end), offsets, strict=True)
    ]
    if times[0] is not None and times[1] is not None and times[0] >= times[1]:
        raise ConfigError(f"--from {begin!r} is not before --to {end!r}")
    if offsets[0] is not None and offsets[1] is not None and offsets[0] >= offsets[1]:
        raise ConfigError(f"--from {begin!r} is not before --to {end!r}")
    return Range(times[0], times[1], round(margin_s * 1_000), offsets[0], offsets[1])


def _offset(option: str, text: str | None) -> int | None:
    if text is None or not text.startswith("offset:"):
        return None
    digits = text.removeprefix("offset:")
    if not digits.isdecimal():
        raise ConfigError(f"{option} {text!r}: give offset:N, for example offset:1000")
    return int(digits)


class _Progress:
    """Print on stderr how many records have been read, each half million."""

    def __init__(self) -> None:
        self._next = PROGRESS_RECORDS

    def __call__(self, read: int) -> None:
        if read >= self._next:
            say(f"{read:,} records read")
            self._next = read - read % PROGRESS_RECORDS + PROGRESS_RECORDS
