"""One cause is one incident, named after the slice that holds it: through the whole judge."""

import random
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.drift import incident_groups
from shadowstream.judge.evidence import slice_excess
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.test_step import JudgeLoop

CARRIERS = {"UA": 6, "DL": 12, "B6": 10, "AA": 10}


def sliced() -> Config:
    return Config.model_validate(
        config().model_dump() | {"compare": {"dimensions": [{"name": "carrier", "path": "carrier"}]}}
    )


def hour_of(hour: int, bad: dict[str, int], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """An hour of 38 flights in which so many of each carrier's differ, in two fields each; fewer without some."""
    flights = {carrier: n for carrier, n in CARRIERS.items() if carrier not in without}
    total, every = sum(bad.values()), sum(flights.values())
    found = cell(
        hour * HOUR_MS,
        fields={"score": total, "late": total} if total else {},
        match=every - total,
        mismatch=total,
        input=every,
    )
    found["slices"] = [
        {"dimensions": ["carrier"], "values": [carrier], "n": n, "s": bad.get(carrier, 0)}
        for carrier, n in flights.items()
    ]
    return found


def run(hours: list[dict[str, int]], restarts: tuple[int, ...] = (), ua_until: int = 10_000) -> JudgeLoop:
    """`ua_until`: the hour from which on UA does not fly any more."""
    loop = JudgeLoop(settings=sliced())
    for hour, bad in enumerate(hours):
        record = hour_of(hour, bad, ("UA",) if hour >= ua_until else ())
        loop.give(stats("scores/0", hour + 1, record, watermark_ms=(hour + 1) * HOUR_MS))
        if hour % 100 == 99 or hour in restarts:
            loop.evaluate()
        if hour in restarts:
            loop.restart()
    loop.evaluate()
    return loop


def test_a_late_fault_of_one_carrier_is_one_incident_named_after_it() -> None:
    loop = run([{}] * 500 + [{"UA": 6}] * 100)
    opened = [event for event in loop.of("drift") if event["event"] == "opened"]
    assert [event["incident"] for event in opened] == [
        f"mismatch:carrier=UA-{opened[0]['window_start_ms']}-{REVISION[:12]}"
    ]
    assert 490 * HOUR_MS <= opened[0]["window_start_ms"] <= 510 * HOUR_MS
    (event,) = opened
    assert (event["subject"], event["units"], event["limit"]) == ("mismatch:carrier=UA", "pairs", 0.01)
    # The change begins with the first merged window over the limit; the flights of the carrier count from there on.
    since, until = event["since_ms"] // HOUR_MS, event["window_end_ms"] // HOUR_MS
    assert since <= 500 < until
    assert (event["n"], event["bad"]) == (CARRIERS["UA"] * (until - since), CARRIERS["UA"] * (until - 500))
    last = loop.of("verdict")[-1]
    assert last["decision"] == "reject"
    assert last["slices"][0]["values"] == ["UA"]
    assert len(last["slices"]) == 1
    (incident,) = last["incidents"]
    assert incident["subject"] == "mismatch:carrier=UA"
    assert {"mismatch", "mismatch:carrier=UA", "mismatch:score"} <= set(incident["members"])
    assert incident["absorbed"] == len(incident["members"]) - 1
    assert "carrier=UA" in incident["reason"]


def within(record: dict[str, Any], hour: int) -> dict[str, Any]:
    """The hour with its outcomes in its first sub-window."""
    outcomes = {name: n for name, n in record["outcomes"].items() if name != "input"}
    return record | {
        "width_ms": HOUR_MS,
        "sub_windows": [{"number": 0, "outcomes": outcomes}],
        "start_ms": hour * HOUR_MS,
    }


def test_an_incident_that_opens_within_a_window_is_named_later() -> None:
    loop = JudgeLoop(settings=sliced())
    for hour in range(112):
        record = within(hour_of(hour, {"UA": 6} if hour >= 100 else {}), hour)
        loop.give(stats("scores/0", hour + 1, record, watermark_ms=(hour + 1) * HOUR_MS))
        if hour >= 98:
            loop.evaluate()
            loop.restart()
    opened, named = (event for event in loop.of("drift") if event["event"] in ("opened", "named"))
    first_ms = 100 * HOUR_MS
    assert (opened["event"], opened["subject"], opened["since_ms"]) == ("opened", "mismatch", first_ms)
    assert (opened["n"], opened["bad"]) == (38, 6)
    assert "(6 of 38 pairs) since 1970-01-05 04:00 UTC" in opened["reason"]
    assert (named["incident"], named["subject"]) == (opened["incident"], "mismatch:carrier=UA")
    assert named["since_ms"] <= first_ms < named["window_end_ms"]
    hours, bad_hours = ((named["window_end_ms"] - at_ms) // HOUR_MS for at_ms in (named["since_ms"], first_ms))
    assert (named["n"], named["bad"]) == (6 * hours, 6 * bad_hours)
    (incident,) = loop.of("verdict")[-1]["incidents"]
    assert (incident["id"], incident["subject"]) == (opened["incident"], named["subject"])
    assert incident["reason"] == named["reason"] == f"{opened['reason']}; the excess is in carrier=UA"


def test_a_null_run_lists_nothing_and_opens_nothing() -> None:
    draw = random.Random(2)
    loop = run([{name: int(draw.random() < 0.005 * n) for name, n in CARRIERS.items()} for _ in range(700)])
    assert [event for event in loop.of("drift") if event["event"] == "opened"] == []
    assert loop.of("verdict")[-1]["slices"] == []


def test_the_incident_closes_when_all_that_was_bad_is_quiet() -> None:
    loop = run([{}] * 300 + [{"UA": 6}] * 60 + [{}] * 400)
    kinds = [event["event"] for event in loop.of("drift") if event["event"] in ("opened", "closed")]
    assert kinds == ["opened", "closed"]
    first, last = (event for event in loop.of("drift") if event["event"] in ("opened", "closed"))
    assert first["incident"] == last["incident"]


def test_the_incident_of_an_absent_slice_ends_after_a_season() -> None:
    """Else one value that has gone away would hold promote back for ever."""
    loop = run([{}] * 300 + [{"UA": 6}] * 60 + [{}] * 100, ua_until=360)
    opened, closed = (event for event in loop.of("drift") if event["event"] in ("opened", "closed"))
    assert (opened["event"], closed["event"]) == ("opened", "closed")
    assert opened["incident"] == closed["incident"]
    assert "carrier=UA" in opened["incident"]
    assert closed["criterion"] == "mismatch:carrier=UA"
    assert "is gone" in closed["reason"]
    assert loop.of("verdict")[-1]["incidents_open"] == []
    # It is no quiet day that ends it, but one without a record.
    ended = [event["event"] for event in run([{}] * 300 + [{"UA": 6}] * 60 + [{}] * 23, ua_until=360).of("drift")]
    assert "closed" not in ended


def test_a_slice_that_returns_equally_bad_is_another_incident() -> None:
    hours = [{}] * 300 + [{"UA": 6}] * 60
    loop = run([*hours, *[{}] * 60], ua_until=360)
    for hour in range(420, 560):
        loop.give(stats("scores/0", hour + 1, hour_of(hour, {"UA": 6}), watermark_ms=(hour + 1) * HOUR_MS))
    loop.evaluate()
    kinds = [event["event"] for event in loop.of("drift") if event["event"] in ("opened", "closed")]
    assert kinds == ["opened", "closed", "opened"]
    opened = [event for event in loop.of("drift") if event["event"] == "opened"]
    assert len({event["incident"] for event in opened}) == 2


def noise(hours: list[tuple[int, int]], correct_after: int = 0) -> JudgeLoop:
    """Hours of 200 pairs in which so many differ of the candidate alone, and of the twin alone; then corrections."""
    loop = JudgeLoop(settings=config(criteria=[{"rate": "twin", "limit": 0.6}], drift={"min_records": 40}))
    for hour, (shadow, twin) in enumerate(hours):
        one = cell(hour * HOUR_MS, match=200, input=200, joint_shadow=shadow, joint_twin=twin)
        loop.give(stats("scores/0", hour + 1, one, watermark_ms=(hour + 1) * HOUR_MS))
    for late in range(correct_after):
        complete = {"watermark_ms": None, "complete": True}
        loop.give(stats("scores/0", len(hours) + late + 1, cell(0, match=1, missing=-1), **complete))
    loop.evaluate()
    return loop


def test_the_incident_of_an_absent_criterion_ends_after_a_season() -> None:
    """Neither the candidate nor the twin differs any more: no pair is left that could say so."""
    loud = [(20, 20)] * 60 + [(40, 0)] * 20
    kinds = [one["event"] for one in noise([*loud, *[(0, 0)] * 30]).of("drift") if one["event"] != "flag"]
    assert kinds == ["opened", "closed"]
    kinds = [one["event"] for one in noise([*loud, *[(0, 0)] * 20]).of("drift") if one["event"] != "flag"]
    assert kinds == ["opened"]


def test_corrections_after_the_end_are_no_season_without_a_record() -> None:
    loud = [(20, 20)] * 60 + [(40, 0)] * 20
    kinds = [one["event"] for one in noise(loud, correct_after=5).of("drift") if one["event"] != "flag"]
    assert kinds == ["opened"]


def test_a_restart_while_a_slice_is_gone_changes_nothing() -> None:
    hours = [{}] * 200 + [{"UA": 6}] * 60 + [{}] * 60
    whole, cut = run(hours, ua_until=260), run(hours, restarts=(262, 270, 281, 285), ua_until=260)
    assert [one["event"] for one in whole.of("drift")].count("closed") == 1
    assert whole.of("drift") == cut.of("drift")
    assert whole.of("verdict")[-1]["evidence_digest"] == cut.of("verdict")[-1]["evidence_digest"]


def test_a_restart_at_any_commit_gives_the_same_events_and_evidence() -> None:
    hours = [{}] * 200 + [{"UA": 6}] * 80 + [{"DL": 1}] * 40
    whole, cut = run(hours), run(hours, restarts=(7, 150, 201, 206, 233, 280))
    assert whole.of("drift") == cut.of("drift")
    assert whole.of("verdict")[-1]["evidence_digest"] == cut.of("verdict")[-1]["evidence_digest"]


def test_what_there_was_no_room_to_watch_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_groups, "SLICES_MAX", 2)
    monkeypatch.setattr(slice_excess, "CELLS_MAX", 3)
    loop = run([{}] * 30 + [{"UA": 6}] * 5)
    caveats = loop.of("verdict")[-1]["caveats"]
    # In order of their names: AA and B6 were there first.
    (caveat,) = [one for one in caveats if "no room to look" in one]
    assert "mismatch:carrier=DL, mismatch:carrier=UA;" in caveat
    (counted,) = [one for one in caveats if "no room: fewer" in one]
    assert counted.startswith(f"{35 * CARRIERS['UA']} pairs")
    loop.restart()
    assert loop.evaluate()["caveats"] == caveats


def test_what_people_say_is_shown_and_changes_no_evidence() -> None:
    loop = run([{}] * 300 + [{"UA": 6}] * 60)
    before = loop.of("verdict")[-1]
    (incident,) = before["incidents"]
    words = {"by": "ann", "reason": "on it", "at_ms": 5}
    loop.step.command(0, {"command": "ack", "subject": incident["id"], **words})
    loop.step.command(1, {"command": "mute", "subject": incident["id"], "until_ms": 9, **words})
    loop.step.command(2, {"command": "override", "subject": REVISION, "decision": "promote", **words})
    loop.step.command(3, {"command": "override", "subject": "another", "decision": "reject", **words})
    loop.evaluate()
    loop.restart()
    assert loop.step.commands_offset == 4
    caveat = loop.evaluate()
    assert (caveat["incidents"][0]["acknowledged_by"], caveat["incidents"][0]["muted_until_ms"]) == ("ann", 9)
    assert caveat["override"] == {"decision": "promote", "until_ms": None, **words}
    assert (caveat["decision"], caveat["evidence_digest"]) == (before["decision"], before["evidence_digest"])
    loop.step.command(4, {"command": "override", "subject": REVISION, "decision": "", **words})
    assert loop.evaluate()["override"] is None
    assert caveat["handover"] is None
    taken = {"group": "scorer", "offsets": [{"topic": "payments", "partition": 0, "offset": 17}]}
    loop.step.command(5, {"command": "handover", "subject": "another", **words, **taken, "group": "x"})
    loop.step.command(6, {"command": "handover", "subject": REVISION, **words, **taken})
    loop.evaluate()
    assert loop.of("audit")[-1]["handover"] == {**words, **taken}
    loop.restart()
    handed = loop.evaluate()
    assert (handed["handover"], handed["evidence_digest"]) == ({**words, **taken}, before["evidence_digest"])
