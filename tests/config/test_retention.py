"""Retention of the trial's topics: bounds below what recovery and corrections need are refused, defaults give way."""

from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.config.retention import RECORD_BYTES_MIN
from shadowstream.topics import UNBOUNDED, Kept
from tests.least_config import least_config

NEEDS: dict[str, Any] = {
    "correctable_ms": 1_000,
    "grace_ms": 200,
    "judge": {"window_ms": 3_000},
    "limits": {"pending_bytes_max": 5_000},
    "identity": {"dedupe_span": 10},
}
NEEDED = {"ms": 4_200, "event_ms": 4_200, "bytes": 5_000 + 10 * RECORD_BYTES_MIN}


@pytest.mark.parametrize("key", NEEDED)
def test_a_bound_below_the_need_is_refused(key: str) -> None:
    assert getattr(least_config(**NEEDS, retention={key: NEEDED[key]}).kept, key) == NEEDED[key]
    with pytest.raises(ValidationError, match=rf"retention\.{key}: {NEEDED[key] - 1} must be at least {NEEDED[key]}"):
        least_config(**NEEDS, retention={key: NEEDED[key] - 1})


def test_labels_lengthen_the_need_of_event_time_only() -> None:
    labels = {"topic": "truth", "path": "a", "horizon_ms": 50_000}
    with pytest.raises(ValidationError, match=r"retention\.event_ms: 54199 must be at least 54200"):
        least_config(**NEEDS, labels=labels, retention={"event_ms": 54_199})
    assert least_config(**NEEDS, labels=labels, retention={"ms": 4_200}).kept.ms == 4_200


def test_null_removes_a_bound() -> None:
    assert least_config(retention={"ms": None, "bytes": None}).kept == Kept(UNBOUNDED, UNBOUNDED, UNBOUNDED)


def test_a_default_gives_way_to_a_greater_need() -> None:
    default = least_config().kept
    assert (default.event_ms, default.ms > 0, default.bytes > 0) == (UNBOUNDED, True, True)
    wide = least_config(correctable_ms=default.ms, limits={"pending_bytes_max": default.bytes})
    assert (wide.kept.ms, wide.kept.bytes) == (wide.kept_ms_min, wide.kept_bytes_min)
    assert wide.kept.ms > default.ms
    assert wide.kept.bytes > default.bytes
