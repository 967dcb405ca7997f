"""The text of a first config where samples are missing, broken or full of odd names."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.first_config.config_text import MARGIN_MS, Answers, config_text
from shadowstream.first_config.findings import Group, Seen, find
from shadowstream.first_config.sampled import FIELDS_MAX, Sampled, sampled
from shadowstream.first_config.yaml_lines import Lines
from shadowstream.records import Batch, Partition
from shadowstream.yaml_flow import Variable, flow
from shadowstream.yamlfile import parse
from tests.first_config.planted_topics import uncommented

FIRST_MS, N = 1_767_225_600_000, 50
GIVEN = Answers("t", {"bootstrap": "b:9092"}, {"call": "m:f"})


def read(topic: str, values: list[bytes | None]) -> Sampled:
    n = len(values)
    times, keys = [FIRST_MS + i for i in range(n)], [b"%d" % i for i in range(n)]
    batch = Batch(Partition(topic, 0), list(range(n)), times, keys, values, [None] * n)
    return sampled(topic, 1, [batch], Decoder(NoSchemas()))


def json_of(count: int = N, **more: Any) -> list[bytes | None]:
    return [json.dumps({"n": i, **more}).encode() for i in range(count)]


def seen(inputs: Sampled, outputs: Sampled, **more: Any) -> Seen:
    return replace(Seen([inputs], [outputs], [], None, False, FIRST_MS + 1_000), **more)


def written(tmp_path: Path, of: Seen, given: Answers = GIVEN) -> tuple[str, Config]:
    """The text and its config; with all proposals it loads too."""
    text = config_text(of, find(of), given)
    file = tmp_path / "trial.yaml"
    file.write_text(uncommented(text))
    load(file, {})
    file.write_text(text)
    return " ".join(text.replace("#", " ").split()), load(file, {})


def test_what_was_not_read_is_named_with_its_reason(tmp_path: Path) -> None:
    refused = Sampled("in", problem="TOPIC_AUTHORIZATION_FAILED: not authorized")
    text, _ = written(tmp_path, seen(refused, read("out", [])))
    assert "Not sampled, so nothing below rests on it: TOPIC_AUTHORIZATION_FAILED: not authorized." in text
    assert "and no record yet" in text
    assert "this is a guess" in text


def test_values_of_unknown_schemas_ask_for_their_source(tmp_path: Path) -> None:
    text, config = written(tmp_path, seen(read("in", json_of()), read("out", [framed(7) + b"x"] * N)))
    assert "schema 7 (not known) in all 50 records" in text
    assert "Values name a schema by its id, and no source of schemas was given" in text
    assert config.schemas.formats == {}


@pytest.mark.parametrize(("value", "format"), [(b"hello", "text"), ("grüß\n".encode(), "text"), (b"\xff\x01", "bytes")])
def test_values_without_structure_are_compared_as_a_whole(value: bytes, format: str, tmp_path: Path) -> None:
    _, config = written(tmp_path, seen(read("in", json_of()), read("out", [value] * N)))
    assert config.schemas.formats["out"].format == format
    assert config.candidate.output_format == "bytes"


def test_broken_records_are_counted_and_their_content_is_not_shown(tmp_path: Path) -> None:
    text, config = written(tmp_path, seen(read("in", json_of()), read("out", [*json_of(40), *[b"secret-4711"] * 10])))
    assert "Cannot be decoded: 10 of 50 records (20 %) (neither framed nor JSON)." in text
    assert "4711" not in text
    assert config.schemas.formats == {}


def test_fields_beyond_the_limit_are_reported(tmp_path: Path) -> None:
    wide = {f"f{i}": i for i in range(FIELDS_MAX)}
    text, _ = written(tmp_path, seen(read("in", json_of(**wide)), read("out", json_of())))
    assert f"Only the first {FIELDS_MAX} fields were looked at." in text


def test_several_groups_are_listed_and_none_is_chosen(tmp_path: Path) -> None:
    groups = [Group("model-a", 1, 5), Group("model-b", 1, 7)]
    text, config = written(tmp_path, seen(read("in", json_of()), read("out", json_of()), groups=groups))
    assert config.production.group is None
    assert '"model-a" (5 records wait for it); "model-b" (7 records wait for it)' in text
    _, chosen = written(tmp_path, seen(read("in", json_of()), read("out", json_of())), replace(GIVEN, group="model-b"))
    assert (chosen.production.group, chosen.starts) == ("model-b", "production-group")


def test_clocks_ahead_and_brokers_that_refuse_nothing_are_proposals(tmp_path: Path) -> None:
    of = seen(read("in", json_of()), read("out", json_of()), now_ms=FIRST_MS - 2 * MARGIN_MS, is_unproven=True)
    text, config = written(tmp_path, of)
    assert "dated 2 h ahead of this machine's clock" in text
    assert "isolation: {unproven: accept}" in text
    assert (config.isolation.unproven, config.future_ms_max) == ("refuse", MARGIN_MS)


@given(name=st.text(min_size=1, max_size=30))
def test_any_text_is_read_back_as_it_was_written(name: str) -> None:
    document = parse(f"a: {flow(name)}\nb: {{c: {flow(name)}}}\n", {})
    assert document.problems == []
    assert document.data == {"a": name, "b": {"c": name}}


def test_a_variable_stays_one() -> None:
    assert parse(f"a: {flow(Variable('${PASSWORD:-}x'))}", {"PASSWORD": "p"}).data == {"a": "px"}


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_comment_ends_with_its_line_whatever_its_text_holds(end: str) -> None:
    lines = Lines()
    lines.why(f"a schema says{end}name: another{end}- `one{end}two`")
    lines.put("name: t")
    assert parse(str(lines), {}).data == {"name": "t"}
