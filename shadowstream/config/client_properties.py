"""The librdkafka properties that `kafka.client` accepts, by canonical name, with the type of each.

It is an allow list: librdkafka has aliases (`metadata.broker.list` names another cluster than `kafka.bootstrap`),
properties that load libraries or run commands, and clusters that are none. A name outside the list is an error. Common
aliases are accepted and become the canonical name, so each property can be set once only.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Literal

OWNED_PROPERTIES = frozenset(
    (
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "group.remote.assignor",
        "isolation.level",
        "message.timeout.ms",
        "partition.assignment.strategy",
        "transaction.timeout.ms",
        "transactional.id",
    )
)
ALIASES = {
    "compression.type": "compression.codec",
    "linger.ms": "queue.buffering.max.ms",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
    "retries": "message.send.max.retries",
    "sasl.mechanism": "sasl.mechanisms",
}
_TEXTS = (
    "broker.address.family client.dns.lookup client.id client.rack compression.codec debug https.ca.location "
    "https.ca.pem metadata.recovery.strategy sasl.kerberos.keytab sasl.kerberos.principal sasl.kerberos.service.name "
    "sasl.mechanisms sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.config "
    "sasl.oauthbearer.extensions sasl.oauthbearer.method sasl.oauthbearer.scope sasl.oauthbearer.token.endpoint.url "
    "sasl.password sasl.username security.protocol ssl.ca.certificate.stores ssl.ca.location ssl.ca.pem "
    "ssl.certificate.location ssl.certificate.pem ssl.cipher.suites ssl.crl.location ssl.curves.list "
    "ssl.endpoint.identification.algorithm ssl.key.location ssl.key.password ssl.key.pem ssl.keystore.location "
    "ssl.keystore.password ssl.sigalgs.list"
)
_NUMBERS = (
    "batch.num.messages batch.size broker.address.ttl compression.level connections.max.idle.ms "
    "coordinator.query.interval.ms fetch.error.backoff.ms fetch.max.bytes fetch.message.max.bytes fetch.min.bytes "
    "fetch.queue.backoff.ms fetch.wait.max.ms heartbeat.interval.ms log_level max.poll.interval.ms "
    "message.copy.max.bytes message.max.bytes message.send.max.retries metadata.max.age.ms "
    "metadata.recovery.rebootstrap.trigger.ms queue.buffering.max.kbytes queue.buffering.max.messages "
    "queued.max.messages.kbytes queued.min.messages receive.message.max.bytes reconnect.backoff.max.ms "
    "reconnect.backoff.ms request.timeout.ms retry.backoff.max.ms retry.backoff.ms "
    "sasl.kerberos.min.time.before.relogin session.timeout.ms socket.connection.setup.timeout.ms socket.max.fails "
    "socket.receive.buffer.bytes socket.send.buffer.bytes socket.timeout.ms topic.metadata.propagation.max.ms "
    "topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.interval.ms"
)
_SWITCHES = (
    "api.version.request check.crcs enable.metrics.push enable.sasl.oauthbearer.unsecure.jwt "
    "enable.ssl.certificate.verification log.connection.close socket.keepalive.enable socket.nagle.disable "
    "topic.metadata.refresh.sparse"
)
Kind = Literal["text", "number", "switch"]
KINDS: dict[str, Kind] = {
    **dict.fromkeys(_TEXTS.split(), "text"),
    **dict.fromkeys([*_NUMBERS.split(), "queue.buffering.max.ms"], "number"),
    **dict.fromkeys(_SWITCHES.split(), "switch"),
}
_WHOLE = frozenset(KINDS) - {"queue.buffering.max.ms"}
MESSAGE_BYTES_MIN = 1_000_000
Value = str | int | float | bool


def canonical(client: Mapping[str, Value]) -> dict[str, Value]:
    """Return the properties by canonical name. Raises `ValueError` for a name or a value that cannot be accepted.

    >>> canonical({"sasl.mechanism": "PLAIN", "linger.ms": "5"})
    {'sasl.mechanisms': 'PLAIN', 'queue.buffering.max.ms': '5'}
    >>> canonical({"metadata.broker.list": "elsewhere:9092"})
    Traceback (most recent call last):
    ...
    ValueError: metadata.broker.list is no property that can be set here; docs/security.md lists those that can
    """
    owned = sorted(name for name in client if name in OWNED_PROPERTIES)
    if owned:
        raise ValueError(f"{', '.join(owned)} cannot be set: shadowstream sets it itself for its guarantees")
    found: dict[str, Value] = {}
    for name, value in client.items():
        known = ALIASES.get(name, name)
        if known not in KINDS:
            close = difflib.get_close_matches(name, [*KINDS, *ALIASES], n=1, cutoff=0.85)
            hint = f"did you mean {close[0]!r}?" if close else "docs/security.md lists those that can"
            raise ValueError(f"{name} is no property that can be set here; {hint}")
        if known in found:
            raise ValueError(f"{name} is set twice, also as {known}; remove one")
        if problem := _wrong(known, value):
            raise ValueError(f"{name} must be {problem}")
        found[known] = value
    if int(found.get("message.max.bytes", MESSAGE_BYTES_MIN)) < MESSAGE_BYTES_MIN:
        raise ValueError(
            f"message.max.bytes must be at least {MESSAGE_BYTES_MIN}, librdkafka's default: shadowstream "
            "bounds its records below that, and a record that the client rejects would fail each commit"
        )
    return found


def _wrong(name: str, value: Value) -> str | None:
    """Return the type that a value must have; None if it has it. librdkafka reads text."""
    text = str(value)
    match KINDS[name]:
        case "switch":
            return None if text.lower() in ("true", "false") else "true or false"
        case "number" if name in _WHOLE:
            return None if re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) else "a whole number"
        case "number":
            return None if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text, re.ASCII) else "a number"
        case _:
            return None


def alerts_obstacles(client: Mapping[str, Value]) -> list[str]:
    """Return the security properties that the alerts role's client, Faust, cannot express, each with the remedy.

    >>> alerts_obstacles({"security.protocol": "SSL", "ssl.keystore.location": "me.p12"})
    ['ssl.keystore.location: give PEM files by ssl.certificate.location and ssl.key.location']
    """
    found = [f"{name}: {remedy}" for name, remedy in _INEXPRESSIBLE.items() if name in client]
    mechanism = str(client.get("sasl.mechanisms", "")).upper()
    if mechanism not in ("", *MECHANISMS):
        found.append(f"sasl.mechanism: {mechanism} is none of {', '.join(MECHANISMS)}")
    if mechanism == "OAUTHBEARER" and str(client.get("sasl.oauthbearer.method", "default")).lower() != "oidc":
        found.append("sasl.oauthbearer.method: set it to oidc, with a client id, a secret and a token endpoint")
    return found


MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_BY_FILE = "give PEM files by ssl.certificate.location and ssl.key.location"
_INEXPRESSIBLE = {
    "ssl.certificate.pem": _BY_FILE,
    "ssl.key.pem": _BY_FILE,
    "ssl.keystore.location": _BY_FILE,
    "ssl.crl.location": "remove it; revoke by short-lived certificates",
    "ssl.curves.list": "remove it; the default of OpenSSL applies",
    "ssl.sigalgs.list": "remove it; the default of OpenSSL applies",
    "ssl.ca.certificate.stores": "give the authority as a PEM file by ssl.ca.location",
    "sasl.oauthbearer.config": "take sasl.oauthbearer.method: oidc",
    "enable.sasl.oauthbearer.unsecure.jwt": "take sasl.oauthbearer.method: oidc",
}
