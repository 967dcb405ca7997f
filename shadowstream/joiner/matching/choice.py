"""Which store finds the matches of a task: the kind of identity decides."""

from __future__ import annotations

from shadowstream.ahead import Ahead
from shadowstream.config import Config
from shadowstream.joiner.matching.by_event_time import Occurrences
from shadowstream.joiner.matching.by_input import Groups
from shadowstream.joiner.matching.by_unique_id import Waiting
from shadowstream.joiner.matching.matches import Store


def store_of(config: Config, sides: int, ahead: Ahead) -> Store:
    """Return an empty store for the identity of the config."""
    if config.identity.kind == "occurrence":
        return Occurrences(config.judge.window_ms, config.identity.tolerance_ms, ahead)
    if config.identity.outputs == "many":
        return Groups(config.judge.window_ms)
    return Waiting(config.judge.window_ms, sides)
