"""Command lines of Kafka's own tools for a handover. Nothing here runs them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from shadowstream.records import Partition


@dataclass(frozen=True, slots=True)
class KafkaLines:
    """Lines of `kafka-consumer-groups` for one cluster. `login`: file of client properties for Kafka's tools, or None.

    >>> KafkaLines("kafka:9092", None).state("fraud-model")
    'kafka-consumer-groups --bootstrap-server kafka:9092 --describe --group fraud-model --state'
    """

    bootstrap: str
    login: str | None

    def _line(self, *words: str) -> str:
        login = [] if self.login is None else ["--command-config", self.login]
        return shlex.join(["kafka-consumer-groups", "--bootstrap-server", self.bootstrap, *login, *words])

    def state(self, group: str) -> str:
        """Return the line that shows whether a group is empty."""
        return self._line("--describe", "--group", group, "--state")

    def offsets(self, group: str) -> str:
        """Return the line that shows a group's commits."""
        return self._line("--describe", "--group", group)

    def reset(self, group: str, offsets: Mapping[Partition, int], file: str) -> list[str]:
        """Return the lines that set a group's commits: one for a single partition, else a file and a line."""
        if len(offsets) == 1:
            ((place, offset),) = offsets.items()
            where = ("--topic", f"{place.topic}:{place.partition}", "--to-offset", str(offset))
            return [self._line("--group", group, "--reset-offsets", *where, "--execute")]
        rows = "\n".join(f"{place.topic},{place.partition},{offset}" for place, offset in sorted(offsets.items()))
        return [f"cat > {shlex.quote(file)} <<'END'\n{rows}\nEND", self._import(group, file)]

    def earliest(self, group: str, place: Partition) -> str:
        """Return the line that sets a group's commit of one partition to the log start."""
        where = ("--topic", f"{place.topic}:{place.partition}", "--to-earliest")
        return self._line("--group", group, "--reset-offsets", *where, "--execute")

    def copy(self, source: str, target: str, topics: list[str], file: str) -> list[str]:
        """Return the lines that give `target` the commits that `source` has when they are run."""
        named = [word for topic in topics for word in ("--topic", topic)]
        exported = self._line("--group", source, "--reset-offsets", "--to-current", *named, "--dry-run", "--export")
        return [f"{exported} > {shlex.quote(file)}", self._import(target, file)]

    def _import(self, group: str, file: str) -> str:
        return self._line("--group", group, "--reset-offsets", "--from-file", file, "--execute")
