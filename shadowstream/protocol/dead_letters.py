"""Dead letters: unusable records with the headers of Kafka Connect's dead letter queue (KIP-298)."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from shadowstream.codecs.framing import SCHEMA_HEADER
from shadowstream.config import Config
from shadowstream.protocol.size_limits import KEY_BYTES_MAX, too_long
from shadowstream.records import Partition, Write

MESSAGE_BYTES_MAX = 1_000
KEY_HEADER = "shadowstream.key.bytes"  # header with the length of a key that was cut


class FailedRecord(NamedTuple):
    """A record that failed; `place` and `offset` in its producer's topic, `schema_header` as the record had it."""

    place: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    time_ms: int
    schema_header: bytes | None = None


class LetterFacts(NamedTuple):
    """Facts of a dead letter as its headers have them. `record`: topic/partition@offset of the record that failed."""

    record: str
    stage: str
    error: str
    message: str


def facts_of(headers: Mapping[str, bytes]) -> LetterFacts:
    """Return the facts of a dead letter; what a header lacks is an empty text.

    >>> facts_of({"__connect.errors.topic": b"in", "__connect.errors.offset": b"7"})
    LetterFacts(record='in/@7', stage='', error='', message='')
    """

    def text(name: str) -> str:
        return (headers.get(f"__connect.errors.{name}") or b"").decode("utf-8", "backslashreplace")

    record = f"{text('topic')}/{text('partition')}@{text('offset')}"
    return LetterFacts(record, text("stage"), text("exception.class.name"), text("exception.message"))


class Redaction(Protocol):
    """The methods of `compare.redact.Redactor` that a dead letter needs."""

    def key(self, key: bytes | None) -> bytes | None: ...

    def payload(self, value: bytes | None) -> bytes | None: ...


def dead_letter(
    config: Config, redactor: Redaction, role: str, failed: FailedRecord, error: tuple[str, str], stage: str
) -> Write:
    """Return the record as a dead letter, redacted as configured; `error`: class, and message as it may be shown."""
    name, message = error
    headers = [
        ("__connect.errors.topic", failed.place.topic.encode()),
        ("__connect.errors.partition", str(failed.place.partition).encode()),
        ("__connect.errors.offset", str(failed.offset).encode()),
        ("__connect.errors.stage", stage.encode()),
        ("__connect.errors.exception.class.name", name.encode()),
        ("__connect.errors.exception.message", message.encode()[:MESSAGE_BYTES_MAX]),
    ]
    if failed.schema_header is not None:
        headers.append((SCHEMA_HEADER, failed.schema_header))
    key, value = redactor.key(failed.key), redactor.payload(failed.value)
    if key is not None and too_long(key):
        headers.append((KEY_HEADER, str(len(key)).encode()))
        key = key[:KEY_BYTES_MAX]
    if value is not None:
        value = value[: max(0, config.limits.value_bytes_max - len(key or b""))]
    return Write(config.plan.dead_letter(role), 0, key, value, failed.time_ms, headers)
