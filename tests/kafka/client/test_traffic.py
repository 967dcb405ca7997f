"""What the statistics of librdkafka show: bytes, connected brokers and delays by quotas."""

import json
from typing import Any

import pytest
from prometheus_client import generate_latest

from shadowstream.health import RoleHealth
from shadowstream.kafka.client.traffic import TrafficMeter
from tests.metrics.scraping import Scrape


def report(rx_bytes: int, **brokers: tuple[str, int]) -> str:
    """Statistics as librdkafka writes them (STATISTICS.md), of brokers with their state and longest delay in ms."""
    described: dict[str, Any] = {
        name: {"nodeid": place, "state": state, "throttle": {"min": 0, "max": delay_ms, "avg": delay_ms // 2, "cnt": 1}}
        for place, (name, (state, delay_ms)) in enumerate(brokers.items())
    }
    return json.dumps({"rx_bytes": rx_bytes, "brokers": described})


def test_bytes_add_up_and_brokers_and_delays_are_the_present_ones() -> None:
    watch = RoleHealth("metered", "joiner")
    meter = TrafficMeter(watch)
    first, second = (meter.settings()["stats_cb"] for _ in range(2))

    def shown(name: str) -> float:
        return Scrape.of(generate_latest(watch.metrics.registry).decode()).value(name, role="joiner")

    first(report(100, a=("UP", 0), b=("UP", 1_500), c=("INIT", 0)))
    assert (shown("brokers_up"), shown("throttled_seconds")) == (2, 1.5)
    second(report(30))
    first(report(140, a=("DOWN", 0)))
    assert (shown("brokers_up"), shown("throttled_seconds"), shown("received_bytes_total")) == (0, 0, 170)
    assert meter.total == 170


def test_throttling_is_an_event_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    show = TrafficMeter(RoleHealth("metered", "joiner")).settings()["stats_cb"]
    show(report(100, a=("UP", 0)))
    assert not caplog.records
    for _ in range(3):
        show(report(200, a=("UP", 1_500)))
    (event,) = [record.msg for record in caplog.records]
    assert isinstance(event, dict)
    assert (event["event"], event["longest_s"], event["role"]) == ("throttled", 1.5, "joiner")
