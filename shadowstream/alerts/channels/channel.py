"""The contract of a channel, and the log as the channel that every trial has."""

from shadowstream.alerts.messages import Alert
from shadowstream.config import Channel as Settings
from shadowstream.config.alerting import LOG
from shadowstream.logs import get_logger

log = get_logger("alerts")


class Refused(Exception):
    """The alert was not accepted. The text holds no address, which often serves as a password."""


class Channel:
    """A way to people.

    `target`: its name in metrics, log and ledger. `escalate_after`: the time without an acknowledgement after which it
    gets an incident; None: it gets each opening. `slots`: deliveries that may run at a time.
    """

    slots = 8

    def __init__(self, settings: Settings | None = None) -> None:
        self.target = settings.target if settings is not None else LOG
        self.escalate_after = settings.escalate_after if settings is not None else None
        self.escalate_after_s = settings.escalate_after_s if settings is not None else None

    async def send(self, alert: Alert) -> None:
        """Send an alert once. Raises `Refused` if it was not accepted."""
        raise NotImplementedError

    def settled(self, alert: Alert) -> None:
        """Take note that an alert is delivered, by this process or an earlier one."""

    async def refresh(self) -> None:
        """Repeat the alerts that the receiver forgets otherwise; called every few seconds."""


class LogChannel(Channel):
    """The log of the role: it has every alert, first, and so the time from which an escalation counts."""

    async def send(self, alert: Alert) -> None:
        log.warning("alert", alert=alert.id, **{name: part for name, part in alert.payload.items() if name != "body"})
