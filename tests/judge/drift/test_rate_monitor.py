import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.own import decode, encode
from shadowstream.config import Drift
from shadowstream.judge.drift.rate_monitor import EXIT_SHARE, HORIZON_WINDOWS, WINDOWS, RateMonitor, Subject
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from tests.judge.stats_records import HOUR_MS, REVISION


def watch(**drift: Any) -> RateMonitor:
    settings = Drift.model_validate(drift)
    return RateMonitor(Subject("mismatch", "pairs", 0.01), settings, REVISION, alarm_level(4, HORIZON_WINDOWS, 1.0))


def fed(watching: RateMonitor, rates: list[tuple[int, int]], first_hour: int = 0) -> list[dict[str, Any]]:
    """Events of windows of (n, s), an hour each."""
    events: list[dict[str, Any]] = []
    for hour, (n, s) in enumerate(rates, start=first_hour):
        events += watching.feed(hour * HOUR_MS, (hour + 1) * HOUR_MS, n, s)
    return events


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["event"], event["detector"], event["direction"]) for event in events]


def test_a_candidate_that_always_agrees_raises_nothing() -> None:
    assert fed(watch(), [(40, 0)] * 9_000) == []


def test_a_steady_rate_under_the_limit_raises_nothing() -> None:
    draw = random.Random(3)
    hours = [(400, sum(draw.random() < 0.004 for _ in range(400))) for _ in range(700)]
    assert fed(watch(), hours) == []


def test_a_jump_over_the_limit_opens_an_incident_in_its_first_windows() -> None:
    watching = watch()
    events = fed(watching, [(500, 0)] * 200 + [(500, 40)] * 5)
    assert kinds(events[:2]) == [("flag", "sr", "up"), ("opened", "sr", "up")]
    assert events[0]["window_start_ms"] == 200 * HOUR_MS
    assert watching.incident is not None
    assert (
        {event["incident"] for event in events}
        == {watching.incident.id}
        == {f"mismatch-{200 * HOUR_MS}-{REVISION[:12]}"}
    )
    assert events[1]["before"] == 0
    # The window of the jump and the two before it.
    assert events[1]["after"] == pytest.approx(40 / 1500)


def test_a_small_change_that_lasts_is_found_by_adwin() -> None:
    # .2 % to .9 % under a limit of 1 %: nothing for the level, much for the trend.
    draw = random.Random(7)
    hours = [(2000, sum(draw.random() < rate for _ in range(2000))) for rate in [0.002] * 150 + [0.009] * 150]
    watching = watch()
    events = fed(watching, hours)
    assert kinds(events) == [("flag", "adwin", "up"), ("opened", "adwin", "up")]
    assert events[0]["window_start_ms"] >= 150 * HOUR_MS
    assert events[1]["after"] - events[1]["before"] >= 0.5 * 0.01


def test_a_change_too_small_at_the_alarm_opens_once_it_has_grown() -> None:
    """The alarm is there already and does not come a second time."""
    watching = watch(min_effect=2.0)
    assert kinds(fed(watching, [(500, 0)] * 100 + [(500, 7)] * 60)) == [("flag", "sr", "up"), ("flag", "adwin", "up")]
    events = fed(watching, [(500, 60)] * 3, first_hour=160)
    assert kinds(events) == [("flag", "sr", "up"), ("opened", "sr", "up")]
    assert events[-1]["after"] - events[-1]["before"] >= 0.02
    assert fed(watching, [(500, 60)] * 3, first_hour=163) == []


def test_ups_and_downs_of_a_fault_from_the_start_are_no_change() -> None:
    draw = random.Random(11)
    watching = watch()
    events = fed(watching, [(300, sum(draw.random() < 0.1 for _ in range(300))) for _ in range(3_000)])
    assert [event for event in events if event["event"] == "opened"] == []
    assert [event["detector"] for event in events].count("sr") == 1


def test_an_improvement_is_reported_and_opens_nothing() -> None:
    watching = watch()
    events = fed(watching, [(500, 4)] * 100 + [(500, 0)] * 200)
    assert {event["direction"] for event in events if event["detector"] == "adwin"} == {"down"}
    assert ("flag", "adwin", "down") in kinds(events)
    assert watching.incident is None
    assert all(event["incident"] == "" for event in events)


def test_a_change_smaller_than_the_least_effect_opens_nothing() -> None:
    hours = [(2000, 2)] * 150 + [(2000, 18)] * 150
    small, enough = watch(min_effect=0.9), watch(min_effect=0.5)
    assert [event["event"] for event in fed(small, hours)] == ["flag"]
    assert [event["event"] for event in fed(enough, hours)] == ["flag", "opened"]


def test_what_was_wrong_from_the_first_record_is_no_change() -> None:
    watching = watch()
    events = fed(watching, [(500, 150)] * 300)
    assert kinds(events) == [("flag", "sr", "up")]
    assert watching.incident is None
    assert watching.lasting is None


def test_of_an_open_incident_each_detector_is_shown_once_and_then_counted() -> None:
    watching = watch()
    # Between the exit rate of .5 % and the 4 % at which ADWIN's values are cut.
    hours = [(500, 0)] * 100 + ([(500, 18)] * 100 + [(500, 4)] * 100) * 2
    events = fed(watching, hours)
    assert kinds(events) == [("flag", "sr", "up"), ("opened", "sr", "up"), ("flag", "adwin", "up")]
    assert watching.incident is not None
    assert watching.incident.flags > 2


def test_an_incident_closes_after_enough_windows_under_the_exit_rate() -> None:
    watching = watch()
    fed(watching, [(500, 0)] * 100 + [(500, 40)] * 4)
    assert watching.incident is not None
    exit_units = int(500 * 0.01 * EXIT_SHARE)
    # At the exit rate or above it the count begins anew.
    assert fed(watching, [(500, exit_units)] * (WINDOWS - 1) + [(500, exit_units + 1)], 104) == []
    events = fed(watching, [(500, exit_units)] * WINDOWS, 110)
    assert kinds(events) == [("closed", "sr", "down")]
    assert events[0]["incident"] == f"mismatch-{100 * HOUR_MS}-{REVISION[:12]}"
    assert events[0]["window_end_ms"] == (110 + WINDOWS) * HOUR_MS
    assert watching.incident is None


def test_what_comes_again_opens_another_incident() -> None:
    watching = watch()
    hours = [(500, 0)] * 50 + [(500, 40)] * 4 + [(500, 0)] * 4 + [(500, 40)] * 2
    opened = [event for event in fed(watching, hours) if event["event"] == "opened"]
    assert [event["incident"] for event in opened] == [
        f"mismatch-{50 * HOUR_MS}-{REVISION[:12]}",
        f"mismatch-{58 * HOUR_MS}-{REVISION[:12]}",
    ]
    # Against what it was when it was quiet again, not against a past that holds the first incident.
    assert [event["before"] for event in opened] == [0, 0]


def test_an_incident_that_does_not_go_away_shows_the_candidate_bad() -> None:
    watching = watch()
    fed(watching, [(500, 0)] * 100)
    lasting = []
    for hour in range(100, 101 + WINDOWS):
        fed(watching, [(500, 40)], hour)
        lasting.append(watching.lasting)
    assert lasting[:-1] == [None] * WINDOWS
    assert "has not gone away" in str(lasting[-1])


def test_sparse_windows_are_merged_before_they_are_judged() -> None:
    watching = watch(min_records=200)
    events = fed(watching, [(20, 0)] * 500 + [(20, 4)] * 10)
    # Ten hours make one window of 200.
    assert [(event["event"], event["window_start_ms"], event["window_end_ms"]) for event in events] == [
        ("flag", 500 * HOUR_MS, 510 * HOUR_MS),
        ("opened", 500 * HOUR_MS, 510 * HOUR_MS),
    ]


def test_every_event_can_be_written_and_read() -> None:
    events = fed(watch(), [(500, 0)] * 100 + [(500, 40)] * 100 + [(500, 0)] * 100)
    assert {event["event"] for event in events} == {"flag", "opened", "closed"}
    assert [decode(encode("drift", event))[1] for event in events] == events


def test_a_detector_whose_state_is_damaged_begins_anew_and_says_so() -> None:
    watching = watch()
    fed(watching, [(500, 0)] * 50)
    state = json.loads(json.dumps(watching.snapshot()))
    state["adwin"]["values"][3] = 0.5
    after = watch()
    events = after.restore(state)
    assert kinds(events) == [("restarted", "adwin", "up")]
    assert "began anew" in events[0]["reason"]
    assert decode(encode("drift", events[0]))[1] == events[0]
    assert [event["event"] for event in fed(after, [(500, 40)] * 3, 50)] == ["flag", "opened"]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cut=st.integers(0, 160),
    levels=st.lists(st.sampled_from([0.0, 0.004, 0.05]), min_size=1, max_size=4),
)
def test_a_restart_at_any_point_gives_the_same_events(seed: int, cut: int, levels: list[float]) -> None:
    draw = random.Random(seed)
    hours = [
        (n := draw.randint(1, 400), min(n, round(n * level * 2 * draw.random()))) for level in levels for _ in range(40)
    ]
    whole, before, after = watch(), watch(), watch()
    expected = fed(whole, hours)
    events = fed(before, hours[:cut])
    assert after.restore(json.loads(json.dumps(before.snapshot()))) == []
    assert events + fed(after, hours[cut:], min(cut, len(hours))) == expected
    assert after.snapshot() == whole.snapshot()
    assert after.lasting == whole.lasting


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 1)), min_size=1, max_size=12), st.integers(0, 300))
def test_the_rest_of_a_window_is_read_with_the_window(parts: list[tuple[int, int]], rest: int) -> None:
    """Sub-windows and the rest are together the evidence of the whole window, which counts as one."""
    at_once, in_parts = watch(min_records=1), watch(min_records=1)
    n, s = sum(part[0] for part in parts) + rest, sum(part[1] for part in parts)
    for hour in range(3):
        for number, part in enumerate(parts):
            at_ms = hour * HOUR_MS + number * HOUR_MS // 12
            in_parts.feed_sub_window(at_ms, at_ms + HOUR_MS // 12, *part)
        for monitor in (at_once, in_parts):
            monitor.feed(hour * HOUR_MS, (hour + 1) * HOUR_MS, n, s)
        assert in_parts.log_evidence == pytest.approx(at_once.log_evidence, abs=1e-9)


def test_the_window_in_which_an_incident_opens_is_no_later_one() -> None:
    watching = watch()
    fed(watching, [(500, 1)] * 100)
    at_ms = 100 * HOUR_MS
    events = watching.feed_sub_window(at_ms, at_ms + HOUR_MS // 12, 100, 40)
    assert kinds(events) == [("flag", "sr", "up"), ("opened", "sr", "up")]
    assert (events[1]["window_start_ms"], events[1]["after"]) == (at_ms, 0.4)
    assert watching.incident is not None
    watching.feed(at_ms, at_ms + HOUR_MS, 500, 200)
    assert watching.incident.windows == 0
    fed(watching, [(500, 200)], first_hour=101)
    assert watching.incident.windows == 1


def test_a_steady_rate_rises_and_a_season_does_not() -> None:
    """One has 5 bad of 500 each hour, the other 2 or 9, by the time of day; then both have 22, at a limit of 2 %."""
    found = []
    for quiet in ([(500, 5)] * 240, [(500, 2 if hour % 24 < 14 else 9) for hour in range(240)]):
        watching = RateMonitor(Subject("mismatch", "pairs", 0.02), Drift(), REVISION, 50_000, season_ms=24 * HOUR_MS)
        assert fed(watching, quiet) == []
        events = fed(watching, [(500, 22)], first_hour=240)
        found.append([event["event"] for event in events])
    assert found == [["flag", "opened"], []]
