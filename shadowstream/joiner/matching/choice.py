"""Choice of the store that matches records under the identity of the config."""

from shadowstream.config import Config
from shadowstream.future_dates import Ahead
from shadowstream.joiner.matching.by_event_time import EventTimeStore
from shadowstream.joiner.matching.by_input import InputGroupStore
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.matches import Store
from shadowstream.native import library


def store_of(config: Config, sides: int, ahead: Ahead) -> Store:
    if config.identity.kind == "occurrence":
        return EventTimeStore(config.judge.window_ms, config.identity.tolerance_ms, ahead)
    if config.identity.outputs == "many":
        return InputGroupStore(config.judge.window_ms)
    has_texts = config.identity.kind in ("key", "id")  # all others are no bytes
    kernel = library.state(config.schemas.native).kernel if has_texts else None
    return UniqueIdStore(config.judge.window_ms, sides, kernel)
