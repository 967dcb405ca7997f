"""Made series for each alert: one on which it fires, with the words that it then has, and one on which it is silent.

Series are in promtool's notation, one sample a minute: `1x3` is 1 four times, `0+5x3` is 0, 5, 10, 15.
"""

from typing import NamedTuple

from shadowstream.metrics import PREFIX


class Case(NamedTuple):
    """`labels` are those of the alert, `value` its value as people read it. Series are without the prefix."""

    fires: dict[str, str]
    at: str
    labels: dict[str, str]
    value: str
    silent: dict[str, str]


ONE = {"job": "fraud", "instance": "host:9464"}
TRIAL = {"shadow": "fraud"}


def series(name: str, **labels: str) -> str:
    """Return a series of the process `ONE` of the trial."""
    prefix, trial = ("", {}) if name.startswith("process_") else (PREFIX, TRIAL)
    return prefix + name + "{" + ",".join(f'{key}="{value}"' for key, value in (ONE | trial | labels).items()) + "}"


def one(role: str = "", **labels: str) -> dict[str, str]:
    """Return the labels of an alert on the process `ONE`."""
    return TRIAL | ONE | ({"role": role} if role else {}) | labels


JOINER = {"role": "joiner", "side": "production"}
INPUT = {"role": "runner", "side": "input"}
OTHER = {"instance": "other:9464"}
CASES = {
    "ShadowstreamRejected": Case(
        {series("verdict", decision="reject"): "0 1x9"},
        "2m",
        one(decision="reject"),
        "1",
        {series("verdict", decision="reject"): "0x9", series("verdict", decision="not_yet"): "1x9"},
    ),
    "ShadowstreamIncidentOpen": Case(
        {series("incidents_open"): "0 2x9"}, "2m", one(), "2", {series("incidents_open"): "0x9"}
    ),
    "ShadowstreamVerdictStale": Case(
        {series("last_verdict_timestamp_seconds"): "0x20"},
        "10m",
        one(),
        "10m 0s",
        {series("last_verdict_timestamp_seconds"): "0+60x20"},
    ),
    "ShadowstreamCoverageLow": Case(
        {series("coverage", side="candidate"): "0.95x30", series("coverage_minimum"): "0.99x30"},
        "20m",
        one(side="candidate"),
        "95%",
        {
            series("coverage", side="candidate"): "0.99x30",
            series("coverage", side="production"): "0.5x9 1x20",
            series("coverage_minimum"): "0.99x30",
        },
    ),
    "ShadowstreamLedgerRemainder": Case(
        {series("conservation_remainder"): "-3x20"}, "15m", one(), "-3", {series("conservation_remainder"): "5x5 0x20"}
    ),
    "ShadowstreamDeliveryFails": Case(
        {series("deliveries_total", target="webhook", result="failed"): "0+1x40"},
        "30m",
        TRIAL | {"target": "webhook"},
        "15",
        {
            series("deliveries_total", target="webhook", result="failed"): "5x40",
            series("deliveries_total", target="webhook", result="delivered"): "0+1x40",
        },
    ),
    "ShadowstreamCandidateFails": Case(
        {
            series("records_total", **INPUT, outcome="error"): "0+6x40",
            series("records_total", **INPUT, outcome="timeout"): "0+4x40",
            series("records_total", **INPUT, outcome="with_output"): "0+90x40",
        },
        "30m",
        TRIAL,
        "10%",
        {
            series("records_total", **INPUT, outcome="error"): "0+4x40",
            series("records_total", **INPUT, outcome="undecodable"): "0+50x40",
            series("records_total", **INPUT, outcome="with_output"): "0+96x40",
        },
    ),
    "ShadowstreamSnapshotsFail": Case(
        {series("snapshots_total", result="too_large"): "0 0 1x20"},
        "3m",
        TRIAL | {"result": "too_large"},
        "1",
        {series("snapshots_total", result="written"): "0+1x20"},
    ),
    "ShadowstreamLagGrows": Case(
        {series("lag_records", **JOINER): "0+200x60"},
        "45m",
        one(**JOINER),
        "7k",
        {
            series("lag_records", **JOINER): "50000x60",
            series("lag_records", **INPUT): "0+10x60",
        },
    ),
    "ShadowstreamSideNotRead": Case(
        {
            series("lag_records", **JOINER): "500x60",
            series("records_total", **JOINER, outcome="match"): "100x60",
            series("records_total", **(JOINER | {"side": "shadow"}), outcome="match"): "0+9x60",
        },
        "45m",
        one(**JOINER),
        "500",
        {
            series("lag_records", **JOINER): "500x60",
            series("records_total", **JOINER, outcome="match"): "100x60",
            series("records_total", **JOINER, outcome="missing"): "0+9x60",
            series("lag_records", role="labels", side="labels"): "500x60",
            series("lag_records", **INPUT): "500x60",  # of a candidate that is a job of its own
        },
    ),
    "ShadowstreamDeadLetters": Case(
        {series("records_total", **JOINER, outcome="undecodable_production"): "_x10 3x20"},
        "12m",
        TRIAL | JOINER | {"outcome": "undecodable_production"},
        "3",
        {
            series("records_total", **JOINER, outcome="undecodable_input"): "0+1x20",
            series("records_total", **JOINER, outcome="match"): "0+1x20",
        },
    ),
    "ShadowstreamEvictions": Case(
        {series("records_total", **JOINER, outcome="evicted"): "0x30 4x20"},
        "40m",
        TRIAL | {"side": "production"},
        "4",
        {series("records_total", **JOINER, outcome="evicted"): "7x60"},
    ),
    "ShadowstreamMemoryFull": Case(
        {series("shed_level"): "2x20", series("spill_full"): "0x20"},
        "10m",
        one(),
        "2",
        {series("shed_level"): "0x20", series("spill_full"): "1 1 0x20"},
    ),
    "ShadowstreamRoleDown": Case(
        {series("build_info", role="judge", version="1", revision="ab"): "1x10 stale"},
        "20m",
        TRIAL | {"role": "judge"},
        "1",
        {
            series("build_info", role="judge", version="1", revision="ab"): "1x10 stale",
            series("build_info", role="judge", version="2", revision="cd", **OTHER): "_x9 1x20",
        },
    ),
    "ShadowstreamRoleStuck": Case(
        {series("heartbeat_timestamp_seconds", role="joiner"): "0x20"},
        "10m",
        one("joiner"),
        "10m 0s",
        {series("heartbeat_timestamp_seconds", role="joiner"): "0+60x20"},
    ),
    "ShadowstreamRoleNotReady": Case(
        {series("ready", role="joiner"): "0x30"},
        "20m",
        one("joiner"),
        "0",
        {series("ready", role="joiner"): "0x14 1x20"},
    ),
    "ShadowstreamRoleRestarts": Case(
        {
            series("process_start_time_seconds"): "1 2 3 4x40",
            series("build_info", role="runner", version="1", revision="ab"): "1x40",
        },
        "20m",
        one("runner"),
        "3",
        {
            series("process_start_time_seconds"): "1 2 3x40",
            series("build_info", role="runner", version="1", revision="ab"): "1x40",
            series("process_start_time_seconds", **OTHER): "0+1x40",
        },
    ),
    "ShadowstreamBrokersUnreachable": Case(
        {series("brokers_up", role="runner"): "0x10"},
        "5m",
        one("runner"),
        "0",
        {series("brokers_up", role="runner"): "1 1 0 0 1x10"},
    ),
    "ShadowstreamThrottled": Case(
        {series("throttled_seconds", role="joiner"): "2x30"},
        "20m",
        one("joiner"),
        "2s",
        {series("throttled_seconds", role="joiner"): "0x9 4 0x9 4 0x9"},
    ),
    "ShadowstreamCommitsFail": Case(
        {series("aborts_total", role="joiner"): "0x20 5x20"},
        "25m",
        TRIAL | {"role": "joiner"},
        "5",
        {series("aborts_total", role="joiner"): "0x20 3x20"},
    ),
}
