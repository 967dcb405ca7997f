"""Formats of the values of each side, for one production output topic."""

from shadowstream.config import Config, Format
from shadowstream.records import Side

_SELF_DESCRIBING = Format()


def side_formats(config: Config, topic: str) -> tuple[Format, Format, Format]:
    """The formats of production's output `topic` and of the topics compared with it, indexed by `Side`."""
    formats, candidate, twin = config.schemas.formats, config.candidate, config.twin
    production = formats.get(topic, _SELF_DESCRIBING)
    shadow = _SELF_DESCRIBING
    if candidate.topic is not None:
        shadow = formats.get(candidate.topic, _SELF_DESCRIBING)
    elif candidate.output_format == "bytes":
        # shadowstream's runner writes this topic, without registry headers.
        shadow = production.model_copy(update={"header": False})
    return production, shadow, formats.get(twin.topic, _SELF_DESCRIBING) if twin else _SELF_DESCRIBING


def needs_headers(config: Config, side: Side) -> bool:
    """Whether headers of this side's records may name their schemas."""
    return any(side_formats(config, topic)[side].header for topic in config.production.outputs)
