"""Which records are alerts, and what becomes of an incident."""

import pytest

from shadowstream.alerts.ledger import incidents
from shadowstream.alerts.messages import alert_of
from tests.alerts.alerts_trial import REVISION, drift, verdict


@pytest.mark.parametrize("event", ["flag", "closed", "restarted"])
def test_only_the_opening_of_an_incident_is_an_alert(event: str) -> None:
    assert alert_of("t", "drift", drift(event, "mismatch-1")) is None
    assert alert_of("t", "drift", drift("opened", "mismatch-1")) is not None


@pytest.mark.parametrize("decision", ["promote", "not_yet"])
def test_only_a_reject_is_an_alert(decision: str) -> None:
    assert alert_of("t", "verdict", verdict(decision)) is None
    assert alert_of("t", "verdict", verdict("reject")) is not None


def test_an_incident_alert_names_change_begin_size_and_command() -> None:
    found = alert_of("t", "drift", drift("opened", "mismatch-1"))
    assert found is not None
    content = found.payload
    assert (content["kind"], content["trial"], content["criterion"], content["since_ms"]) == (
        *("incident", "t", "mismatch"),
        1_372_651_200_000,
    )
    assert (content["before"], content["after"], content["text"]) == (
        0.001,
        0.25,
        "mismatch went up from 0.001 to 0.25",
    )
    assert content["look"] == "shadowstream diff CONFIG --outcome mismatch"


@pytest.mark.parametrize(
    ("criterion", "outcome"),
    [("missing@tenant=eu", "missing"), ("mismatch:carrier=UA", "mismatch"), ("field:a@topic=scores", None)],
)
def test_where_to_look_is_the_outcome_of_the_criterion_of_whatever_part(criterion: str, outcome: str | None) -> None:
    found = alert_of("t", "drift", drift("opened", "i-1") | {"criterion": criterion})
    assert found is not None
    assert ("--outcome" in found.payload["look"]) == (outcome is not None)
    assert outcome is None or found.payload["look"].endswith(f"--outcome {outcome}")


def test_a_reject_says_why_with_each_criterions_numbers_and_limits() -> None:
    found = alert_of("t", "verdict", verdict("reject"))
    assert found is not None
    assert found.payload["text"] == "mismatch: 40 of 160 lie over the limit."
    (criterion,) = found.payload["criteria"]
    numbers = [criterion[name] for name in ("rate", "limit", "n", "s", "estimate", "lower", "upper", "shown_bad")]
    assert numbers == ["mismatch", 0.01, 160, 40, 0.25, 0.2, 0.3, True]


def test_a_reject_holds_coverage_isolation_muted_criteria_and_caveats() -> None:
    record = verdict("reject", coverage=0.72, caveats=["delivery is at_least_once"])
    record["criteria"][0]["muted"] = True
    found = alert_of("t", "verdict", record)
    assert found is not None
    assert (found.payload["coverage"], found.payload["candidate_isolation"]) == (0.72, "in-process")
    assert found.payload["notes"] == [
        "coverage: 72 % of production's records were compared or judged missing",
        "the candidate ran in-process (candidate.trusted: true): it shares the runner's memory and secrets",
        "muted, so they decide nothing: mismatch",
        "delivery is at_least_once",
    ]


def test_incidents_of_two_revisions_are_two_alerts_though_their_windows_are_one() -> None:
    mine, other = (drift("opened", "mismatch-1", revision=one * 32) for one in ("ab", "cd"))
    ids = {found.id for record in (mine, other) if (found := alert_of("t", "drift", record))}
    assert ids == {"incident/abababababababab/mismatch-1", "incident/cdcdcdcdcdcdcdcd/mismatch-1"}


def test_a_reject_that_is_reported_again_is_the_same_alert() -> None:
    again = [alert_of("t", "verdict", verdict("reject", evaluated_at_ms=at)) for at in (1, 2)]
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
    deliveries = [{"alert": f"incident/{REVISION[:16]}/extra-2", "target": "webhook", "delivered_at_ms": 5}]
    first, second = incidents(events, acks, deliveries)
    assert (first.incident, first.state, first.closed_ms, first.acknowledged_by) == ("mismatch-1", "closed", 9, "bob")
    assert first.delivered_to is None
    assert (second.incident, second.state, second.acknowledged_by) == ("extra-2", "open", None)
    assert (second.delivered_to, second.delivered_at_ms) == ("webhook", 5)
