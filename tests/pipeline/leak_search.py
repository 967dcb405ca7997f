"""Search of all that a trial leaves behind for planted secrets: topics, files, processes, and what commands print."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.testing.topics import read_all

ZLIB = (b"\x78\x9c", b"\x78\xda", b"\x78\x01")
HEX_BYTES = 5
"""Bytes of a value that a message once quoted as hex digits."""


def found_in(data: bytes, secrets: Mapping[str, str]) -> set[str]:
    """The names of the secrets in some bytes: as text, as hex, and inside what zlib has compressed."""
    whole = b"\n".join([data, *inflated(data)]).lower()
    return {name for name, secret in secrets.items() if any(form in whole for form in _forms(secret.lower()))}


def _forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield secret.replace(".", "\\.").encode()  # a name in a path
    yield secret.encode()[:HEX_BYTES].hex().encode()


def inflated(data: bytes) -> Iterator[bytes]:
    """Every part of some bytes that zlib can decompress."""
    for begin in ZLIB:
        at = data.find(begin)
        while at >= 0:
            with suppress(zlib.error):
                yield zlib.decompressobj().decompress(data[at:])
            at = data.find(begin, at + 1)


def topics_under(bootstrap: str, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Each topic that begins with the prefix, with all bytes of its records."""
    for topic in sorted(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=30.0).topics):
        if topic.startswith(prefix):
            parts = (
                [one.key or b"", one.value or b"", *(part for header in one.headers or () for part in _bytes(header))]
                for one in read_all(bootstrap, topic)
            )
            yield topic, b"\n".join(part for one in parts for part in one)


def _bytes(header: tuple[str, bytes | None]) -> tuple[bytes, bytes]:
    return header[0].encode(), header[1] or b""


def committed_under(bootstrap: str, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Each group that begins with the prefix, with the metadata of its commits."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    for group in client.list_consumer_groups().result(30).valid:
        if group.group_id.startswith(prefix):
            asked = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group.group_id)])
            places: list[TopicPartition] = asked[group.group_id].result(30).topic_partitions or []
            yield f"group {group.group_id}", "\n".join(str(place.metadata) for place in places).encode()


def files_below(folder: Path, left_out: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Each file of a folder with its bytes, and its own name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in set(left_out):
            yield f"file {path.relative_to(folder)}", str(path).encode() + path.read_bytes()


def family(pid: int) -> list[int]:
    """A process and all of its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def of_process(pid: int, name: str) -> bytes:
    """`cmdline` or `environ` of a process; nothing where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
