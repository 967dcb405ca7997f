"""The least that a config must have."""

from typing import TYPE_CHECKING, Any

from shadowstream.config import Config

if TYPE_CHECKING:
    from shadowstream.compare.redact import Redactor

LEAST: dict[str, Any] = {
    "name": "t",
    "inputs": ["in"],
    "production": {"outputs": ["out"]},
    "candidate": {"call": "m:f", "trusted": True},
}


SHOWN: dict[str, Any] = {"examples": {"values": "shown"}}
"""Part of `compare` under which rows show every value."""


def redactor(**compare: Any) -> "Redactor":
    """The redactor of a trial that shows all but what `compare` covers."""
    from shadowstream.compare.redact import Redactor  # not at the top: the checker of chaos knows no codec

    return Redactor.of(least_config(compare=compare))


def shown(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings under which rows show every value, unless `settings` ask for something else."""
    return settings | {"compare": SHOWN | settings.get("compare", {})}


def least_config(**more: Any) -> Config:
    """A config of a topic `in` and a topic `out` that shows every value; `more` as in the YAML file, beside the least
    or in its place."""
    return Config.model_validate(shown(LEAST | more))
