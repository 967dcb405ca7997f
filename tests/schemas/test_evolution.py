"""The schemas of our own topics: what a released version wrote, every later one reads.

`schemas/released/<version>/` holds what was released. `tests/schemas/released/0.0.1/` was never released: it lacks
fields that the present schemas have, has one of another width, and shows that the rule and the reader work.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from fastavro.utils import generate_many

from shadowstream import shipped
from shadowstream.codecs import own
from tests.schemas.schema_resolution import Schema, schemas_of, unreadable

ROOT = Path(__file__).resolve().parents[2]
RELEASED = shipped.schema_dir() / "released"
OLDER = Path(__file__).parent / "released" / "0.0.1"
PRESENT = schemas_of(shipped.schema_dir())
_VERSION = re.compile(r"^## \[(\d+\.\d+\.\d+)\]", re.MULTILINE)


def folders_missing(changelog: str, released: Path) -> list[str]:
    """Released versions without their schemas."""
    return [version for version in _VERSION.findall(changelog) if not list((released / version).glob("*.avsc"))]


def test_every_schema_that_is_shipped_is_known_and_none_else() -> None:
    assert set(PRESENT) == set(own.NAMES)


def test_every_released_version_has_left_its_schemas(tmp_path: Path) -> None:
    assert folders_missing((ROOT / "CHANGELOG.md").read_text("utf-8"), RELEASED) == []
    shutil.copytree(OLDER, tmp_path / "0.0.1")
    assert folders_missing("## [Unreleased]\n\n## [0.0.2] - x\n\n## [0.0.1] - x\n", tmp_path) == ["0.0.2"]


def test_the_present_schemas_read_what_every_released_version_wrote() -> None:
    folders = [folder for folder in RELEASED.iterdir() if folder.is_dir()]
    found = {
        f"{folder.name}/{name}": unreadable(written, PRESENT[name])
        for folder in [*folders, OLDER]
        for name, written in schemas_of(folder).items()
    }
    assert {"0.0.1/diff", "0.0.1/verdict", "0.0.1/stats", "0.0.1/command"} <= set(found)
    assert {where: why for where, why in found.items() if why} == {}


def field(schema: Schema, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in schema["fields"] if one["name"] == name)
    return found


def _new_without_default(schema: Schema) -> None:
    schema["fields"].append({"name": "weight", "type": "double", "doc": "New."})


def _renamed(schema: Schema) -> None:
    field(schema, "reason").update(name="why")


def _renamed_without_default(schema: Schema) -> None:
    field(schema, "outcome").update(name="result")


def _other_type(schema: Schema) -> None:
    field(schema, "time_ms").update(type="string")


def _narrower(schema: Schema) -> None:
    field(schema, "time_ms").update(type="int")


def _no_longer_nullable(schema: Schema) -> None:
    field(schema, "key").update(type="bytes", default="")


def _nested_without_default(schema: Schema) -> None:
    field(schema, "differences")["type"]["items"]["fields"].append({"name": "unit", "type": "string", "doc": "New."})


def _nested_dropped(schema: Schema) -> None:
    del field(schema, "differences")["type"]["items"]["fields"][-1]


def _dropped(schema: Schema) -> None:
    schema["fields"].remove(field(schema, "reason"))


def _another_name(schema: Schema) -> None:
    field(schema, "differences")["type"]["items"]["name"] = "Change"


@pytest.mark.parametrize(
    "change",
    [
        *(_new_without_default, _renamed, _renamed_without_default, _other_type, _narrower, _no_longer_nullable),
        *(_nested_without_default, _nested_dropped, _dropped, _another_name),
    ],
)
def test_a_change_that_older_records_do_not_survive_is_caught(change: Callable[[Schema], None]) -> None:
    changed = deepcopy(PRESENT["diff"])
    change(changed)
    assert unreadable(PRESENT["diff"], changed) is not None


def _new_with_default(schema: Schema) -> None:
    schema["fields"].append({"name": "weight", "type": "double", "doc": "New.", "default": 1.0})


def _nested_with_default(schema: Schema) -> None:
    field(schema, "differences")["type"]["items"]["fields"].append(
        {"name": "unit", "type": ["null", "string"], "doc": "New.", "default": None}
    )


def _wider(schema: Schema) -> None:
    field(schema, "outcome").update(type=["null", "string"])


@pytest.mark.parametrize("change", [_new_with_default, _nested_with_default, _wider])
def test_a_change_that_older_records_survive_is_let_through(change: Callable[[Schema], None]) -> None:
    changed = deepcopy(PRESENT["diff"])
    change(changed)
    assert unreadable(PRESENT["diff"], changed) is None


def encoded(schema: Schema, record: Any) -> bytes:
    """Single-object encoding, written out here once more: the specification, not our encoder."""
    parsed = parse_schema(schema)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, record)
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))
    return b"\xc3\x01" + mark + out.getvalue()


READ = """
import json, sys
from shadowstream import shipped
from shadowstream.codecs import own
from shadowstream.errors import RecordError
assert shipped.schema_dir().parts[:-1] == __import__("pathlib").Path(own.__file__).parents[2].parts, "reads elsewhere"
for line in sys.stdin:
    try:
        name, record = own.decode(bytes.fromhex(line))
        print(json.dumps([name, record], default=lambda raw: raw.hex()))
    except RecordError as error:
        print(json.dumps(["RecordError", error.reason]))
"""


def test_an_older_versions_records_are_read_in_their_present_form(tmp_path: Path) -> None:
    here = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "shadowstream", tmp_path / "shadowstream", ignore=here)
    shutil.copytree(shipped.schema_dir(), tmp_path / "schemas")
    older = schemas_of(OLDER)
    records = {name: next(iter(generate_many(parse_schema(schema), 1))) for name, schema in older.items()}
    lines = "".join(f"{encoded(older[name], record).hex()}\n" for name, record in records.items())

    def read() -> list[list[Any]]:
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-c", READ]
        done = subprocess.run(command, cwd=tmp_path, env=env, input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    assert read() == [["RecordError", "schema"]] * len(records)
    shutil.copytree(OLDER, tmp_path / "schemas" / "released" / "0.0.1")
    for (name, record), (expected_name, wrote) in zip(read(), records.items(), strict=True):
        present = {field["name"]: field for field in PRESENT[name]["fields"]}
        assert (name, set(record)) == (expected_name, set(present))
        plain = json.loads(json.dumps(wrote, default=lambda raw: raw.hex()))
        for one, value in record.items():
            if one not in wrote:
                assert value == present[one]["default"]
            elif one not in ("windows", "criteria"):
                assert value == plain[one], one
    stats = dict(read())["stats"]
    assert stats["windows"]
    assert all(window["fields"] == {} for window in stats["windows"]), "defaults within records count too"
    verdict = dict(read())["verdict"]
    assert verdict["criteria"]
    assert all((one["units"], one["required"]) == ("", True) for one in verdict["criteria"])
