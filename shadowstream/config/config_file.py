"""The config as its file holds it: the trial's keys, and those that name its layers (`shadowstream.config_layers`)."""

from pydantic import Field

from shadowstream.config import Config
from shadowstream.config.model import Preset, empty


class ConfigFile(Config):
    """One trial: one candidate beside one production."""

    extends: str | list[str] = Field(
        default_factory=empty,
        description="YAML files whose values hold where this file gives none; paths are relative to this file, and a "
        "later file wins over an earlier one. Maps are merged. Of criteria, rules and other named items those of both "
        "hold, and this file's in place of one with its name; redacted paths and headers add up; other lists are "
        "replaced",
    )
    preset: Preset | list[Preset] = Field(
        default_factory=empty,
        description="values that are part of shadowstream, below all files. debezium: change events, of which the row "
        "after the change is compared, by key in order of event time, without `before`, `source`, `ts_*` and "
        "`transaction`; debezium-payload: the same as JSON with embedded schemas",
    )
