"""Mutes by the command line, while the alerts role runs: what is muted rests, and goes out once it is not any more."""

import time

from tests.alerts.alerts_trial import REVISION, Stage, drift
from tests.alerts.conftest import SetStage
from tests.pipeline.written_records import await_that

FIRST, SECOND, THIRD = (f"incident/{REVISION[:16]}/mismatch-{n}" for n in (1, 2, 3))


def mute(stage: Stage, incident: str, *options: str) -> None:
    done = stage.trial.ask("alerts", "mute", str(stage.trial.config_path), incident, "--by", "ann", *options)
    assert done.returncode == 0, done.stderr


def rests(stage: Stage) -> list[str]:
    """Incidents whose alerts were said to rest, in order."""
    return [line["incident"] for line in stage.trial.logged("alerts") if line["event"] == "alert_muted"]


def test_a_muted_alert_rests_until_the_mute_ends_and_holds_up_nobody(set_stage: SetStage) -> None:
    stage = set_stage()
    stage.trial.create_topics()
    process = stage.start()
    stage.await_ready()
    stage.webhook.status = 503
    stage.webhook.up()
    stage.judge(drift("opened", "mismatch-1"), drift("opened", "mismatch-2"))
    await_that("the webhook has refused", lambda: stage.webhook.refused >= 1)
    mute(stage, "mismatch-1")
    await_that("it rests", lambda: rests(stage) == ["mismatch-1"])
    stage.webhook.status = 200
    await_that("the one behind it goes out", lambda: stage.webhook.ids == [SECOND])
    assert stage.deliveries("muted") == 1

    # Its mute is in the topic: another process lets it rest as well.
    process.kill()
    process.wait()
    stage.start()
    await_that("it rests again", lambda: rests(stage) == ["mismatch-1"] * 2)
    began = time.monotonic()
    mute(stage, "mismatch-1", "--for", "5s")
    await_that("the mute has ended", lambda: stage.webhook.ids == [SECOND, FIRST])
    assert time.monotonic() - began >= 5


def test_an_incident_that_closes_while_it_is_muted_is_reported_to_nobody(set_stage: SetStage) -> None:
    stage = set_stage()
    stage.trial.create_topics()
    stage.start()
    stage.await_ready()
    stage.webhook.status = 503
    stage.webhook.up()
    stage.judge(drift("opened", "mismatch-1"))
    await_that("the webhook has refused", lambda: stage.webhook.refused >= 1)
    mute(stage, "mismatch-1")
    await_that("it rests", lambda: rests(stage) == ["mismatch-1"])
    stage.judge(drift("closed", "mismatch-1"))
    await_that("it has closed", lambda: "incident_closed" in stage.trial.log_text("alerts"))
    mute(stage, "mismatch-1", "--for", "0")
    stage.webhook.status = 200
    stage.judge(drift("opened", "mismatch-3"))
    await_that("the next is told", lambda: THIRD in stage.webhook.ids)
    time.sleep(3)
    assert stage.webhook.ids == [THIRD]
