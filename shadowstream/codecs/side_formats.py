"""How the values of each side of a family of topics are written."""

from __future__ import annotations

from shadowstream.config import Config, Format
from shadowstream.records import Side

_SELF_TELLING = Format()


def side_formats(config: Config, topic: str) -> tuple[Format, Format, Format]:
    """By `Side`, of production's output `topic` and what is compared with it."""
    formats, candidate, twin = config.schemas.formats, config.candidate, config.twin
    production = formats.get(topic, _SELF_TELLING)
    shadow = _SELF_TELLING
    if candidate.topic is not None:
        shadow = formats.get(candidate.topic, _SELF_TELLING)
    elif candidate.output_format == "bytes":
        # Written by our runner, which puts no header of a registry there.
        shadow = production.model_copy(update={"header": False})
    return production, shadow, formats.get(twin.topic, _SELF_TELLING) if twin else _SELF_TELLING


def needs_headers(config: Config, side: Side) -> bool:
    """Whether headers of this side's records may name their schemas."""
    return any(side_formats(config, topic)[side].header for topic in config.production.outputs)
