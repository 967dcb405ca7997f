"""Mutes by the command line, while the alerts role runs: what is muted rests, and goes out once it is not any more."""

import time

from tests.alerts.alerts_trial import REVISION, AlertsTrial, drift
from tests.pipeline.written_records import await_that

FIRST, SECOND, FOURTH = (f"incident/{REVISION[:16]}/mismatch-{n}" for n in (1, 2, 4))


def mute(alerts_trial: AlertsTrial, incident: str, *options: str) -> None:
    done = alerts_trial.trial.ask("alerts mute", incident, "--by", "ann", *options)
    assert done.returncode == 0, done.stderr


def rests(alerts_trial: AlertsTrial) -> list[str]:
    """Incidents whose alerts were said to rest, in order."""
    muted = [line for line in alerts_trial.trial.logged("alerts") if line["event"] == "alert_muted"]
    return [line["incident"] for line in muted if line["target"] == "webhook"]


def test_a_muted_alert_rests_until_its_mute_or_incident_ends(alerts_trial: AlertsTrial) -> None:
    process = alerts_trial.ready()
    alerts_trial.refuse()
    alerts_trial.judge(drift("opened", "mismatch-1"), drift("opened", "mismatch-2"))
    await_that("the webhook has refused", lambda: alerts_trial.webhook.refused >= 1)
    mute(alerts_trial, "mismatch-1")
    await_that("it rests", lambda: rests(alerts_trial) == ["mismatch-1"])
    alerts_trial.webhook.status = 200
    await_that("the one behind it goes out", lambda: alerts_trial.webhook.ids == [SECOND])
    assert alerts_trial.deliveries("muted") == 1
    await_that("its delivery is recorded", lambda: alerts_trial.deliveries("delivered") == 1)

    # Its mute is in the topic: another process lets it rest as well.
    process.kill()
    process.wait()
    alerts_trial.start()
    await_that("it rests again", lambda: rests(alerts_trial) == ["mismatch-1"] * 2)
    began = time.monotonic()
    mute(alerts_trial, "mismatch-1", "--for", "5s")
    await_that("the mute has ended", lambda: alerts_trial.webhook.ids == [SECOND, FIRST])
    assert time.monotonic() - began >= 5

    # An incident that closes while it is muted is not reported.
    alerts_trial.webhook.status, refused = 503, alerts_trial.webhook.refused
    alerts_trial.judge(drift("opened", "mismatch-3"))
    await_that("the webhook has refused", lambda: alerts_trial.webhook.refused > refused)
    mute(alerts_trial, "mismatch-3")
    await_that("it rests", lambda: rests(alerts_trial)[-1] == "mismatch-3")
    alerts_trial.judge(drift("closed", "mismatch-3"))
    await_that("it has closed", lambda: "incident_closed" in alerts_trial.trial.log_text("alerts"))
    mute(alerts_trial, "mismatch-3", "--for", "0")
    alerts_trial.webhook.status = 200
    alerts_trial.judge(drift("opened", "mismatch-4"))
    await_that("the next is delivered", lambda: FOURTH in alerts_trial.webhook.ids)
    time.sleep(3)
    assert alerts_trial.webhook.ids == [SECOND, FIRST, FOURTH]
