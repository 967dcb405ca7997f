"""The config turned round: production is the promoted version, the candidate is the old one.

A reject of the turned trial means: roll back. A promote means: the new version is shown to be as good as the old one.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from shadowstream.config import Config, Rule
from shadowstream.errors import ConfigError
from shadowstream.handover.turned_criteria import turned_criteria

Document = dict[str, Any]
_LEFT_OUT = {
    "release": "this trial is no attempt at the release",
    "candidates": "this trial is no attempt at the release",
    "until": "this trial runs until you stop it",
    "bounded": "this trial runs on live inputs",
    "twin": "the twin was a second run of the old version",
}
_CARRIED = ("sample", "exclude", "partitioner", "output_format")
"""Keys of the candidate that are about the traffic and production's topics, not about the candidate."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A turned config as keys and values. `notes`: what changed and why, and what to check."""

    document: Document
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Arguments. `candidate`: section of the old version. `group`: the new version's, None: production's. `ignored`:
    paths of fields that the new version has added."""

    name: str
    candidate: Mapping[str, Any]
    group: str | None = None
    ignored: Sequence[str] = ()


def turned(written: Mapping[str, Any], config: Config, wanted: Wanted) -> Turned:
    """Return the turned config. `written`: the file's keys and values, variables not replaced. Raises `ConfigError`
    where it cannot be turned."""
    found, notes = deepcopy(dict(written)), list[str]()
    for name, why in _LEFT_OUT.items():
        if found.pop(name, None) is not None:
            notes.append(f"{name} is left out: {why}")
    found |= {"name": wanted.name, "watch_over": True}
    found["start"] = "production-group" if config.production.group else "latest"
    production = found["production"]
    if wanted.group is not None:
        production["group"] = wanted.group
    notes.append("production.commits, production.error and identity must hold for the new version as they did before")
    candidate = dict(wanted.candidate)
    if "topic" not in candidate:
        before = written["candidate"]
        candidate = {name: before[name] for name in _CARRIED if name in before} | candidate
    found["candidate"] = candidate
    found["compare"] = _compare(found.get("compare") or {}, config, wanted.ignored, notes)
    judge = found.setdefault("judge", {})
    if judge.pop("group_sequential", None) is not None:
        notes.append("judge.group_sequential is left out: it needs a known end")
    given = judge.get("criteria") or [{"rate": one.rate, "limit": one.limit} for one in config.judge.criteria]
    judge["criteria"], changed = turned_criteria(config.judge.criteria, given)
    _formats(found, candidate)
    return Turned({key: item for key, item in found.items() if item != {}}, [*notes, *changed])


def _compare(compare: Document, config: Config, ignored: Sequence[str], notes: list[str]) -> Document:
    if config.compare.added_fields != "mismatch" and not ignored:
        raise ConfigError(
            f"compare.added_fields: {config.compare.added_fields}: fields that only the new version has would count as "
            "mismatches now, because they are production's; name each of them with --ignore PATH"
        )
    rules = [
        _rule(rule, one, notes) for rule, one in zip(compare.get("rules") or [], config.compare.rules, strict=True)
    ]
    rules += [{"path": path, "ignore": True} for path in ignored]
    for one in compare.get("expected") or []:
        sides = {"production": one.pop("shadow", None), "shadow": one.pop("production", None)}
        one |= {side: value for side, value in sides.items() if value is not None}
        if one.get("call"):
            notes.append(f"expected {one['name']}: {one['call']} gets the new version's value first now; check it")
    for name in ("latency", "checks"):
        if compare.pop(name, None):
            notes.append(f"compare.{name} is left out: it measures the candidate, now the old version")
    return {**compare, **({"rules": rules} if rules else {})}


def _rule(rule: Document, config: Rule, notes: list[str]) -> Document:
    found = dict(rule)
    if config.values:
        found["values"] = _swapped_values(config)
    if config.round_ms and config.shadow_epoch is not None:
        found |= {"epoch": config.shadow_epoch, "shadow_epoch": config.epoch}
    if config.rtol:
        notes.append(f"rule {config.path}: rtol is relative to production's value, now the new version's")
    if config.call is not None:
        notes.append(f"rule {config.path}: {config.call} gets the new version's value first now; check it")
    return found


def _swapped_values(rule: Rule) -> dict[str, str]:
    """Return values with the sides swapped. A key is a value as text, so only texts can change places."""
    swapped = {str(value): key for key, value in rule.values.items() if isinstance(value, str)}
    plain = all(_is_plain_text(key) for key in rule.values)
    if len(swapped) < len(rule.values) or not plain:
        raise ConfigError(
            f"compare.rules: the values of {rule.path} cannot be turned round: they must be texts, each of them once; "
            "take another rule for this path in a copy of the config, and give that to watch-over"
        )
    return swapped


def _is_plain_text(key: str) -> bool:
    """Whether a value that is shown as this text can only be a text.

    >>> [_is_plain_text(key) for key in ("yes", "1.5", "true", "NaN", "")]
    [True, False, False, False, True]
    """
    if key in ("true", "false", "null", "True", "False", "None"):
        return False
    try:
        float(key)
    except ValueError:
        return True
    return False


def _formats(found: Document, candidate: Mapping[str, Any]) -> None:
    """Leave out the formats of topics that the turned trial does not read."""
    schemas = found.get("schemas") or {}
    if not schemas.get("formats"):
        return
    labels = [found["labels"]["topic"]] if found.get("labels") else []
    read = {*found["inputs"], *found["production"]["outputs"], candidate.get("topic"), *labels}
    schemas["formats"] = {topic: one for topic, one in schemas["formats"].items() if topic in read}
