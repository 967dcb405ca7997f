"""Where schemas come from: a folder, a registry."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowstream import config
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.errors import BrokerError, ConfigError, RecordError, RegistryError
from shadowstream.kafka.schemas.registry import BACK_OFF_S, FolderSchemas, RegistrySchemas, schema_source
from tests.codecs.registry_server import Registry

# ---------------------------------------------------------------- folder


def test_a_folder_finds_schemas_by_id_and_the_latest_by_subject(tmp_path: Path) -> None:
    for name in ("2.a-value.avsc", "10.a-value.avsc", "3.b.c-value.avsc"):
        (tmp_path / name).write_text('"string"')
    (tmp_path / "README.md").write_text("left alone")
    source = FolderSchemas(tmp_path)
    assert source.by_id(10) == "string"
    assert (source.latest_id("a-value"), source.latest_id("b.c-value"), source.latest_id("c-value")) == (10, 3, None)


def test_an_id_that_no_file_has_is_a_record_error(tmp_path: Path) -> None:
    (tmp_path / "2.a-value.avsc").write_text('"string"')
    with pytest.raises(RecordError, match="schema 5 is unknown") as caught:
        FolderSchemas(tmp_path).by_id(5)
    assert caught.value.reason == "schema"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "has no file"),
        ({"orders-value.avsc": '"int"'}, "name it <id>.<subject>.avsc"),
        ({"1.avsc": '"int"'}, "name it <id>.<subject>.avsc"),
        ({"4294967296.a.avsc": '"int"'}, "4294967295"),
        ({"1.a.avsc": '"int"', "1.b.avsc": '"int"'}, "id 1 is used by 1.a.avsc"),
        ({"1.a.avsc": '"int"', "01.b.avsc": '"int"'}, "is used by"),
        ({"1.a.avsc": '{"type": '}, "not JSON"),
        ({"1.a.avsc": '{"type": "recrod", "name": "A", "fields": []}'}, "unknown type 'recrod'"),
        ({"1.a.avsc": '{"type": "record", "fields": []}'}, "not an Avro schema"),
        ({"1.a.avsc": "5"}, "not an Avro schema"),
        ({"1.a.avsc": "[" * 100_000}, "nested too deep"),
    ],
)
def test_an_unusable_folder_is_a_config_error_with_its_reason(tmp_path: Path, files: dict[str, str], says: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        FolderSchemas(tmp_path)
    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        FolderSchemas(tmp_path / "nowhere")


def test_the_config_chooses_the_source(tmp_path: Path) -> None:
    (tmp_path / "1.a.avsc").write_text('"int"')
    assert isinstance(schema_source(config.Schemas(dir=str(tmp_path))), FolderSchemas)
    assert isinstance(schema_source(config.Schemas(registry="http://localhost:1")), RegistrySchemas)
    nothing = schema_source(config.Schemas())
    assert isinstance(nothing, NoSchemas)
    with pytest.raises(RecordError, match=r"schemas\.dir or schemas\.registry"):
        nothing.by_id(1)


# ---------------------------------------------------------------- registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    yield server
    server.close()


def answer(schema: Any, *references: tuple[str, str, int], **more: Any) -> dict[str, Any]:
    """What a registry says of a schema; of each reference its name, subject and version."""
    named = [dict(zip(("name", "subject", "version"), one, strict=True)) for one in references]
    return {"schema": schema if isinstance(schema, str) else json.dumps(schema), "references": named, **more}


def test_a_registry_is_asked_once_for_each_schema(registry: Registry) -> None:
    registry.answers = {"/schemas/ids/7": {"schema": '"string"'}}
    source = RegistrySchemas(registry.url())
    decoder = Decoder(source)
    assert decoder.decode_many([framed(7) + b"\2x"] * 3) == ["x"] * 3
    assert Decoder(source).decode(framed(7) + b"\2y") == "y"
    assert registry.asked == ["/schemas/ids/7"]


def test_the_latest_version_of_a_subject_is_its_schema(registry: Registry) -> None:
    registry.answers = {"/subjects/a-value/versions/latest": answer('"int"', subject="a-value", id=9, version=2)}
    source = RegistrySchemas(registry.url())
    assert source.latest_id("a-value") == 9
    assert source.latest_id("b-value") is None


def test_a_missing_schema_is_a_record_error_and_not_requested_again(registry: Registry) -> None:
    source = RegistrySchemas(registry.url())
    for _ in range(3):
        with pytest.raises(RecordError, match="schema 5") as caught:
            source.by_id(5)
        assert caught.value.reason == "schema"
    assert registry.asked == ["/schemas/ids/5"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"schema": "{}", "schemaType": "XML"}, "type XML"),
        ({"schema": "{", "schemaType": "JSON"}, "cannot be used"),
        ({"schema": "message A {", "schemaType": "PROTOBUF"}, "no Protobuf schema"),
        ({"schema": '{"type": "recrod"}'}, "unknown type 'recrod'"),
        ({"schema": '"int"', "references": [{"name": "X", "subject": "x", "version": 1}]}, "x version 1"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_record_error(registry: Registry, answer: Any, says: str) -> None:
    registry.answers = {"/schemas/ids/5": answer}
    with pytest.raises(RecordError, match=says):
        RegistrySchemas(registry.url()).by_id(5)


def test_a_schema_may_take_types_from_other_subjects(registry: Registry) -> None:
    def field(kind: str) -> list[dict[str, str]]:
        return [{"name": "x", "type": kind}]

    inner = {"type": "record", "name": "Inner", "namespace": "t", "fields": field("int")}
    middle = {"type": "record", "name": "Middle", "namespace": "t", "fields": field("t.Inner")}
    outer = {"type": "record", "name": "Outer", "namespace": "t", "fields": field("t.Middle")}
    registry.answers = {
        "/schemas/ids/3": answer(outer, ("t.Middle", "middle", 4)),
        "/subjects/middle/versions/4": answer(middle, ("t.Inner", "inner", 1), subject="middle", id=2, version=4),
        "/subjects/inner/versions/1": {"subject": "inner", "id": 1, "version": 1, "schema": json.dumps(inner)},
    }
    assert Decoder(RegistrySchemas(registry.url())).decode(framed(3) + b"\4") == {"x": {"x": {"x": 2}}}


def test_while_the_registry_is_down_only_unknown_schemas_wait(registry: Registry) -> None:
    registry.answers = {"/schemas/ids/7": {"schema": '"string"'}, "/schemas/ids/8": {"schema": '"int"'}}
    decoder = Decoder(RegistrySchemas(registry.url()))
    decoder.decode(framed(7) + b"\2x")
    registry.failing = True
    assert decoder.decode_many([framed(7) + b"\2y"]) == ["y"]
    with pytest.raises(BrokerError, match="schema 8") as caught:
        decoder.decode_many([framed(7) + b"\2y", framed(8) + b"\2"])
    assert caught.value.retriable
    asked, began = len(registry.asked), time.monotonic()
    refused = set()
    for _ in range(20):
        with pytest.raises(RegistryError) as waits:
            decoder.decode(framed(8) + b"\2")
        refused.add("schema 8 waits" in str(waits.value))
    assert True in refused
    # Not before the back-off has passed, which it may on a slow machine.
    assert len(registry.asked) - asked <= (time.monotonic() - began) / BACK_OFF_S[0]
    registry.failing = False
    deadline = time.monotonic() + 5
    while True:
        try:
            assert decoder.decode_many([framed(8) + b"\2"]) == [1]
            break
        except RegistryError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_an_unreachable_registry_is_a_retriable_error() -> None:
    gone = Registry()
    gone.close()
    with pytest.raises(RegistryError, match=r"cannot be reached for schema 1\b") as caught:
        RegistrySchemas(gone.url()).by_id(1)
    assert caught.value.retriable


def test_a_password_in_the_url_is_used_and_never_shown(registry: Registry) -> None:
    registry.failing = True
    with pytest.raises(BrokerError) as caught:
        RegistrySchemas(registry.url("ada:sesame@")).by_id(1)
    assert "sesame" not in str(caught.value)
    assert "ada" not in str(caught.value)


@pytest.mark.parametrize("broken", ["ftp://x", "localhost:8081"])
def test_a_url_that_cannot_be_one_is_a_config_error(broken: str) -> None:
    with pytest.raises(ConfigError, match=r"schemas\.registry"):
        RegistrySchemas(broken)


def test_schemas_of_other_kinds_come_with_what_they_refer_to(registry: Registry) -> None:
    proto, order = {"schemaType": "PROTOBUF"}, 'import "items.proto"; message Order { Item item = 1; }'
    item = 'syntax = "proto3"; message Item { int32 count = 1; }'
    of_json, number = {"schemaType": "JSON"}, {"properties": {"n": {"$ref": "count.json"}}}
    registry.answers = {
        "/schemas/ids/3": answer(f'syntax = "proto3"; {order}', ("items.proto", "items", 1), **proto),
        "/subjects/items/versions/1": answer(item, subject="items", id=2, version=1, **proto),
        "/schemas/ids/4": answer(number, ("count.json", "count", 1), **of_json),
        "/subjects/count/versions/1": answer({"type": "integer"}, subject="count", id=5, version=1, **of_json),
    }
    decoder = Decoder(RegistrySchemas(registry.url()))
    assert decoder.decode(framed(3) + b"\0\x0a\x02\x08\x07") == {"item": {"count": 7}}
    assert decoder.decode(framed(4) + b'{"n": 1}') == {"n": 1}
    with pytest.raises(RecordError, match="does not allow"):
        decoder.decode(framed(4) + b'{"n": "1"}')
