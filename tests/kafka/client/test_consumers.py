"""The operator's settings reach the client, and none of those on which a guarantee depends can be changed."""

from typing import Any

import pytest

from shadowstream.config.client_properties import ALIASES, KINDS, OWNED_PROPERTIES
from shadowstream.kafka.client.consumers import effects_settings, group_settings
from tests.least_config import least_config

ROLES = "runner", "joiner", "labels"


def settings(role: str, protocol: str, client: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = least_config(kafka={"bootstrap": "b:9092", "group_protocol": protocol, "client": client}, **more)
    return group_settings(config, role, "0")


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("role", ROLES)
def test_each_setting_is_the_operators_or_owned_by_the_project(role: str, protocol: str) -> None:
    by_default = settings(role, protocol, {})
    open_ones = {name: 1_000_000 for name in by_default if KINDS.get(name) == "number"}
    assert {"session.timeout.ms", "fetch.wait.max.ms"} & set(open_ones)
    changed = settings(role, protocol, open_ones)
    assert {name: changed[name] for name in open_ones} == open_ones
    kept = set(by_default) & OWNED_PROPERTIES
    assert kept >= {"isolation.level", "enable.auto.commit", "auto.offset.reset"}
    assert {name: changed[name] for name in kept} == {name: by_default[name] for name in kept}


def test_the_rate_limit_bounds_the_queue_whatever_the_operator_sets() -> None:
    limits = {"bytes_per_s": 500_000}
    found = settings("joiner", "classic", {"queued.max.messages.kbytes": 65_536}, limits=limits)
    assert found["queued.max.messages.kbytes"] == 500


def test_the_operator_tunes_writers_but_the_judges_stays_uncompressed() -> None:
    client = {"compression.type": "zstd", "linger.ms": 50, "queue.buffering.max.messages": 10_000}
    config = least_config(kafka={"bootstrap": "b:9092", "client": client})
    assert not {ALIASES.get(name, name) for name in effects_settings(config, "joiner")} & set(config.kafka.client)
    assert effects_settings(config, "judge")["compression.codec"] == "none"
