"""Three candidates, each a function of one flight and an entry point of this module.

All score with production's frozen model, whose file the environment variable `SHADOWSTREAM_DEMO_MODEL` names, and
sign with another name, so that no output is byte-equal to production's and every pair is compared.

- `same` gives production's answers.
- `worse` calls a flight late from a score of 0.35 on instead of 0.5: wrong from the first day.
- `late_bug` gives production's answers until 1 July. From then on it expects United's new feed, which was announced
  to give delays in seconds, and divides by 60. The feed never changed, so the minutes become sixtieths.
"""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from shadowstream.demo.model import Frozen
from shadowstream.errors import ConfigError

MODEL_VARIABLE = "SHADOWSTREAM_DEMO_MODEL"
NAME = "delays-2013.2-candidate"
WORSE_LATE_FROM = 0.35
BUG_CARRIER = "UA"
BUG_FROM_MS = 1_372_651_200_000
"""2013-07-01 00:00 in New York (04:00 UTC)."""

Value = Mapping[str, Any]


def judge_same(model: Frozen, flight: Value) -> dict[str, Any]:
    return model.judge(flight, NAME)


def judge_worse(model: Frozen, flight: Value) -> dict[str, Any]:
    return model.judge(flight, NAME, late_from=WORSE_LATE_FROM)


def judge_late_bug(model: Frozen, flight: Value) -> dict[str, Any]:
    if flight["carrier"] == BUG_CARRIER and flight["scheduled_ms"] >= BUG_FROM_MS and flight["dep_delay"] is not None:
        flight = {**flight, "dep_delay": flight["dep_delay"] / 60}
    return model.judge(flight, NAME)


JUDGES: Mapping[str, Callable[[Frozen, Value], dict[str, Any]]] = MappingProxyType(
    {"same": judge_same, "worse": judge_worse, "late_bug": judge_late_bug}
)
"""Every candidate by the name of its entry point."""


@cache
def model() -> Frozen:
    """The model that `SHADOWSTREAM_DEMO_MODEL` names, read once. Raises ConfigError without one."""
    path = os.environ.get(MODEL_VARIABLE)
    if not path:
        raise ConfigError(f"{MODEL_VARIABLE} is not set: it names the JSON file of the demo's model")
    return Frozen.from_file(Path(path))


def same(value: dict[str, Any]) -> dict[str, Any]:
    """A candidate that changes only the name it signs with."""
    return judge_same(model(), value)


def worse(value: dict[str, Any]) -> dict[str, Any]:
    """A candidate with a lower threshold."""
    return judge_worse(model(), value)


def late_bug(value: dict[str, Any]) -> dict[str, Any]:
    """A candidate with a unit error for one carrier from 1 July on."""
    return judge_late_bug(model(), value)
