"""The JSON Schema: shipped as generated, valid draft 7, and of one mind with the models."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from shadowstream.config import Model
from shadowstream.configfile import ConfigFileError, load
from shadowstream.configschema import json_schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json_schema()
BASE: dict[str, Any] = {
    "name": "fraud",
    "inputs": ["payments"],
    "production": {"outputs": ["scores"], "group": "scorer"},
    "candidate": {"call": "fraud_model.score:score"},
}
FULL: dict[str, Any] = {
    **BASE,
    "kafka": {
        "bootstrap": "a:1,b:2",
        "client": {"security.protocol": "SASL_SSL", "sasl.password": "x", "linger.ms": 1, "check.crcs": True},
    },
    "schemas": {"dir": "schemas"},
    "candidate": {
        **BASE["candidate"],
        "takes": "batch",
        "trusted": True,
        "files": ["m.bin"],
        "output_format": "json",
        "partitioner": "murmur2",
    },
    "identity": {"kind": "coordinate", "header": "origin"},
    "compare": {
        "rules": [{"path": "score", "atol": 0.1}, {"path": "t", "ignore": True}],
        "examples": 0,
        "match_sample": 1,
    },
    "start": "latest",
    "bounded": True,
    "grace_ms": 0,
    "judge": {
        "window_ms": 1,
        "alpha": 0.2,
        "criteria": [{"rate": "extra", "limit": 0.1, "critical": False}],
        "drift": {},
    },
    "limits": {"commit_ms": 1},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(FULL))
    *parents, last = path.split(".")
    place = data
    for parent in parents:
        place = place[parent]
    place[last] = value
    return data


ACCEPTED = {
    "base": BASE,
    "full": FULL,
    "null where optional": changed("start", None),
    "null group": {**BASE, "production": {"outputs": ["scores"], "group": None}},
    "whole number for a number": changed("compare.match_sample", 0),
    "variable for a number": changed("grace_ms", "${GRACE}"),
    "variable for a choice": changed("start", "${START:-latest}"),
    "variable for a boolean": changed("bounded", "${BOUNDED:?say}"),
    "variable in a text": changed("kafka.bootstrap", "h:${PORT}"),
    "variable for an entry point": changed("candidate.call", "${CALL}"),
    "variable in a list": changed("inputs", ["${INPUT}"]),
}
REFUSED = {
    "unknown key": {**BASE, "nam": 1},
    "unknown inner key": changed("judge.drift", {"delt": 0.1}),
    "no name": {key: value for key, value in BASE.items() if key != "name"},
    "no outputs": changed("production", {"group": "a"}),
    "empty inputs": changed("inputs", []),
    "text for a number": changed("grace_ms", "5"),
    "number for a text": changed("kafka.bootstrap", 5),
    "text for a boolean": changed("bounded", "yes"),
    "fraction for a whole number": changed("limits.commit_ms", 1.5),
    "below the range": changed("grace_ms", -1),
    "at an open end of the range": changed("judge.alpha", 1),
    "over the range": changed("compare.match_sample", 1.5),
    "unknown choice": changed("identity.kind", "ids"),
    "choice of another type": changed("start", 5),
    "scalar for a mapping": changed("judge", 1),
    "scalar for a list": changed("inputs", "payments"),
    "mapping for a list": changed("compare.rules", {}),
    "null for a mapping": changed("kafka", None),
    "list below client": changed("kafka.client", {"a": [1]}),
    "entry point without a colon": changed("candidate.call", "fraud_model"),
    "name with a dot": changed("name", "a.b"),
    "name too long": changed("name", "a" * 65),
}
ENVIRON = {"GRACE": "5", "START": "earliest", "BOUNDED": "false", "PORT": "1", "CALL": "a.b:c", "INPUT": "payments"}


def models_accept(data: Any, folder: Path) -> bool:
    # Variables stand plain, as whoever writes a number by one must write them.
    text = yaml.safe_dump(data, default_flow_style=False)
    (folder / "trial.yaml").write_text(text)
    try:
        load(folder / "trial.yaml", ENVIRON)
    except ConfigFileError:
        return False
    return True


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    shipped = json.loads((ROOT / "schemas" / "config.schema.json").read_text("utf-8"))
    assert shipped == SCHEMA, "run: shadowstream schema config > schemas/config.schema.json"


def test_the_schema_is_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    for newer in ("$defs", "prefixItems", "unevaluatedProperties", "dependentRequired", "dependentSchemas"):
        assert newer not in text


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_schema_and_models_accept_it(data: dict[str, Any], tmp_path: Path) -> None:
    assert [error.message for error in Draft7Validator(SCHEMA).iter_errors(data)] == []
    assert models_accept(data, tmp_path)


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_schema_and_models_refuse_it(data: dict[str, Any], tmp_path: Path) -> None:
    assert not Draft7Validator(SCHEMA).is_valid(data)
    assert not models_accept(data, tmp_path)


def test_the_demos_config_fits_the_schema() -> None:
    demo = yaml.safe_load((ROOT / "shadowstream" / "demo" / "flights.yaml").read_text("utf-8"))
    Draft7Validator(SCHEMA).validate(demo)


def models() -> list[dict[str, Any]]:
    return [SCHEMA, *(part for part in SCHEMA["definitions"].values() if part["type"] == "object")]


def test_every_model_has_a_title_and_a_description_and_is_closed() -> None:
    # Others are of tests, and a test may load a module of these a second time.
    own = {one.__name__ for one in Model.__subclasses__() if one.__module__.startswith("shadowstream.")}
    assert {"Config", *SCHEMA["definitions"]} >= own
    assert len(models()) == len(own)
    for model in models():
        assert model["title"]
        assert model["description"]
        assert model["additionalProperties"] is False


def test_every_key_has_a_description_and_no_reference_has_siblings() -> None:
    for model in models():
        for name, part in model["properties"].items():
            if "$ref" in part:
                assert set(part) == {"$ref"}, f"draft 7 ignores what stands beside {model['title']}.{name}'s $ref"
                continue
            below = part.get("items", {})
            assert part.get("description") or "$ref" in below, f"{model['title']}.{name}"
