"""Generator of docs/topics.md from the topic plan and the schemas: the topics of a trial, then every field of every
record.

``python -m shadowstream.codecs.described > docs/topics.md``; a test compares.
"""

import json
from collections.abc import Iterator
from typing import Any

from shadowstream import shipped
from shadowstream.codecs.own import JSON_BYTES_MAX, NAMES
from shadowstream.config.retention import Retention
from shadowstream.topics import UNBOUNDED, Kept, TopicPlan

_DEFAULTS = {name: field.default for name, field in Retention.model_fields.items()}
_KEPT = Kept(_DEFAULTS["ms"], UNBOUNDED, _DEFAULTS["bytes"])
_TOPICS = {
    "judge_state": "judge-state",
    "mark": "progress",
    "command": "commands",
    "delivery": "deliveries",
    "label_state": "labels-state",
    "runner_state": "runner-state",
    "recheck": "rechecks",
}
"""The topic of each schema whose name differs from its topic."""
_HOLDS = {
    "starts": "`mark`: the start marks alone, and what goes with them (docs/decisions/0016)",
    "attempts": "`mark`: inputs that the candidate was asked for and did not survive (docs/decisions/0019)",
    "second-answers": "`mark`: the candidate's second answers, under `candidate.recheck`",
    "out.": "the candidate's outputs, as it writes them, each with the packed header `s`",
    "repartition.": "a copy of production's outputs by identity, each with the header `p` that names its original; "
    "there only where no known partitioner explains production's outputs, or the candidate's job puts keys elsewhere",
    "diff.json": "`diff` as JSON",
    "dlq.": "records that could not be used, with headers `__connect.errors.*`",
    "audit": "`verdict`",
}
_HEAD = """\
# Topics

Made from `shadowstream/topics.py` and `schemas/` by `python -m shadowstream.codecs.described`; a test compares.
Every topic begins with `shadow.<name>.`, the trial's name. `shadowstream topics plan` shows those of a trial.
[Disk](operations.md#disk) explains the bounds, which `retention` in the config sets.

| topic `shadow.<name>.…` | partitions | settings | holds |
|---|---|---|---|
"""
_FORM = f"""
Records are Avro in single-object encoding: `C3 01`, the fingerprint (CRC-64-AVRO, 8 bytes) of the schema that wrote
them, the value. No registry is needed: the schemas are in `schemas/`, those of every released version in
`schemas/released/`, and a release understands what it and all before it wrote.

`diff.json` is there where the config says `compare: {{diff_json: true}}`: each row of `diff` once more as JSON, with
the same key, partition and time, in the same transaction. Its fields are those of `diff`; the bytes of `key` are text
in UTF-8, what is no UTF-8 as `\\xNN`, at most {JSON_BYTES_MAX:,} bytes of it.
"""


def page() -> str:
    return _HEAD + "".join(_topics()) + _FORM + "".join(map(_record, NAMES))


def _topics() -> Iterator[str]:
    """One table line a topic. Two plans with different partition counts show which topics follow production's."""
    plan = TopicPlan("name")
    options: dict[str, Any] = {"diff_json": True, "labels": True, "rechecks": True, "kept": _KEPT}
    options["repartitioned"] = ["TOPIC"]
    plans = [plan.specs({"TOPIC": partitions}, **options) for partitions in (2, 3)]
    for spec, wider in zip(*plans, strict=True):
        name = spec.name.removeprefix(plan.prefix)
        partitions = str(spec.partitions) if spec.partitions == wider.partitions else "as production's output"
        settings = ", ".join(f"`{key}={value}`" for key, value in spec.config)
        yield f"| `{name.replace('TOPIC', '<topic>')}` | {partitions} | {settings} | {_holds(name)} |\n"


def _holds(topic: str) -> str:
    for begin, text in _HOLDS.items():
        if topic == begin or (begin.endswith(".") and topic.startswith(begin)):
            return text
    for name in NAMES:
        if _TOPICS.get(name, name) == topic:
            return f"`{name}`"
    raise KeyError(f"the contents of {topic} are not described: add it to _HOLDS or _TOPICS")


def _record(name: str) -> str:
    parsed = json.loads(shipped.text(f"{name}.avsc"))
    _, *nested = _records(parsed)
    inner = "".join(f"\n`{record['name']}`: {record['doc']}\n{_fields(record)}" for record in nested)
    return f"\n## {name}\n\n{parsed['doc']}\n{_fields(parsed)}{inner}"


def _fields(record: dict[str, Any]) -> str:
    lines = [
        f"| `{field['name']}` | {_type(field['type'])} | {_default(field)} "
        f"| {field['doc'].replace('|', chr(92) + '|')} |"
        for field in record["fields"]
    ]
    return "\n| field | type | default | meaning |\n|---|---|---|---|\n" + "".join(f"{line}\n" for line in lines)


def _type(kind: Any) -> str:
    """A short description of a type.

    >>> _type(["null", {"type": "array", "items": "long"}])
    'list of long, or null'
    """
    if isinstance(kind, list):
        return ", ".join(_type(branch) for branch in kind if branch != "null") + ", or null" * ("null" in kind)
    if not isinstance(kind, dict):
        return str(kind)
    if kind["type"] == "array":
        return f"list of {_type(kind['items'])}"
    if kind["type"] == "map":
        return f"map of {_type(kind['values'])}"
    return f"`{kind['name']}`" if kind["type"] == "record" else _type(kind["type"])


def _default(field: dict[str, Any]) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else ""


def _records(kind: Any) -> Iterator[dict[str, Any]]:
    """Every record defined in a type, outer ones first."""
    inner = kind if isinstance(kind, list) else []
    if isinstance(kind, dict):
        if kind["type"] == "record":
            yield kind
        inner = [field["type"] for field in kind.get("fields", [])]
        inner += [kind[key] for key in ("items", "values") if key in kind]
    for part in inner:
        yield from _records(part)


if __name__ == "__main__":
    print(page(), end="")
