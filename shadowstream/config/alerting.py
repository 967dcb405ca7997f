"""Config of alerts: the channels that deliver them to people."""

import re
from collections import Counter
from typing import Literal, Self

from pydantic import Field, model_validator

from shadowstream.config.model import Model, PositiveMillis, check_headers, empty
from shadowstream.webhook_signatures import key_of

CHANNELS_MAX = 20
EXAMPLES_MAX = 3
LOG = "log"
"""Name of the channel that every trial has."""
_HTTP = r"^https?://"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_HEADERS = {"content-type", "content-length", "host", "idempotency-key", "transfer-encoding"}
_OWN_HEADERS |= {"x-shadowstream-signature", "webhook-id", "webhook-timestamp", "webhook-signature"}
_OWN_LABELS = {"alertname", "trial", "revision", "incident", "slice"}
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
ChannelKind = Literal["webhook", "alertmanager", "apprise"]


class Channel(Model):
    """One way to people: a webhook, an Alertmanager, or any service that the library apprise knows."""

    name: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$",
        description="name of the channel in metrics, log and ledger: lower-case letters, digits, _ and -; default: "
        "its kind",
    )
    webhook: str | None = Field(None, pattern=_HTTP, description="URL that takes a POST of JSON per message")
    alertmanager: str | None = Field(
        None, pattern=_HTTP, description="URL of a Prometheus Alertmanager, without /api/v2/alerts"
    )
    apprise: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9+_.-]*://",
        description="URL of apprise for Slack, Teams, PagerDuty, mail and others, for example mailto://user:password@host",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="further headers of each request, for example Authorization"
    )
    secret: str | None = Field(
        None,
        min_length=16,
        description="secret of the signatures (HMAC-SHA256) in webhook-signature and X-Shadowstream-Signature: whsec_ "
        "and base64 of 24 to 64 bytes, or a text of at least 16 characters",
    )
    previous_secret: str | None = Field(
        None,
        min_length=16,
        description="secret that receivers may still have: webhook-signature has a signature by each of the two",
    )
    labels: dict[str, str] = Field(default_factory=dict, description="further labels for the Alertmanager's routes")
    escalate_after: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]{0,5}[smhd]$",
        description="gets incidents that stay unacknowledged for this long, for example 30m, and nothing else",
    )

    @property
    def kind(self) -> ChannelKind:
        if self.webhook is not None:
            return "webhook"
        return "alertmanager" if self.alertmanager is not None else "apprise"

    @property
    def target(self) -> str:
        """The name, with its default resolved."""
        return self.name or self.kind

    @property
    def url(self) -> str:
        return self.webhook or self.alertmanager or self.apprise or ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that sign, the newest first."""
        return tuple(one for one in (self.secret, self.previous_secret) if one is not None)

    @property
    def escalate_after_s(self) -> int | None:
        """The time without an acknowledgement before the first message; None: the channel gets each opening."""
        if self.escalate_after is None:
            return None
        return int(self.escalate_after[:-1]) * _UNITS_S[self.escalate_after[-1]]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given = [one for one in (self.webhook, self.alertmanager, self.apprise) if one is not None]
        if len(given) != 1:
            raise ValueError("a channel needs exactly one of webhook, alertmanager and apprise")
        if self.name == LOG:
            raise ValueError("name: log is the name of the log; give the channel another one")
        if self.secret is not None and self.webhook is None:
            raise ValueError("secret: signs the messages of a webhook only; remove it here")
        if self.previous_secret is not None and self.secret is None:
            raise ValueError("previous_secret: needs secret, the one that comes after it")
        for name, text in (("secret", self.secret), ("previous_secret", self.previous_secret)):
            try:
                key_of(text or "")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if self.headers and self.apprise is not None:
            raise ValueError("headers: belong to webhook and alertmanager; apprise takes all its settings in the URL")
        if self.labels and self.alertmanager is None:
            raise ValueError("labels: belong to alertmanager; remove them here")
        check_headers(self.headers, _OWN_HEADERS)
        for name in self.labels:
            if not _LABEL.fullmatch(name) or name in _OWN_LABELS:
                raise ValueError(
                    f"labels: {name!r} cannot be set: a label has letters, digits and _, and is none of "
                    f"{', '.join(sorted(_OWN_LABELS))}"
                )
        return self


class Alerts(Model):
    """Delivery of incidents and rejects."""

    webhook: str | None = Field(
        None, pattern=_HTTP, description="URL that takes a POST of JSON per message; short for a channel of that name"
    )
    channels: list[Channel] = Field(
        default_factory=empty, max_length=CHANNELS_MAX, description="where messages are delivered, each on its own"
    )
    examples: int = Field(
        EXAMPLES_MAX,
        ge=0,
        le=EXAMPLES_MAX,
        description="most examples of differences in a message, as redacted as in the topic diff; 0 for none",
    )
    timeout_ms: PositiveMillis = Field(5_000, description="longest time that one delivery may take, ms")

    @property
    def targets(self) -> list[Channel]:
        """All channels, the webhook of the short form first."""
        short = [Channel(webhook=self.webhook)] if self.webhook is not None else []
        return [*short, *self.channels]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for name, count in Counter(channel.target for channel in self.targets).items():
            if count > 1:
                raise ValueError(f"channels: {count} channels have the name {name!r}; give each a name of its own")
        return self
