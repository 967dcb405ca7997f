"""Choice of the store that matches records under the identity of the config."""

from shadowstream.config import Config
from shadowstream.future_dates import Ahead
from shadowstream.joiner.matching.by_event_time import EventTimeStore
from shadowstream.joiner.matching.by_input import InputGroupStore
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import Store


def store_of(config: Config, sides: int, ahead: Ahead) -> Store:
    if config.identity.kind == "occurrence":
        return EventTimeStore(config.judge.window_ms, config.identity.tolerance_ms, ahead)
    if config.identity.outputs == "many":
        return InputGroupStore(config.judge.window_ms)
    return UniqueIdStore(config.judge.window_ms, sides)
