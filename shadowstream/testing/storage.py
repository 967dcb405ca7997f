"""An empty storage directory for KRaft: Kafka's own StorageTool, once per cache."""

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence

from shadowstream.errors import BrokerError
from shadowstream.testing.diagnosis import explain
from shadowstream.testing.home import Home
from shadowstream.testing.jars import cache_dir
from shadowstream.testing.kafka_jars import KAFKA_VERSION
from shadowstream.testing.properties import NODE_ID


def format_storage(java: Sequence[str], home: Home) -> None:
    """Make `home.data` a formatted storage; one that is formatted stays as it is.

    What StorageTool writes is a text file of identities and a checkpoint of feature levels, the same for every broker
    of one version. The checkpoint is kept in the cache, so that only the first broker pays 1.5 s for a second Java.
    Raises `OSError`: the directory cannot be written. Raises `BrokerError`: StorageTool fails; holds what it said.
    """
    identities = home.data / "meta.properties"
    if identities.exists():
        return
    kept = cache_dir() / f"kafka-{KAFKA_VERSION}.bootstrap.checkpoint"
    if not kept.exists():
        _run_storage_tool(java, home)
        # In one step, because another process may read in the cache.
        half = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copyfile(home.data / "bootstrap.checkpoint", half)
        half.replace(kept)
        return
    try:
        home.data.mkdir(exist_ok=True)
        shutil.copyfile(kept, home.data / "bootstrap.checkpoint")
        # Last: its presence says that all is there.
        identities.write_text(
            f"version=1\ncluster.id={_uuid()}\nnode.id={NODE_ID}\ndirectory.id={_uuid()}\n", encoding="ascii"
        )
    except OSError:
        identities.unlink(missing_ok=True)
        raise


def _run_storage_tool(java: Sequence[str], home: Home) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "-t", _uuid(), "-c", str(home.config)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        output = done.stdout + done.stderr
        raise BrokerError(explain("its storage could not be formatted", output, home.path))


def _uuid() -> str:
    """Make an id as Kafka does: 16 bytes in URL-safe base64, unpadded; a leading dash would read as an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
