"""The least that a config must have."""

from typing import Any

from shadowstream.config import Config

LEAST: dict[str, Any] = {
    "name": "t",
    "inputs": ["in"],
    "production": {"outputs": ["out"]},
    "candidate": {"call": "m:f", "trusted": True},
}


def least_config(**more: Any) -> Config:
    """A config of a topic `in` and a topic `out`; `more` as in the YAML file, beside the least or in its place."""
    return Config.model_validate(LEAST | more)
