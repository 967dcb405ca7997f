"""First configs of generated topics: what was planted is found, the file loads, and the doctor finds nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from shadowstream.config import Config, Kafka, Schemas
from shadowstream.configfile import load
from shadowstream.first_config.config_text import Answers, config_text, identity_sentences
from shadowstream.first_config.findings import Findings, Seen, find, name_for
from shadowstream.first_config.yaml_lines import WIDTH
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.doctor.cluster_checks import sample_findings
from shadowstream.kafka.doctor.finding import Severity
from shadowstream.kafka.first_config.cluster import Cluster
from shadowstream.kafka.first_config.sampling import Bounds, readable_topics
from shadowstream.runner.partitioner_detection import REPARTITION
from shadowstream.testing.memory.inside import inside
from tests.first_config.planted_topics import RECORDS, SHAPES, Shape, planted, uncommented, unexplained, write_schemas

KAFKA = Kafka(bootstrap="memory:9092")
BOUNDS = Bounds(RECORDS, 10_000_000, 5.0)
PROGRESS: list[str] = []


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        write_schemas(Path(made))
        yield Path(made)


def schemas_of(shape: Shape, folder: Path) -> Schemas:
    return Schemas(dir=str(folder)) if shape.format == "avro" else Schemas()


def answers(seen: Seen, schemas: Schemas) -> Answers:
    group = seen.groups[0].name if len(seen.groups) == 1 else None
    written = {"dir": schemas.dir} if schemas.dir else {}
    return Answers(name_for("answers"), {"bootstrap": "memory:9092"}, {"call": "m:f"}, written, group)


def loaded(text: str) -> Config:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return load(file.name, {})


def check_text(seen: Seen, found: Findings, given: Answers) -> Config:
    text = config_text(seen, found, given)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert unexplained(text) == []
    config = loaded(text)
    assert config.compare.rules == [], "no rule that nobody has confirmed"
    assert len(loaded(uncommented(text)).compare.rules) == len(found.proposals)
    return config


@settings(max_examples=40)
@given(shape=SHAPES)
def test_what_was_planted_is_found_and_the_doctor_agrees(shape: Shape, folder: Path) -> None:
    broker = planted(shape)
    before = {place: log.end for place, log in broker.logs.items()}
    schemas = schemas_of(shape, folder)
    with inside(broker):
        cluster = Cluster(KAFKA)
        assert readable_topics(cluster.counts) == ["answers", "orders"]
        seen = cluster.seen(["orders"], ["answers"], schemas, BOUNDS, PROGRESS.append)
        found = find(seen)
        config = check_text(seen, found, answers(seen, schemas))
        findings = list(sample_findings(admin(KAFKA), config))
    assert found.identity == (shape.identity or {"kind": "key"})
    assert sorted(one.name for one in seen.groups) == [f"model-{n}" for n in range(shape.groups)]
    assert {place: log.end for place, log in broker.logs.items()} == before
    assert broker.groups.all.keys() == {f"model-{n}" for n in range(shape.groups)}
    doubts = [one for one in findings if one.severity != Severity.NOTE]
    if shape.identity is None:
        assert "Nothing fits" in identity_sentences(seen, found)[0]
        assert [one.check for one in doubts] == ["identity"]
    else:
        assert doubts == []
    volatile = {one.path for one in found.proposals if one.is_volatile}
    assert volatile == (set() if shape.format == "text" else {"at", "token", "model_version"})


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32", "input", "unknown"])
def test_the_partitioner_is_that_of_the_plant(partitioner: str) -> None:
    shape = Shape("json", "unique", frozenset(), partitioner, 3, 1)  # type: ignore[arg-type]  # a literal
    broker = planted(shape)
    with inside(broker):
        found = find(Cluster(KAFKA).seen(["orders"], ["answers"], Schemas(), BOUNDS, PROGRESS.append))
    choice = found.partitioners["answers"]
    assert choice is not None
    assert choice.kind == (REPARTITION if partitioner == "unknown" else partitioner)
