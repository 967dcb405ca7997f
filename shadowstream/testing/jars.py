"""Kafka's jars in a cache of their own: fetched once, verified, shared by every process of this user."""

import contextlib
import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shadowstream.errors import BrokerError
from shadowstream.testing.kafka_jars import KAFKA_JARS, KAFKA_VERSION

_WAY_OUT = (
    "Fill the cache once on a machine that reaches Maven Central (`shadowstream kafka`, then copy the directory), "
    "or set SHADOWSTREAM_BOOTSTRAP to a Kafka you have, or run Docker with the Kafka image present."
)


def cache_dir() -> Path:
    """Directory of the jars: `SHADOWSTREAM_CACHE`, else `shadowstream/kafka` in the user's cache directory."""
    given = os.environ.get("SHADOWSTREAM_CACHE")
    if given:
        return Path(given).expanduser()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "shadowstream" / "kafka"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` between processes; the kernel releases it when its holder dies."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def kafka_classpath() -> list[Path]:
    """The verified jars of Kafka, downloaded on the first call of all (about 45 MB). Raises `BrokerError`: the cache
    cannot be written, or a jar can neither be found nor fetched; says what and the way out."""
    cache = cache_dir()
    jars = [_jar_path(cache, coordinate) for coordinate, _ in KAFKA_JARS]
    seal = cache / f"kafka-{KAFKA_VERSION}.verified"
    if _sealed(seal, jars):
        return jars
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / "lock"):
            if not _sealed(seal, jars):
                _fetch_all(cache)
                seal.write_text(_seal_of(jars))
    except OSError as error:
        raise BrokerError(
            f"the jar cache {cache} cannot be used: {error}. Set SHADOWSTREAM_CACHE elsewhere."
        ) from error
    return jars


def classpath(pins: Sequence[tuple[str, str]]) -> list[Path]:
    """Verified jars of other coordinates, each pinned as (coordinate, sha256); fetched where they are missing. Raises
    `BrokerError`: as `kafka_classpath`."""
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        for coordinate, sha256 in pins:
            if not _intact(_jar_path(cache, coordinate), sha256):
                _fetch(cache, coordinate, sha256)
    return [_jar_path(cache, coordinate) for coordinate, _ in pins]


def _jar_path(cache: Path, coordinate: str) -> Path:
    group, artifact, version = coordinate.split(":")
    return cache / "maven" / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.jar"


def _seal_of(jars: list[Path]) -> str:
    """Names, hashes and sizes: cheap to check at each start, and different for a changed pin or a truncated jar."""
    sizes = [jar.stat().st_size for jar in jars]
    return "".join(f"{pin} {size} {name}\n" for (name, pin), size in zip(KAFKA_JARS, sizes, strict=True))


def _sealed(seal: Path, jars: list[Path]) -> bool:
    try:
        return seal.read_text() == _seal_of(jars)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _fetch_all(cache: Path) -> None:
    missing = [pin for pin in KAFKA_JARS if not _intact(_jar_path(cache, pin[0]), pin[1])]
    if missing:
        print(f"fetching Kafka {KAFKA_VERSION} into {cache}: {len(missing)} jars, once", file=sys.stderr)
    with ThreadPoolExecutor(max_workers=6) as pool:
        for failed in [job for job in [pool.submit(_fetch, cache, *pin) for pin in missing] if job.exception()]:
            failed.result()


def _fetch(cache: Path, coordinate: str, sha256: str) -> None:
    from jgo.maven import MavenContext

    jar = _jar_path(cache, coordinate)
    jar.unlink(missing_ok=True)
    try:
        found = MavenContext(repo_cache=cache / "maven").create_dependency(coordinate).artifact.resolve()
    except Exception as error:  # jgo raises requests', urllib3's and its own errors: one meaning for us
        jar.unlink(missing_ok=True)
        raise BrokerError(
            f"{coordinate} is not in {cache} and could not be fetched: {type(error).__name__}: {error}\n{_WAY_OUT}"
        ) from error
    if not _intact(found, sha256):
        found.unlink()
        raise BrokerError(f"{coordinate} was fetched, but its sha256 is not the pinned one; removed. Try again.")


def _intact(jar: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(jar.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False
