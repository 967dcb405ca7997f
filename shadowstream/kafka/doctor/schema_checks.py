"""Checks of schemas by the doctor: whether sampled records can be decoded, and what the candidate will write beside."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.codecs.evolution import evolution
from shadowstream.codecs.framing import SchemaId
from shadowstream.codecs.schemas import SchemaSource, is_avro, named
from shadowstream.codecs.side_formats import side_formats
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial.topic_sampler import Sampler
from shadowstream.records import Batch

BREAKING = ("removed", "retyped")
"""Changes by which a field of every pair differs; the others make no difference or are declared."""
OWN_WORDS = ("schema", "bounds", "answer")
"""Reasons of decoding whose texts name schemas, limits and paths of the config, and never quote a value."""
PATHS_SHOWN = 3
SAMPLED = 200


def schema_findings(config: Config, sampler: Sampler) -> Iterator[Finding]:
    """Yield what samples of inputs and outputs show. Raises `RegistryError` while the registry does not answer."""
    schemas, redactor = schema_source(config.schemas), Redactor.of(config)
    inputs = Decoder(schemas, config.schemas.formats, decoded_bounds(config), names="plain")
    for topic in config.inputs if config.candidate.topic is None else []:
        yield from _undecodable(topic, inputs.of(topic), [*sampler.newest(topic, SAMPLED, True)], redactor)
    plain = Decoder(schemas, bounds=decoded_bounds(config), names=config.compare.duplicate_names)
    answer = config.production.answer_names
    own = Decoder(schemas, bounds=decoded_bounds(config), names=config.compare.duplicate_names, answer=answer)
    for topic in config.production.outputs:
        decoder = own.formatted(side_formats(config, topic)[0])
        batches = [*sampler.newest(topic, SAMPLED, True)]
        yield from _undecodable(topic, decoder, batches, redactor)
        if answer:  # the schemas of records and of answers are not those of one subject
            continue
        written = _newest_schema(decoder, batches)
        shadow = None if written is None else _of_candidate(config, schemas, plain, sampler, topic)
        if written is not None and shadow is not None:
            yield from _changes(config, schemas, topic, written, shadow)


def _undecodable(topic: str, decoder: Decoder, batches: list[Batch], redactor: Redactor) -> Iterator[Finding]:
    decoded = [value for batch in batches for value in decoder.decode_many(batch.values, batch.headers)]
    failed = Counter(_reason(value, redactor) for value in decoded if isinstance(value, RecordError))
    if failed:
        text = f"topic {topic}: {sum(failed.values())} of {len(decoded)} sampled records cannot be decoded"
        fix = "name the format of the topic in schemas.formats, or its schemas in schemas.dir or schemas.registry"
        if decoder.answer:
            fix = "correct production.answer, the path of production's answer in an input"
        yield Finding("schemas", Severity.WARN, text, max(failed, key=failed.__getitem__), fix)


def _reason(error: RecordError, redactor: Redactor) -> str:
    return str(error) if error.reason in OWN_WORDS else redactor.reason(f"{error.reason}: {error}") or ""


def _newest_schema(decoder: Decoder, batches: list[Batch]) -> SchemaId | None:
    """Return the schema of the newest record that names one."""
    values = [pair for batch in batches for pair in zip(batch.times_ms, batch.values, strict=True)]
    for _, value in sorted(values, key=lambda pair: -pair[0]):
        if value is not None and (named_id := decoder.schema_id(value)) is not None:
            return named_id
    return None


def _of_candidate(
    config: Config, schemas: SchemaSource, plain: Decoder, sampler: Sampler, topic: str
) -> SchemaId | None:
    """Return the schema that the candidate writes a topic's outputs with: an external job's newest, or the latest."""
    if config.candidate.topic is not None:
        decoder = plain.formatted(side_formats(config, topic)[1])
        return _newest_schema(decoder, [*sampler.newest(config.candidate.topic, SAMPLED, True)])
    return schemas.latest_id(f"{topic}-value") if config.candidate.output_format in (None, "avro") else None


def _changes(config: Config, schemas: SchemaSource, topic: str, written: SchemaId, own: SchemaId) -> Iterator[Finding]:
    try:
        production, shadow = schemas.by_id(written), schemas.by_id(own)
    except RecordError:
        return  # records of an unknown schema are undecodable, which is a finding of its own
    if not (is_avro(production) and is_avro(shadow)):
        return
    changes = evolution(production, shadow).changes
    texts = [f"{kind} {', '.join(changes[kind][:PATHS_SHOWN])}" for kind in BREAKING if kind in changes]
    if texts:
        text = f"topic {topic}: production writes {named(written)} and the candidate {named(own)}: "
        text += f"{'; '.join(texts)}; every pair will differ there"
        yield Finding("schemas", Severity.WARN, text, "", _same_schema(config, topic, written))


def _same_schema(config: Config, topic: str, written: SchemaId) -> str:
    """Return the fix by which the candidate writes production's schema."""
    ignore = "or declare the change by a rule of compare"
    if config.candidate.topic is not None or config.schemas.dir is None:
        return f"let the candidate write {named(written)}: make it the newest of subject {topic}-value, {ignore}"
    folder = Path(config.schemas.dir)
    numbers = {int(file.name.partition(".")[0]): file for file in folder.glob("[0-9]*.avsc")}
    source = numbers.get(written) if isinstance(written, int) else None
    new = folder / f"{max(numbers, default=0) + 1}.{topic}-value.avsc"
    return f"cp {source} {new}" if source is not None else f"save {named(written)} as {new}, {ignore}"
