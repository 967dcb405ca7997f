"""No alert harms another: whatever it holds, and whatever the webhook answers to it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from shadowstream.alerts import channel_queue, delivery
from shadowstream.alerts.channel_queue import DeliveryLog
from shadowstream.alerts.channels.http import WebhookChannel
from shadowstream.alerts.delivery import Delivered, Deliverer, channels_of
from shadowstream.alerts.examples import Evidence
from shadowstream.alerts.messages import KEY_CHARS_MAX, Alert, Context, State, alert_of, incident_alert_id
from shadowstream.alerts.role import AlertsRole
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.config.alerting import LOG
from shadowstream.errors import BrokerError, IsolationError
from shadowstream.health import RoleHealth
from shadowstream.kafka.reading.topic_reader import TopicRecord
from tests.alerts.alerts_trial import REVISION, drift, verdict
from tests.alerts.webhook import Webhook
from tests.least_config import least_config

CONTEXT = Context("t", "trial.yaml", 0)
ODD = ["a\r\nX-Evil: 1", "\x00", "\x7f", "ü 漢 \u202e", "%0D%0A", " ", "", "x" * 5_000, "\n" * 900]


class RecordedDelivery(Delivered):
    """What is delivered stands here and not in a topic."""

    def __init__(self, fails: int = 0, raises: BaseException | None = None) -> None:
        DeliveryLog.__init__(self)
        self.fails, self.raises = fails, raises or BrokerError("away", retriable=True)

    def load(self) -> None:
        """There is no other process."""

    def note(self, alert: Alert, target: str) -> None:
        if self.fails and target != LOG:
            self.fails -= 1
            raise self.raises
        self.at_ms[alert.id, target] = 1


@pytest.fixture(autouse=True)
def _nothing_is_muted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "muted", lambda *_: False)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as one:
        one.up()
        yield one


def config(url: str | None) -> Config:
    return least_config(alerts={"webhook": url, "timeout_ms": 300})


def opened(value: str = "x", n: int = 1, **more: Any) -> dict[str, Any]:
    """An incident of a slice of this value."""
    return drift("opened", f"mismatch:tenant={value}-{n}", criterion=f"mismatch:tenant={value}", **more)


def alert(value: str = "x", n: int = 1, **more: Any) -> Alert:
    found = alert_of(CONTEXT, "drift", opened(value, n, **more))
    assert found is not None
    return found


Play = Callable[[Deliverer], Awaitable[None]]


def played(play: Play, url: str | None, noted: RecordedDelivery | None = None) -> Deliverer:
    async def main() -> Deliverer:
        async def short(_seconds: float) -> None:
            await asyncio.sleep(0.02)

        trial = config(url)
        channels = channels_of(trial, REVISION)
        deliverer = Deliverer(trial, noted or RecordedDelivery(), RoleHealth("t", "alerts"), channels, sleep=short)
        await play(deliverer)
        await deliverer.stop()
        return deliverer

    return asyncio.run(main())


def delivering(*alerts: Alert, until_: Callable[[Deliverer], bool] = lambda _: True) -> Play:
    """Deliver these alerts, and wait for something."""

    async def play(deliverer: Deliverer) -> None:
        for one in alerts:
            deliverer.deliver(one)
        await until(lambda: until_(deliverer))

    return play


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """What was logged of an event."""
    logged = [record.msg for record in caplog.records]
    return [line for line in logged if isinstance(line, dict) and line["event"] == event]


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("value", ODD)
def test_a_slice_of_any_value_has_a_key_that_fits_a_header(webhook: Webhook, value: str) -> None:
    assert played(delivering(alert(value), alert("behind"), until_=lambda one: one.count == 2), webhook.url).count == 2
    second, first = sorted(webhook.calls, key=lambda call: call["incident"] != "mismatch:tenant=behind-1")
    assert first["id"].isascii()
    assert first["id"].isprintable()
    assert len(first["id"]) <= KEY_CHARS_MAX
    assert first["incident"] == f"mismatch:tenant={value}-1", "the incident itself is told as it is"
    assert second["incident"] == "mismatch:tenant=behind-1"


def test_no_two_ids_have_one_key() -> None:
    values = [*ODD, "%", "%25", "a\r\n", "a\r", "a ", "a", "A", "a/b", "a%2Fb", "x" * 5_001, "x" * 4_999 + "y"]
    assert len({alert(value).key for value in values}) == len(values)


def test_the_key_of_a_plain_id_is_the_id() -> None:
    for plain in (incident_alert_id(REVISION, "mismatch-1372651200000"), f"reject/{REVISION}"):
        assert Alert(plain, {}).key == plain


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_no_delivery_and_is_not_followed(
    webhook: Webhook, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.status, webhook.location = status, f"http://127.0.0.1:{webhook.port}/login"

    async def play(deliverer: Deliverer) -> None:
        deliverer.deliver(alert())
        await until(lambda: webhook.refused >= 3)
        assert (deliverer.count, webhook.gets) == (0, 0)
        webhook.status, webhook.location = 200, None
        await until(lambda: deliverer.count == 1)

    played(play, webhook.url)
    problem = lines(caplog, "delivery_failed")[0]["problem"]
    assert problem == f"status {status}: a redirect is not followed; write the address that takes alerts"


@pytest.mark.parametrize("status", [400, 413, 500, 599])
def test_an_alert_that_is_refused_for_ever_holds_up_no_other(webhook: Webhook, status: int) -> None:
    webhook.statuses["poison"] = status

    async def play(deliverer: Deliverer) -> None:
        deliverer.deliver(alert("bad", reason="poison"))
        for n in range(5):
            deliverer.deliver(alert("good", n))
        await until(lambda: deliverer.count == 5)
        assert deliverer.owes
        await until(lambda: webhook.refused >= 3)
        webhook.statuses.clear()
        await until(lambda: deliverer.count == 6)
        await until(lambda: not deliverer.owes)

    played(play, webhook.url)
    *others, last = [call["incident"] for call in webhook.calls]
    assert (sorted(others), last) == ([f"mismatch:tenant=good-{n}" for n in range(5)], "mismatch:tenant=bad-1")


def test_a_late_answer_delays_no_other_alert(webhook: Webhook) -> None:
    webhook.statuses["slow"], webhook.late_s = 0, 1.0

    async def play(deliverer: Deliverer) -> None:
        deliverer.deliver(alert("bad", reason="slow"))
        await until(lambda: webhook.waiting == 1)
        deliverer.deliver(alert("good"))
        await until(lambda: deliverer.count == 1, limit_s=0.25)

    assert played(play, webhook.url).count == 1


def test_a_repeated_alert_is_sent_once_even_while_it_is_rejected(webhook: Webhook) -> None:
    webhook.status = 503

    async def play(deliverer: Deliverer) -> None:
        for _ in range(3):
            deliverer.deliver(alert())
        await until(lambda: webhook.refused >= 2)
        assert len(deliverer.open) == 1
        webhook.status = 200
        await until(lambda: deliverer.count == 1)
        deliverer.deliver(alert())
        await until(lambda: not deliverer.open)

    played(play, webhook.url)
    assert len(webhook.calls) == 1


def test_an_alert_without_room_is_delivered_after_the_topics_are_read_again(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_queue, "OPEN_MAX", 4)
    alerts = [alert("x", n) for n in range(6)]
    webhook.status = 503

    async def play(deliverer: Deliverer) -> None:
        for one in alerts:
            deliverer.deliver(one)
        assert deliverer.owes
        assert not deliverer.lags, "there is no room yet"
        webhook.status = 200
        await until(lambda: deliverer.lags)
        await until(lambda: not deliverer.open)
        assert deliverer.owes, "no offset of the others may be committed"
        deliverer.caught_up()
        for one in alerts:
            deliverer.deliver(one)
            await until(lambda: not deliverer.open)
        assert not deliverer.owes

    assert played(play, webhook.url).count == 6
    assert len(set(webhook.ids)) == len(webhook.ids) == 6


def test_an_accepted_alert_is_not_resent_while_its_note_fails(webhook: Webhook) -> None:
    played(delivering(alert(), alert("behind"), until_=lambda one: one.count == 2), webhook.url, RecordedDelivery(3))
    assert len(webhook.calls) == 2


def test_asked_to_stop_it_still_owes_what_is_not_accepted(webhook: Webhook) -> None:
    webhook.status = 503
    assert played(delivering(alert(), until_=lambda _: webhook.refused > 0), webhook.url).owes


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:1/tok en-é", "http://a b/tok"])
def test_an_address_that_cannot_be_used_is_tried_again_and_never_logged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    deliverer = played(delivering(alert(), until_=lambda _: bool(lines(caplog, "delivery_failed"))), url)
    assert (deliverer.count, deliverer.owes, deliverer.failure) == (0, True, None)
    problems = [line["problem"] for line in lines(caplog, "delivery_failed")]
    assert problems
    assert not any("tok" in problem for problem in problems)


@pytest.mark.parametrize("error", [ValueError("odd"), OverflowError(), RecursionError()])
def test_an_error_that_nobody_expects_of_one_alert_is_a_failed_attempt(webhook: Webhook, error: Exception) -> None:
    play = delivering(alert(), until_=lambda one: one.count == 1)
    assert played(play, webhook.url, RecordedDelivery(1, error)).failure is None


def test_a_write_to_a_topic_of_others_ends_the_role(webhook: Webhook) -> None:
    noted, play = (
        RecordedDelivery(1, IsolationError("not ours")),
        delivering(alert(), until_=lambda one: bool(one.failure)),
    )
    assert isinstance(played(play, webhook.url, noted).failure, IsolationError)


def taken(
    main: Callable[[AlertsRole], Awaitable[None]],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    noted: RecordedDelivery | None = None,
) -> AlertsRole:
    """A role to its end, whose deliveries are recorded in no topic."""

    async def whole() -> AlertsRole:
        with monkeypatch.context() as recorded:
            recorded.setattr("shadowstream.alerts.role.Delivered", lambda _: noted or RecordedDelivery())
            recorded.setattr("shadowstream.alerts.role.evidence_of", lambda *_: Evidence([], {}))
            role = AlertsRole(config(url), REVISION, RoleHealth("t", "alerts"), "trial.yaml")
            await main(role)
            await until(lambda: not role.deliverer.open)
        await role.deliverer.stop()
        return role

    return asyncio.run(whole())


def test_no_record_of_drift_or_verdict_ends_the_role(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    values = [
        *(b"", b"garbage", b"\xfe", b"\xc3\x01" + bytes(8), None),
        own.encode("drift", opened())[:-4],
        own.encode("drift", opened("\r\n", window_start_ms=2**63 - 1, before=float("nan"), after=float("inf"))),
        own.encode("verdict", verdict("reject", reasons=["\x00" * 100], criteria=[])),
        own.encode("verdict", verdict("no decision of ours")),
        own.encode("drift", drift("closed", "nothing was open")),
        own.encode("delivery", {"alert": "a", "target": "log", "delivered_at_ms": 1}),
    ]

    async def main(role: AlertsRole) -> None:
        for value in [*values, own.encode("drift", opened("behind"))]:
            await role.take(value, "shadow.t.drift/0/7")
        with monkeypatch.context() as broken:
            broken.setattr("shadowstream.alerts.role.alert_of", lambda *_: 1 // 0)
            await role.take(own.encode("drift", opened("odd")), "shadow.t.drift/0/8")

    role = taken(main, webhook.url, monkeypatch)
    assert role.deliverer.count == 3
    assert webhook.calls[-1]["incident"] == "mismatch:tenant=behind-1"
    assert len(lines(caplog, "record_unreadable")) == 2, "each kind once"
    assert [line["place"] for line in lines(caplog, "record_refused")] == ["shadow.t.drift/0/8"]


def test_an_incident_holds_the_notes_of_the_last_verdict_of_its_revision(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = verdict("not_yet", coverage=0.72, caveats=["delivery is at_least_once"])
    noted["criteria"][0]["muted"] = True
    records = [
        ("drift", opened("early")),
        ("verdict", noted),
        *(("verdict", verdict("not_yet", revision=f"{n:02}" * 32)) for n in range(7)),
        ("drift", opened("later")),
    ]

    async def main(role: AlertsRole) -> None:
        for offset, (kind, record) in enumerate(records):
            await role.take(own.encode(kind, record), f"shadow.t.{kind}/0/{offset}")

    taken(main, webhook.url, monkeypatch)
    notes = {one["incident"]: one["notes"] for one in webhook.calls}
    assert notes == {
        "mismatch:tenant=early-1": [],
        "mismatch:tenant=later-1": [
            "coverage: 72 % of production's records were compared or judged missing",
            "the candidate ran in-process (candidate.trusted: true): it shares the runner's memory and secrets",
            "muted, so they decide nothing: mismatch",
            "delivery is at_least_once",
        ],
    }


def test_a_channel_learns_last_what_the_last_verdict_is(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    noted, learnt = RecordedDelivery(), list[State]()
    monkeypatch.setattr(WebhookChannel, "settled", lambda _, one: learnt.append(one.state))

    def main(*decisions: str) -> Callable[[AlertsRole], Awaitable[None]]:
        async def give(role: AlertsRole) -> None:
            for at, decision in enumerate(decisions):
                record = verdict(decision, evaluated_at_ms=at)
                await role.take(own.encode("verdict", record), f"shadow.t.verdict/0/{at}")
                await until(lambda: not role.deliverer.open)

        return give

    taken(main("reject", "not_yet", "reject", "not_yet", "not_yet"), webhook.url, monkeypatch, noted)
    assert learnt == [State.OPENED, State.RESOLVED] * 2
    learnt.clear()
    taken(main("reject", "not_yet"), webhook.url, monkeypatch, noted)
    assert learnt == [State.OPENED, State.RESOLVED], "after a restart"
    assert [call["state"] for call in webhook.calls] == ["opened", "resolved"] * 2, "each reject, once"
    rejects = [call["id"] for call in webhook.calls if call["state"] == "opened"]
    assert len({*rejects}) == 2, "a receiver that drops repeated ids sees the second one"


def test_an_old_verdict_that_is_read_again_withdraws_no_reject(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(role: AlertsRole) -> None:
        for _ in range(2):  # as at a start: the role reads the topic, and then its group does
            for offset, decision in enumerate(("not_yet", "not_yet", "reject")):
                await role.take(own.encode("verdict", verdict(decision)), f"shadow.t.verdict/0/{offset}")
                await until(lambda: not role.deliverer.open)

    taken(main, webhook.url, monkeypatch)
    assert [(call["kind"], call["state"]) for call in webhook.calls] == [("reject", "opened")]


@pytest.mark.parametrize(
    ("decisions", "states"),
    [(["not_yet", "not_yet", "reject"], ["opened"]), (["not_yet", "reject", "not_yet"], ["opened", "resolved"])],
)
def test_a_restarted_role_reports_no_end_of_a_reject_that_still_holds(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, decisions: list[str], states: list[str]
) -> None:
    stored = [own.encode("verdict", verdict(decision)) for decision in decisions]
    rows = {"shadow.t.verdict": [TopicRecord(0, at, 0, REVISION.encode(), one) for at, one in enumerate(stored)]}
    monkeypatch.setattr("shadowstream.alerts.role.read_topic", lambda _, topic, __: rows.get(topic, []))
    noted = RecordedDelivery()
    for _ in range(2):
        taken(AlertsRole.catch_up, webhook.url, monkeypatch, noted)
    assert [call["state"] for call in webhook.calls] == states
