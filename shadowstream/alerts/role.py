"""The alerts role: waits for its topics, catches up, follows them with Faust, and stops in time.

Each alert has an id, so a record may be read several times. At its start the role reads the existing records of drift
and verdict without a consumer group. So it sends alerts that an earlier process left undelivered, even if another
process has the group's partitions. Faust delivers all later records.
"""

import asyncio
import contextlib
import time
from typing import Any

from shadowstream.alerts.app import KINDS, App, brokers, make_app
from shadowstream.alerts.delivery import READ_TIMEOUT_S, Delivered, Deliverer, channels_of
from shadowstream.alerts.examples import evidence_of
from shadowstream.alerts.messages import (
    Alert,
    Context,
    State,
    acknowledged,
    alert_of,
    approval_ended,
    approval_id,
    awaiting,
    completed,
    escalated,
    follow_up_id,
    incident_alert_id,
    outcomes_of,
    reject_alert_id,
    waits_for_approval,
    withdrawn,
)
from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, IsolationError, RecordError
from shadowstream.health import OwnershipClaim, RoleHealth
from shadowstream.judge.verdict.verdict_notes import notes_of
from shadowstream.kafka import role_report
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import Stoppable, admin
from shadowstream.kafka.doctor import start_check
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import is_acknowledged
from shadowstream.kafka.reading.stable import await_settled
from shadowstream.kafka.reading.topic_reader import read_topic
from shadowstream.kafka.refused_records import FURTHER, Refusals
from shadowstream.kafka.role import process_seconds
from shadowstream.logs import get_logger

log = get_logger("alerts")
TURN_S = 0.1
LOOK_S = 1.0
REST_LOOK_S = 2.0
FAUST_STOP_S = 5.0
SETTLE_S = 30.0
REVISIONS_MAX = 8
"""Maximum number of revisions whose last notes are kept for alerts of their incidents."""
ERROR_CHARS_MAX = 200


class AlertsRole:
    """The handler of the records of drift and verdict. No content of a record ends the role."""

    def __init__(self, config: Config, revision: str, watch: RoleHealth, path: str) -> None:
        self._config, self._revision, self._path = config, revision, path
        self._dimensions = tuple(one.name for one in config.compare.dimensions)
        self.deliverer = Deliverer(config, Delivered(config), watch, channels_of(config, revision), self._complete)
        self._refusals = Refusals()
        self._final = False
        self._notes: dict[str, list[str]] = {}  # notes of the last verdict, by revision
        self._openings: dict[str, Alert] = {}  # of open incidents of the running revision, by their ids
        self._updated, self._acknowledged = set[str](), set[str]()
        self._rejected: set[str] = set()  # revisions by their last verdict
        self._withdrawals: dict[str, int] = {}  # times of verdicts that withdrew a reject, by its alert's id
        self._newest: dict[str, int] = {}  # offsets by topic and partition
        self.records = 0

    @property
    def finished(self) -> bool:
        """Whether a bounded trial's final verdict has been read, and every alert is delivered or muted."""
        return self._final and not self.deliverer.open

    async def take(self, value: bytes | None, place: str, *, superseded: bool = False) -> None:
        """Start the delivery of the alert of a record, if it needs one. `superseded`: a later record has its key."""
        self.records += 1
        if value is None:
            return
        try:
            await self._take(value, self._is_new(place), superseded=superseded)
        except RecordError as error:
            if self._refusals.is_first(error):
                log.error("record_unreadable", place=place, error=str(error), further=FURTHER)
        except (BrokerError, IsolationError):
            raise
        except Exception as error:  # noqa: BLE001 - the content of a record must not block the following ones
            log.error("record_refused", place=place, error=repr(error)[:ERROR_CHARS_MAX])

    def _is_new(self, place: str) -> bool:
        """Return whether a record comes after all that were taken: a start reads the topics twice, and an old record
        must not undo what a newer one reports."""
        partition, _, offset = place.rpartition("/")
        if int(offset) <= self._newest.get(partition, -1):
            return False
        self._newest[partition] = int(offset)
        return True

    async def _take(self, value: bytes, is_new: bool, *, superseded: bool) -> None:
        kind, record = own.decode(value)
        context = Context(self._config.name, self._path, now_ms(), self._dimensions, self._config.watch_over)
        revision = record.get("revision", "")
        nth = self._nth_reject(record) if kind == "verdict" else 1
        alert = alert_of(context, kind, record, self._notes.get(revision, ()), nth)
        if kind == "drift" and record["event"] == "closed" and alert is not None:
            self.deliverer.closed(alert.of)
            self._openings.pop(alert.of, None)
            log.info("incident_closed", incident=record["incident"], reason=record["reason"])
        elif kind == "drift" and alert is not None and is_new and record["revision"] == self._revision:
            self._openings[alert.of] = Alert(alert.of, alert.payload)
        if alert is not None:
            self.deliverer.deliver(alert)
        # An older verdict must not undo a newer one, which an earlier process may have delivered.
        if kind == "verdict" and is_new and not superseded:
            self._take_verdict(context, record, nth)
        if kind == "verdict" and self._config.ends_itself and record["final"] and record["revision"] == self._revision:
            # Drift of the same transaction may arrive later than the verdict, even after the role's end.
            await asyncio.to_thread(await_settled, self._config, self._config.plan.of("drift"), SETTLE_S)
            await self._read("drift")
            self._final = True

    def _nth_reject(self, verdict: dict[str, Any]) -> int:
        """Return the number of the reject that a verdict belongs to: one more than the withdrawals before it.

        The time of a withdrawal by an earlier process is that of its delivery. A verdict that is read again is older.
        """
        nth = 1
        while self._withdrawn_ms(reject_alert_id(verdict["revision"], nth)) < verdict["evaluated_at_ms"]:
            nth += 1
        return nth

    def _withdrawn_ms(self, opening: str) -> float:
        if opening not in self._withdrawals:
            return self.deliverer.first_delivery_ms(follow_up_id(State.RESOLVED, opening))
        return self._withdrawals[opening]

    def _take_verdict(self, context: Context, record: dict[str, Any], nth: int) -> None:
        self._notes.pop(record["revision"], None)
        self._notes[record["revision"]] = notes_of(record)
        while len(self._notes) > REVISIONS_MAX:
            del self._notes[next(iter(self._notes))]
        if record["decision"] == "reject":
            self._rejected.add(record["revision"])
        elif record["decision"] in ("promote", "not_yet"):
            alert = withdrawn(context, record, nth)
            is_news = self.deliverer.knows(alert.of) and not self.deliverer.knows(alert.id)
            # A channel that repeats the reject must learn of its end after a restart and after a second reject, too.
            if is_news or record["revision"] in self._rejected:
                self.deliverer.deliver(alert)
                self._withdrawals.setdefault(alert.of, record["evaluated_at_ms"])
            self._rejected.discard(record["revision"])
        if record.get("approval") is not None:
            self._take_approval(context, record)
        for incident in record["incidents"]:
            opening = self._openings.get(incident_alert_id(record["revision"], incident["id"]))
            if opening is not None and incident["acknowledged_by"] and opening.id not in self._updated:
                self._updated.add(opening.id)
                by, reason = incident["acknowledged_by"], incident["acknowledged_reason"] or ""
                self.deliverer.deliver(acknowledged(opening, by, reason))

    def _take_approval(self, context: Context, record: dict[str, Any]) -> None:
        own = approval_id(record)
        opened = self.deliverer.known(own.rpartition("/")[0] + "/")
        if waits_for_approval(record):
            self.deliverer.deliver(awaiting(context, record))
            opened.discard(own)
        for opening in opened:  # a restart, or a later promote, must not leave an earlier one open
            ended = approval_ended(context, opening, record)
            if not self.deliverer.knows(ended.id):
                self.deliverer.deliver(ended)

    async def _complete(self, alert: Alert) -> Alert:
        """Add examples to the news of an opening; without them if they cannot be read."""
        examples, payload = self._config.alerts.examples, alert.payload
        bad = [payload["criterion"]] if alert.incident else [one["rate"] for one in payload.get("criteria", ())]
        outcomes = outcomes_of(bad)
        if not examples or not outcomes or alert.state not in (State.OPENED, State.ESCALATED):
            return completed(alert, (), {})
        of_rows = payload["revision"], outcomes, payload["since_ms"] or 0, payload.get("slice")
        try:
            found = await asyncio.to_thread(evidence_of, self._config, *of_rows)
        except BrokerError as error:
            log.warning("examples_unread", alert=alert.id, problem=str(error))
            return completed(alert, (), {}, "Examples could not be read; the command below shows them.")
        return completed(alert, found.examples, found.typical)

    async def look_after(self) -> None:
        """Deliver alerts whose mute has ended, escalate, and repeat what receivers forget, as long as the role runs."""
        while True:
            await asyncio.sleep(REST_LOOK_S)
            self.deliverer.deliver_rested()
            await self._escalate()
            await self.deliverer.refresh()
            if self.deliverer.lags:
                self.deliverer.caught_up()
                await self.catch_up()

    async def _escalate(self) -> None:
        for queue in self.deliverer.queues:
            for opening in [*self._openings.values()]:
                if opening.id in self._acknowledged or not self.deliverer.due(queue, opening.id):
                    continue
                if await asyncio.to_thread(is_acknowledged, self._config, str(opening.incident)):
                    self._acknowledged.add(opening.id)
                else:
                    self.deliverer.deliver_to(queue, escalated(opening, str(queue.channel.escalate_after)))

    async def catch_up(self) -> None:
        for kind in KINDS:
            await self._read(kind)

    async def _read(self, kind: str) -> None:
        topic = self._config.plan.of(kind)
        rows = await asyncio.to_thread(read_topic, self._config.kafka, topic, READ_TIMEOUT_S)
        last = {row.key: row for row in rows}
        for row in rows:
            await self.take(row.value, f"{topic}/{row.partition}/{row.offset}", superseded=last[row.key] is not row)


def _topics_are_there(config: Config) -> bool:
    """Return whether the needed topics exist, or production's, so that they can be created."""
    existing = offsets.existing(admin(config.kafka))
    needed = [config.plan.of(kind) for kind in (*KINDS, "deliveries")]
    return any(existing.keys() >= {*topics} for topics in ([*config.inputs, *config.production.outputs], needed))


def _ensure_topics(config: Config) -> None:
    start_check.ensure_topics(admin(config.kafka), config, "alerts")


async def _start(config: Config, role: AlertsRole, app: App, claim: OwnershipClaim) -> None:
    is_logged = False
    while not await asyncio.to_thread(_topics_are_there, config):
        if not is_logged:
            log.warning("waiting_for_topics", inputs=config.inputs, outputs=config.production.outputs)
            is_logged = True
        await asyncio.sleep(LOOK_S)
    await asyncio.to_thread(_ensure_topics, config)
    await asyncio.to_thread(claim.take)
    await role.deliverer.load()
    await role.catch_up()
    if not role.finished:
        await app.start()


async def _play(
    config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str, path: str
) -> AlertsRole:
    role = AlertsRole(config, revision, watch, path)
    stop.begin()

    def ready() -> None:
        watch.ready = True
        role_report.send(role_report.Report.CAUGHT_UP)

    app = make_app(config, role.take, instance, ready)
    app.owes = lambda: role.deliverer.owes
    starting = asyncio.create_task(_start(config, role, app, watch.claim))
    looking = asyncio.create_task(role.look_after())
    try:
        while not (stop.stopped or role.finished):
            # Deliveries run concurrently; this loop reports that the process is alive.
            watch.turned()
            if looking.done():
                looking.result()
            if role.deliverer.failure is not None:
                raise role.deliverer.failure
            if starting.done():
                starting.result()
                cause = app.broken_off or app.crash_reason
                if cause is not None or app.crashed or app.should_stop:
                    raise BrokerError(
                        f"alerts: the stream broke off: {cause!r}; after a restart it resumes there"
                    ) from cause
            await asyncio.sleep(TURN_S)
    finally:
        watch.ready = False
        for task in (starting, looking):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await role.deliverer.stop()
        await _stopped(app)
    return role


async def _stopped(app: App) -> None:
    if not app.started:
        return
    stopping = asyncio.ensure_future(app.stop())
    await asyncio.wait({stopping}, timeout=FAUST_STOP_S)
    if not stopping.done():
        # The next process reads the records above the committed offsets again.
        log.warning("stop_slow", after_s=FAUST_STOP_S)
        stopping.cancel()


def run(
    config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0", path: str = "CONFIG"
) -> dict[str, Any]:
    """Run the role until `stop`, or in a bounded trial until all alerts are delivered; return its figures. `path`: of
    the config's file, for the commands in messages.

    Raises `ConfigError` for a security setting that Faust cannot express. Raises `BrokerError` if the stream
    breaks off; the supervisor then restarts the role.
    """
    brokers(config)  # raises before any client is created
    began = time.monotonic()
    role = asyncio.run(_play(config, revision, stop, watch, instance, path))
    return {
        "role": "alerts",
        "records": role.records,
        "delivered": role.deliverer.count,
        "wall_s": round(time.monotonic() - began, 2),
        **process_seconds(),
    }
