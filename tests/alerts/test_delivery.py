"""The alerts role as a process on a real broker, with a real HTTP server behind its webhook."""

import time
from pathlib import Path

import pytest

from shadowstream.revision import revision_of
from shadowstream.testing.ports import free_port
from tests.alerts.alerts_trial import REVISION, AlertsTrial, drift, verdict
from tests.alerts.conftest import MakeAlertsTrial
from tests.conftest import Say
from tests.pipeline.written_records import await_that

FIRST, SECOND = (f"incident/{REVISION[:16]}/mismatch-{n}" for n in (1, 2))
REJECT = f"reject/{REVISION}"


@pytest.mark.parametrize("down_s", [3.0, pytest.param(31.0, marks=pytest.mark.long)])
def test_each_alert_is_delivered_once_despite_outage_kill_and_repeats(alerts_trial: AlertsTrial, down_s: float) -> None:
    process = alerts_trial.start()
    await_that("it waits for topics", lambda: "waiting_for_topics" in alerts_trial.trial.log_text("alerts"))
    assert (alerts_trial.ask("healthz")[0], alerts_trial.ask("readyz")[0]) == (200, 503)
    alerts_trial.trial.create_topics()
    alerts_trial.await_ready()

    began = time.monotonic()
    alerts_trial.judge(drift("flag", "mismatch-1"), drift("opened", "mismatch-1"))
    for at in range(3):
        alerts_trial.judge(verdict("reject", evaluated_at_ms=at))
    alerts_trial.await_failures(2)
    assert alerts_trial.committed("drift") <= 1, "the offset of the alert is committed, and the alert is not delivered"
    process.kill()
    process.wait()
    process = alerts_trial.start()
    alerts_trial.await_failures(2)
    while time.monotonic() < began + down_s:
        assert alerts_trial.ask("healthz")[0] == 200
        time.sleep(0.5)
    alerts_trial.webhook.up()
    await_that("both are delivered", lambda: alerts_trial.deliveries("delivered") == 2)
    alerts_trial.await_ready()

    alerts_trial.judge(verdict("reject", evaluated_at_ms=4))
    alerts_trial.judge(drift("opened", "mismatch-aborted"), abort=True)
    alerts_trial.judge(drift("opened", "mismatch-1"), drift("opened", "mismatch-2"))
    await_that("the second incident is delivered", lambda: len(alerts_trial.webhook.calls) >= 3)
    # The marker of an aborted and of a committed transaction each take an offset.
    await_that("all is committed", lambda: alerts_trial.committed("drift") >= 7)
    await_that("the repeated verdict is known", lambda: alerts_trial.deliveries("known") >= 2)
    process.terminate()
    alerts_trial.trial.finish(process, "alerts", limit_s=10)
    assert sorted(alerts_trial.webhook.ids) == sorted([FIRST, REJECT, SECOND])
    noted = sorted((note["alert"], note["target"]) for note in alerts_trial.trial.records("deliveries"))
    assert noted == sorted((one, target) for one in (FIRST, REJECT, SECOND) for target in ("log", "webhook"))


def test_a_bounded_trial_ends_finally_and_an_early_stop_loses_nothing(
    make_alerts_trial: MakeAlertsTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))  # for the revision: the candidate is here
    alerts_trial = make_alerts_trial(bounded=True)
    files = {*_files(alerts_trial.folder), "alerts.err"}
    alerts_trial.refuse()
    process = alerts_trial.ready()
    alerts_trial.judge(drift("opened", "mismatch-1"))
    await_that("the webhook has refused", lambda: alerts_trial.webhook.refused >= 1)
    process.terminate()
    alerts_trial.trial.finish(process, "alerts", limit_s=10)
    assert alerts_trial.committed("drift") == 0, "asked to stop, it gave up an alert that is not delivered"

    process = alerts_trial.start()
    await_that("the webhook has refused again", lambda: alerts_trial.webhook.refused >= 2)
    alerts_trial.webhook.status = 200
    alerts_trial.await_ready()
    final = verdict("reject", final=True, revision=revision_of(alerts_trial.trial.config))
    alerts_trial.judge(verdict("not_yet", final=True), drift("opened", "mismatch-2"), final)
    alerts_trial.trial.finish(process, "alerts", limit_s=30)
    assert sorted(alerts_trial.webhook.ids) == sorted([FIRST, SECOND, f"reject/{final['revision']}"])

    again = alerts_trial.start()
    log_text = alerts_trial.trial.finish(again, "alerts", limit_s=30)
    assert '"delivered":0' in log_text
    assert len(alerts_trial.webhook.calls) == 3
    assert _files(alerts_trial.folder) == files, "a role on a read-only file system can write nothing"


@pytest.mark.long
def test_a_spare_takes_over_ten_seconds_after_the_first_died(alerts_trial: AlertsTrial, say: Say) -> None:
    alerts_trial.webhook.up()
    first = alerts_trial.ready()
    alerts_trial.judge(drift("opened", "mismatch-1"))
    await_that("the first delivers", lambda: alerts_trial.webhook.ids == [FIRST])
    alerts_trial.port = free_port()
    alerts_trial.start("--instance", "1")
    alerts_trial.await_ready()
    first.kill()
    first.wait()
    began = time.monotonic()
    alerts_trial.judge(drift("opened", "mismatch-1"), drift("opened", "mismatch-2"), verdict("reject"))
    await_that("the spare delivers", lambda: len(alerts_trial.webhook.calls) >= 3)
    say(f"the spare had delivered {time.monotonic() - began:.1f} s after the first was killed")
    assert sorted(alerts_trial.webhook.ids) == sorted([FIRST, SECOND, REJECT])


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
