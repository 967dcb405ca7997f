"""Which records are alerts, and what becomes of an incident."""

from typing import Any

import pytest

from shadowstream.alerts.examples import of_slice
from shadowstream.alerts.ledger import incidents
from shadowstream.alerts.messages import Context, State, acknowledged, alert_of
from tests.alerts.alerts_trial import REVISION, drift, verdict

CONTEXT = Context("t", "/trials/t.yaml", 1_372_690_000_000)


def content_of(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    found = alert_of(CONTEXT, kind, record)
    assert found is not None
    return found.payload


def test_only_begin_and_end_of_an_incident_and_a_reject_are_alerts() -> None:
    events = [drift(event, "mismatch-1") for event in ("flag", "closed", "restarted", "opened")]
    states = [found and found.state for one in events for found in [alert_of(CONTEXT, "drift", one)]]
    assert states == [None, State.RESOLVED, None, State.OPENED]
    verdicts = [verdict(decision) for decision in ("promote", "not_yet", "reject")]
    assert [alert_of(CONTEXT, "verdict", one) is not None for one in verdicts] == [False, False, True]


def test_an_incident_alert_names_change_begin_size_and_command() -> None:
    content = content_of("drift", drift("opened", "mismatch-1"))
    expected = {"kind": "incident", "trial": "t", "criterion": "mismatch", "since_ms": 1_372_651_200_000}
    expected |= {"before": 0.001, "after": 0.25, "details": "mismatch went up from 0.001 to 0.25"}
    expected |= {"look": "shadowstream explain /trials/t.yaml", "text": "25 % wrong since 04:00 UTC (before: 0.1 %)"}
    chosen = f"--outcome mismatch --revision {REVISION[:16]} --since 2013-07-01T04:00:00Z"
    expected |= {"differences": f"shadowstream diff /trials/t.yaml {chosen}"}
    assert {name: content[name] for name in expected} == expected


def test_the_slice_of_an_incident_is_news_of_its_opening() -> None:
    opened = alert_of(CONTEXT, "drift", drift("opened", "mismatch-1", subject="mismatch"))
    found = drift("named", "mismatch-1", subject="mismatch:carrier=UA", n=60.0, bad=54.0, limit=0.01)
    named = alert_of(CONTEXT, "drift", found)
    assert opened is not None
    assert named is not None
    assert (named.state, named.of, named.payload["slice"]) == (State.UPDATED, opened.id, "carrier=UA")
    assert named.payload["text"] == "90 % wrong since 04:00 UTC (54 of 60) in carrier=UA, limit 1 %"
    acted = acknowledged(opened, "ann", "")
    assert (acted.state, acted.of) == (named.state, named.of)
    assert acted.id != named.id, "else a channel that has one would not get the other"


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("mismatch:carrier=UA", " --slice carrier=UA "),
        ("mismatch:carrier=U A,origin=EWR", " --slice 'carrier=U A,origin=EWR' "),
        ("mismatch:carrier=(other)", ""),
        ("mismatch:items.a=b", ""),
        ("mismatch", ""),
    ],
)
def test_where_to_look_is_the_slice_where_rows_can_name_it(subject: str, shown: str) -> None:
    context = CONTEXT._replace(dimensions=("carrier", "origin"))
    found = alert_of(context, "drift", drift("opened", "mismatch-1", subject=subject))
    assert found is not None
    look = found.payload["differences"]
    assert shown in look
    assert bool(shown) == ("--slice" in look)


def test_examples_are_of_the_slice_if_rows_name_it() -> None:
    rows = [{"pair_id": pair, "dimensions": values} for pair, values in {"a": {"carrier": "UA"}, "b": {}}.items()]
    assert [one["pair_id"] for one in of_slice(rows, "carrier=UA")] == ["a"]
    assert of_slice(rows, "carrier=AA") == of_slice(rows, None) == rows


def test_an_incident_of_a_distribution_has_a_kind_of_its_own() -> None:
    found = drift("opened", "distribution:score:sides-1", criterion="distribution:score:sides", detector="psi")
    content = content_of("drift", found)
    assert (content["kind"], content["look"]) == ("distribution", "shadowstream explain /trials/t.yaml")
    assert {"incident", "criterion", "since_ms", "before", "after", "text"} <= content.keys()
    assert "%" not in content["text"], "its numbers are no rates"


@pytest.mark.parametrize(
    ("criterion", "outcome"),
    [("missing@tenant=eu", "missing"), ("mismatch:carrier=UA", "mismatch"), ("field:a@topic=scores", None)],
)
def test_where_to_look_is_the_outcome_of_the_criterion_of_whatever_part(criterion: str, outcome: str | None) -> None:
    look = content_of("drift", drift("opened", "i-1", criterion=criterion))["differences"]
    assert ("--outcome" in look) == (outcome is not None)
    assert outcome is None or f" --outcome {outcome} " in look


def test_a_reject_of_a_promoted_version_says_roll_back() -> None:
    found = alert_of(CONTEXT._replace(watch_over=True), "verdict", verdict("reject"))
    assert found is not None
    assert found.payload["title"].endswith(": roll back")
    assert found.payload["text"].startswith("roll back: the new version is shown to be worse: 25 % wrong")


def test_a_reject_says_why_with_each_criterions_numbers_and_limits() -> None:
    content = content_of("verdict", verdict("reject"))
    assert content["text"] == "the candidate is rejected: 25 % wrong (40 of 160), limit 1 %"
    assert content["details"] == "mismatch: 40 of 160 lie over the limit."
    (criterion,) = content["criteria"]
    numbers = [criterion[name] for name in ("rate", "limit", "n", "s", "estimate", "lower", "upper", "shown_bad")]
    assert numbers == ["mismatch", 0.01, 160, 40, 0.25, 0.2, 0.3, True]


def test_a_reject_holds_coverage_isolation_muted_criteria_and_caveats() -> None:
    record = verdict("reject", coverage=0.72, caveats=["delivery is at_least_once"])
    record["criteria"][0]["muted"] = True
    content = content_of("verdict", record)
    assert (content["coverage"], content["candidate_isolation"]) == (0.72, "in-process")
    assert content["notes"] == [
        "coverage: 72 % of production's records were compared or judged missing",
        "the candidate ran in-process (candidate.trusted: true): it shares the runner's memory and secrets",
        "muted, so they decide nothing: mismatch",
        "delivery is at_least_once",
    ]


def test_incidents_of_two_revisions_are_two_alerts_though_their_windows_are_one() -> None:
    mine, other = (drift("opened", "mismatch-1", revision=one * 32) for one in ("ab", "cd"))
    ids = {found.id for record in (mine, other) if (found := alert_of(CONTEXT, "drift", record))}
    assert ids == {"incident/abababababababab/mismatch-1", "incident/cdcdcdcdcdcdcdcd/mismatch-1"}


def test_a_reject_that_is_reported_again_is_the_same_alert() -> None:
    again = [alert_of(CONTEXT, "verdict", verdict("reject", evaluated_at_ms=at)) for at in (1, 2)]
    assert len({found.id for found in again if found}) == 1


def test_an_incident_is_listed_with_its_end_its_acknowledgement_and_its_delivery() -> None:
    events = [
        drift("flag", ""),
        drift("opened", "mismatch-1"),
        drift("opened", "extra-2", criterion="extra"),
        drift("closed", "mismatch-1", window_end_ms=9),
    ]
    acks = [
        {"command": "ack", "subject": "mismatch-1", "by": by, "reason": "", "at_ms": at}
        for by, at in (("ann", 3), ("bob", 4))
    ]
    deliveries = [
        {"alert": f"incident/{REVISION[:16]}/extra-2", "target": target, "delivered_at_ms": at_ms}
        for target, at_ms in (("log", 4), ("webhook", 7), ("mail", 5))
    ]
    first, second = incidents(events, acks, deliveries)
    assert (first.incident, first.state, first.closed_ms, first.acknowledged_by) == ("mismatch-1", "closed", 9, "bob")
    assert first.delivered_to is None
    assert (second.incident, second.state, second.acknowledged_by) == ("extra-2", "open", None)
    assert (second.delivered_to, second.delivered_at_ms) == ("mail, webhook", 5)
