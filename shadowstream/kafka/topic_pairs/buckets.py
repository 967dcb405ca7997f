"""Records of both topics in buckets by the hash of their id, in memory first and then in files without a name.

All records of one id are in one bucket, so buckets are compared one after the other. A bucket that is too large for
memory is split by another hash.
"""

import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b
from typing import IO, Generic, Protocol, TypeVar

from shadowstream.errors import ConfigError, StoreError

BUCKETS = 64
MEMORY_BYTES = 48_000_000
"""All buckets together keep so many bytes in memory; more goes to the files."""
BUCKET_BYTES = 24_000_000
"""A larger bucket is split before it is taken apart, which needs three to four times its bytes."""
DEPTH_MAX = 4


class Bucketed(Protocol):
    """A record with the id by which buckets are chosen."""

    @property
    def id(self) -> bytes: ...

    def pack(self) -> bytes:
        """Return the record's bytes."""


T = TypeVar("T", bound=Bucketed)


class Buckets(Generic[T]):
    """Buckets of records that `unpack` reads from their bytes.

    They take at most `bytes_max` bytes on disk, in `folder` (None: the system's temporary folder).

    Raises `StoreError` if the disk fails or the bound is reached, `ConfigError` if no file can be made.
    """

    def __init__(
        self, folder: str | None, bytes_max: int, unpack: Callable[[bytes], Iterator[T]], depth: int = 0
    ) -> None:
        self._folder, self._bytes_max, self._unpack, self._depth = folder, bytes_max, unpack, depth
        self._memory = [bytearray() for _ in range(BUCKETS)]
        self._files: list[IO[bytes] | None] = [None] * BUCKETS
        self._parts: list[list[int]] = [[] for _ in range(BUCKETS)]
        """Lengths of the parts of each file; a part holds whole records."""
        self._in_memory = 0
        self.on_disk = 0
        """Bytes in the files."""

    def add(self, record: T) -> None:
        raw = record.pack()
        self._memory[self._bucket_of(record.id)] += raw
        self._in_memory += len(raw)
        if self._in_memory > MEMORY_BYTES:
            self._flush()

    def _bucket_of(self, id_: bytes) -> int:
        if self._depth == 0:
            return zlib.crc32(id_) % BUCKETS
        return blake2b(id_, digest_size=1, salt=bytes([self._depth])).digest()[0] % BUCKETS

    def _flush(self) -> None:
        self.on_disk += self._in_memory
        if self.on_disk > self._bytes_max:
            raise StoreError(
                f"the records that wait for their partners take more than {self._bytes_max:,} bytes on disk: compare a "
                "shorter range (--from, --to), or give --disk-bytes"
            )
        for n, memory in enumerate(self._memory):
            if not memory:
                continue
            file = self._file(n)
            self._parts[n].append(len(memory))
            try:
                while memory:  # a disk that is almost full takes a part of it
                    del memory[: file.write(memory)]
            except OSError as error:
                raise StoreError(
                    f"records that wait for their partners cannot be written in {self._where}: {error}; free space "
                    "there, or give another --spill-dir"
                ) from error
        self._in_memory = 0

    @property
    def _where(self) -> str:
        return self._folder or tempfile.gettempdir()

    def _file(self, n: int) -> IO[bytes]:
        file = self._files[n]
        if file is None:
            try:
                file = self._files[n] = tempfile.TemporaryFile("w+b", buffering=0, dir=self._folder)  # noqa: SIM115  closed by `take`
            except OSError as error:
                raise ConfigError(f"--spill-dir: no file can be made in {self._where}: {error}") from error
        return file

    def take(self) -> Iterator[list[T]]:
        """Yield the records of one bucket after the other, and forget them.

        Raises `StoreError` if the records of too few ids fill a bucket that cannot be split any more.
        """
        for n in range(BUCKETS):
            if sum(self._parts[n]) + len(self._memory[n]) <= BUCKET_BYTES:
                yield list(self._records_of(n))
                continue
            if self._depth == DEPTH_MAX:
                raise StoreError(
                    f"the records of one id take more than {BUCKET_BYTES:,} bytes: give an --id that tells more "
                    "records apart, or compare a shorter range (--from, --to)"
                )
            with closing(Buckets(self._folder, self._bytes_max, self._unpack, self._depth + 1)) as smaller:
                for record in self._records_of(n):
                    smaller.add(record)
                yield from smaller.take()

    def _records_of(self, n: int) -> Iterator[T]:
        """Yield the records of a bucket, a part of its file at a time, and forget them."""
        file, self._files[n] = self._files[n], None
        if file is not None:
            with file:
                file.seek(0)
                for length in self._parts[n]:
                    yield from self._unpack(_read(file, length))
        memory, self._memory[n] = self._memory[n], bytearray()
        yield from self._unpack(bytes(memory))

    def close(self) -> None:
        for file in self._files:
            if file is not None:
                file.close()


def _read(file: IO[bytes], length: int) -> bytes:
    try:
        raw = file.read(length)
    except OSError as error:
        raise StoreError(f"records that wait for their partners cannot be read again: {error}") from error
    if len(raw) < length:
        raise StoreError("records that wait for their partners are gone from the disk")
    return raw
