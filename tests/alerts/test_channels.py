"""The late bug of one carrier, and its end, on every channel: real receivers, and drift events of the real judge."""

import re
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shadowstream.cli import run
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.revision import revision_of
from shadowstream.status.durations import clock
from tests.alerts.alerts_trial import drift, verdict
from tests.alerts.conftest import MakeAlertsTrial
from tests.alerts.receivers import ALERTMANAGER, Alertmanager, Mailbox
from tests.alerts.webhook import Webhook
from tests.judge.drift.test_incident_groups import run as judged_hours
from tests.pipeline.trial_fixture import ROOT
from tests.pipeline.written_records import await_that

SECRET = "a secret of the tests"
QUIET, BAD = 120, 12


@pytest.fixture(scope="module")
def bug() -> list[dict[str, Any]]:
    """The drift events of a carrier that is wrong for twelve hours, as the judge writes them."""
    return judged_hours([{}] * QUIET + [{"UA": 6}] * BAD + [{}] * 60).of("drift")


def rows(events: list[dict[str, Any]], revision: str) -> list[dict[str, Any]]:
    """Rows of diff since the bug began, as the joiner writes them with `redact: {paths: [email]}`."""
    opened = next(event for event in events if event["event"] == "opened")
    found = []
    for n in range(8):
        differences = [
            {"path": "score", "kind": "value", "production": "0.5", "shadow": f"0.{75 + n}", "delta": 0.25 + n / 100},
            {"path": "email", "kind": "value", "production": '"redacted:00"', "shadow": '"redacted:11"', "delta": None},
        ]
        row = {"pair_id": f"scores/0/{n}", "task": "scores/0", "outcome": "mismatch", "revision": revision}
        row |= {"time_ms": opened["since_ms"] + n, "key": f"flight-{n}".encode(), "production": None, "shadow": None}
        row |= {"input": None, "differences": differences, "reason": None, "late": False, "correction_of": None}
        row |= {"twin": None, "identity": "key", "id": None, "ambiguous": False}
        found.append(row)
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as one:
        yield one


def check_parts(message: dict[str, Any], mail: str, config: Path) -> None:
    """Since when, by how much with limits, where, examples as redacted, and the commands."""
    since = clock(message["since_ms"], 0)
    share = f"{percent(message['bad'] / message['n'], 2)} wrong since {since}"
    counts = f"({message['bad']:,.0f} of {message['n']:,.0f}) in carrier=UA, limit {percent(message['limit'])}"
    assert message["text"] == f"{share} {counts}; score typically +0.285"
    assert (message["slice"], message["title"].rpartition(" in ")[2]) == ("carrier=UA", "carrier=UA")
    assert [one["key"] for one in message["examples"]] == ["flight-7", "flight-6", "flight-5"]
    score, email = message["examples"][0]["differences"]
    assert score == {"path": "score", "production": "0.5", "candidate": "0.82"}
    assert email == {"path": "email", "production": '"redacted:00"', "candidate": '"redacted:11"'}
    assert message["look"] == f"shadowstream explain {config}"
    for command in (message["differences"], message["acknowledge"]):
        assert run(shlex.split(command)[1:]) == 0, command
    for part in (message["text"], "score 0.5 → 0.82", message["look"], message["acknowledge"], message["details"]):
        assert part in mail


def check_signatures(hook: Webhook) -> None:
    """The example of the documentation accepts each message, and no other."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "alerts.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    for body, headers in zip(hook.bodies, hook.headers, strict=True):
        signature = headers["X-Shadowstream-Signature"]
        assert headers["X-Team"] == "fraud"
        assert names["is_genuine"](body, signature, SECRET)
        assert not names["is_genuine"](body + b" ", signature, SECRET)
        assert not names["is_genuine"](body, signature, "another secret")
        assert not names["is_genuine"](body, signature.replace("t=1", "t=2"), SECRET)


@pytest.mark.parametrize("refusing_s", [3.0, pytest.param(61.0, marks=pytest.mark.long)])
def test_the_late_bug_is_one_message_per_channel_and_its_end_another(
    make_alerts_trial: MakeAlertsTrial, stack: ExitStack, bug: list[dict[str, Any]], refusing_s: float
) -> None:
    late, mailbox = stack.enter_context(Webhook()), stack.enter_context(Mailbox())
    late.status = 503
    late.up()
    signed = {"name": "late", "webhook": late.url, "secret": SECRET, "headers": {"X-Team": "fraud"}}
    trial = make_alerts_trial(channels=[signed, {"name": "mail", "apprise": mailbox.url}])
    trial.webhook.up()
    trial.ready()
    end = next(n for n, event in enumerate(bug) if event["event"] == "opened") + 1
    revision = bug[0]["revision"]
    trial.write("diff", rows(bug, revision))
    trial.judge(*bug[:end])
    await_that("the others have it", lambda: len(trial.webhook.calls) == len(mailbox.mails) == 1)
    await_that("one refuses", lambda: late.refused >= 2)
    time.sleep(refusing_s)
    assert late.calls == []
    late.status = 200
    await_that("it has come later", lambda: len(late.calls) == 1)
    trial.judge(*bug[end:])
    await_that(
        "its end is delivered", lambda: all(len(box) == 2 for box in (trial.webhook.calls, late.calls, mailbox.mails))
    )
    time.sleep(2.5)
    assert [len(box) for box in (trial.webhook.calls, late.calls, mailbox.mails)] == [2, 2, 2]
    assert [call["state"] for call in late.calls] == ["opened", "resolved"]
    check_parts(trial.webhook.calls[0], mailbox.texts()[0], trial.trial.config_path)
    check_signatures(late)


@pytest.mark.skipif(ALERTMANAGER is None, reason="needs the Debian package prometheus-alertmanager")
def test_an_alertmanager_notifies_once_of_begin_and_once_of_end(
    make_alerts_trial: MakeAlertsTrial, stack: ExitStack, bug: list[dict[str, Any]], tmp_path: Path
) -> None:
    manager = stack.enter_context(Alertmanager(tmp_path / "alertmanager"))
    channel = {"name": "am", "alertmanager": manager.url + "/", "labels": {"team": "fraud"}}
    trial = make_alerts_trial(channels=[channel])
    trial.webhook.up()
    process = trial.ready()
    end = next(n for n, event in enumerate(bug) if event["event"] == "opened") + 1
    trial.judge(*bug[:end])
    await_that("it fires", lambda: [call["status"] for call in manager.notified.calls] == ["firing"])
    (alert,) = manager.alerts()
    assert alert["labels"].items() >= {"team": "fraud", "severity": "warning"}.items()
    assert alert["annotations"]["slice"] == "carrier=UA"
    assert alert["annotations"]["look"] == f"shadowstream explain {trial.trial.config_path}"

    process.kill()
    process.wait()
    trial.start()
    trial.await_ready()
    trial.judge(*bug[end:])
    await_that("it ends", lambda: [call["status"] for call in manager.notified.calls] == ["firing", "resolved"])
    assert manager.alerts() == []


def test_an_incident_that_stays_unacknowledged_escalates_once(
    make_alerts_trial: MakeAlertsTrial, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pager = stack.enter_context(Webhook())
    pager.up()
    trial = make_alerts_trial(channels=[{"name": "pager", "webhook": pager.url, "escalate_after": "3s"}])
    trial.webhook.up()
    trial.ready()
    monkeypatch.syspath_prepend(str(trial.folder))  # for the revision: the candidate is here
    revision = revision_of(trial.trial.config)
    trial.judge(drift("opened", "mismatch-1", revision=revision), drift("opened", "mismatch-2", revision=revision))
    await_that("both are open", lambda: len(trial.webhook.calls) == 2)
    assert pager.calls == []
    assert trial.trial.ask("alerts ack", "mismatch-1", "--by", "ann").returncode == 0
    await_that("the other escalates", lambda: [call["state"] for call in pager.calls] == ["escalated"])
    seen = {"id": "mismatch-1", "subject": "mismatch", "opened_ms": 0, "reason": "r", "members": [], "absorbed": 0}
    seen |= {"acknowledged_by": "ann", "acknowledged_reason": "at it", "muted_by": None, "muted_until_ms": None}
    trial.judge(*[verdict("not_yet", revision=revision, incidents=[seen])] * 2)
    trial.judge(*[drift("closed", f"mismatch-{n}", revision=revision) for n in (1, 2)])
    await_that("all have ended", lambda: len(trial.webhook.calls) == 5 and len(pager.calls) == 2)
    news = [(call["incident"], call["state"]) for call in trial.webhook.calls]
    assert [state for incident, state in news if incident == "mismatch-1"] == ["opened", "updated", "resolved"]
    assert [state for incident, state in news if incident == "mismatch-2"] == ["opened", "resolved"]
    assert [(call["incident"], call["state"]) for call in pager.calls] == [
        ("mismatch-2", "escalated"),
        ("mismatch-2", "resolved"),
    ]
    assert "not acknowledged for 3s: 25 % wrong since" in pager.calls[0]["text"]
