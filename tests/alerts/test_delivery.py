"""The alerts role as a process on a real broker, with a real HTTP server behind its webhook."""

import time
from pathlib import Path

import pytest

from shadowstream.revision import revision_of
from shadowstream.testing.ports import free_port
from tests.alerts.alerts_trial import REVISION, drift, verdict
from tests.alerts.conftest import SetStage
from tests.conftest import Say
from tests.pipeline.written_records import await_that, records

FIRST, SECOND = (f"incident/{REVISION[:16]}/mismatch-{n}" for n in (1, 2))
REJECT = f"reject/{REVISION}"


@pytest.mark.parametrize("down_s", [3.0, pytest.param(31.0, marks=pytest.mark.long)])
def test_each_alert_is_delivered_once_despite_outage_kill_and_repeats(set_stage: SetStage, down_s: float) -> None:
    stage = set_stage()
    process = stage.start()
    await_that("it waits for topics", lambda: "waiting_for_topics" in stage.trial.log_text("alerts"))
    assert (stage.ask("healthz")[0], stage.ask("readyz")[0]) == (200, 503)
    stage.trial.create_topics()
    stage.await_ready()

    began = time.monotonic()
    stage.judge(drift("flag", "mismatch-1"), drift("opened", "mismatch-1"))
    for at in range(3):
        stage.judge(verdict("reject", evaluated_at_ms=at))
    stage.await_failures(2)
    assert stage.committed("drift") <= 1, "the offset of the alert is committed, and nobody has taken the alert"
    process.kill()
    process.wait()
    process = stage.start()
    stage.await_failures(2)
    while time.monotonic() < began + down_s:
        assert stage.ask("healthz")[0] == 200
        time.sleep(0.5)
    stage.webhook.up()
    await_that("both are delivered", lambda: len(stage.webhook.calls) == 2)
    stage.await_ready()

    stage.judge(verdict("reject", evaluated_at_ms=4))
    stage.judge(drift("opened", "mismatch-aborted"), abort=True)
    stage.judge(drift("opened", "mismatch-1"), drift("opened", "mismatch-2"))
    await_that("the second incident is delivered", lambda: len(stage.webhook.calls) >= 3)
    # The marker of an aborted and of a committed transaction each take an offset.
    await_that("all is committed", lambda: stage.committed("drift") >= 7)
    await_that("the repeated verdict is known", lambda: stage.deliveries("known") >= 2)
    process.terminate()
    stage.trial.finish(process, "alerts", limit_s=10)
    assert sorted(stage.webhook.ids) == sorted([FIRST, REJECT, SECOND])
    noted = records(stage.bootstrap, stage.trial.topic("deliveries"))
    assert sorted((note["alert"], note["target"]) for note in noted) == sorted(
        (one, "webhook") for one in (FIRST, REJECT, SECOND)
    )


def test_a_bounded_trial_ends_finally_and_an_early_stop_loses_nothing(
    set_stage: SetStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))  # for the revision: the candidate is here
    stage = set_stage(bounded=True)
    files = {*_files(stage.folder), "alerts.err"}
    stage.trial.create_topics()
    stage.webhook.status = 503
    stage.webhook.up()
    process = stage.start()
    stage.await_ready()
    stage.judge(drift("opened", "mismatch-1"))
    await_that("the webhook has refused", lambda: stage.webhook.refused >= 1)
    process.terminate()
    stage.trial.finish(process, "alerts", limit_s=10)
    assert stage.committed("drift") == 0, "told to stop, it gave up an alert that nobody has taken"

    process = stage.start()
    await_that("the webhook has refused again", lambda: stage.webhook.refused >= 2)
    stage.webhook.status = 200
    stage.await_ready()
    final = verdict("reject", final=True, revision=revision_of(stage.trial.config))
    stage.judge(verdict("not_yet", final=True), drift("opened", "mismatch-2"), final)
    stage.trial.finish(process, "alerts", limit_s=30)
    assert sorted(stage.webhook.ids) == sorted([FIRST, SECOND, f"reject/{final['revision']}"])

    again = stage.start()
    log_text = stage.trial.finish(again, "alerts", limit_s=30)
    assert '"delivered":0' in log_text
    assert len(stage.webhook.calls) == 3
    assert _files(stage.folder) == files, "a role on a read-only file system can write nothing"


@pytest.mark.long
def test_a_spare_takes_over_ten_seconds_after_the_first_died(set_stage: SetStage, say: Say) -> None:
    stage = set_stage()
    stage.trial.create_topics()
    stage.webhook.up()
    first = stage.start()
    stage.await_ready()
    stage.judge(drift("opened", "mismatch-1"))
    await_that("the first delivers", lambda: stage.webhook.ids == [FIRST])
    stage.port = free_port()
    stage.start("--instance", "1")
    stage.await_ready()
    first.kill()
    first.wait()
    began = time.monotonic()
    stage.judge(drift("opened", "mismatch-1"), drift("opened", "mismatch-2"), verdict("reject"))
    await_that("the spare delivers", lambda: len(stage.webhook.calls) >= 3)
    say(f"the spare had delivered {time.monotonic() - began:.1f} s after the first was killed")
    assert sorted(stage.webhook.ids) == sorted([FIRST, SECOND, REJECT])


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
