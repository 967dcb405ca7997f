"""Channel of the library apprise (extra `notify`): Slack, Teams, PagerDuty, mail and others, by one URL each."""

import asyncio
import importlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shadowstream import extras
from shadowstream.alerts.channels.channel import Channel, Refused
from shadowstream.alerts.messages import Alert, State
from shadowstream.config import Channel as Settings
from shadowstream.errors import ConfigError

_LIBRARIES = ("apprise", "urllib3", "requests", "requests_oauthlib")
_TYPES = {State.OPENED: "warning", State.UPDATED: "info", State.ESCALATED: "failure", State.RESOLVED: "success"}


class AppriseChannel(Channel):
    """A service that apprise knows. Its calls block, so they run in threads of this channel alone."""

    slots = 2

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._service = service_of(settings)
        self._threads = ThreadPoolExecutor(self.slots, thread_name_prefix=f"alerts-{settings.target}")

    async def send(self, alert: Alert) -> None:
        payload = alert.payload
        kind = "failure" if payload["kind"] == "reject" and alert.state == State.OPENED else _TYPES[alert.state]
        loop = asyncio.get_running_loop()
        try:
            accepted = await loop.run_in_executor(
                self._threads,
                # Named as text, so that markup in a record's value stays text in a mail.
                lambda: self._service.notify(
                    body=payload["body"], title=payload["title"], notify_type=kind, body_format="text"
                ),
            )
        except Exception as error:  # noqa: BLE001 - each service has errors of its own
            raise Refused(type(error).__name__) from None  # the text may hold the URL
        if not accepted:
            raise Refused("the service did not accept it; check the URL, and test it with the command `apprise`")


def service_of(settings: Settings) -> Any:
    """Return the service of a channel. Raises `ConfigError` if apprise is not installed or does not know the URL."""
    try:
        apprise = importlib.import_module("apprise")
    except ImportError as error:
        raise extras.missing("notify", f"alerts.channels: {settings.target}", "apprise") from error
    for library in _LIBRARIES:  # their lines hold addresses
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    service = apprise.Apprise()
    if not service.add(settings.url):
        raise ConfigError(
            f"alerts.channels: {settings.target}: apprise cannot use the URL; its command `apprise --details` lists "
            "the services and the form of their URLs"
        )
    return service
