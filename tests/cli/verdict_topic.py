"""A verdict record, and a trial whose verdict topic a test fills."""

import time
from pathlib import Path
from typing import Any

from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.revision import revision_of
from shadowstream.testing.topics import Write, create_topics, produce_all

REVISION = "ab" * 32
NOW_MS = 1_700_000_000_000


def verdict(decision: str, revision: str = REVISION, evaluated_at_ms: int = NOW_MS, **more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"name": "fraud", "revision": revision, "decision": decision, "final": False}
    record |= {"reasons": [f"because {decision}"], "outcomes": {"match": 10}, "fields": {}, "coverage": 1.0}
    record |= {name: [] for name in ("criteria", "ledgers", "incidents_open", "sources", "caveats")}
    record |= {"windows_closed": 1, "windows_open": 0, "remainder": 0, "warm_up": 0}
    record |= {"criteria_hash": "00", "evidence_digest": "00", "candidate_isolation": "in-process"}
    return record | {"from_ms": 0, "to_ms": evaluated_at_ms, "evaluated_at_ms": evaluated_at_ms} | more


class Judged:
    """A trial of its own on the broker, whose verdict topic the test fills."""

    def __init__(self, path: Path, bootstrap: str) -> None:
        self.path = path
        self.config = load(path)
        self.revision = revision_of(self.config)
        self.bootstrap = bootstrap
        self.topic = self.config.plan.of("verdict")

    def create(self) -> None:
        create_topics(self.bootstrap, {self.topic: 1}, {"cleanup.policy": "compact"})
        create_topics(self.bootstrap, {self.config.plan.of("commands"): 1}, {})

    def say(self, decision: str, revision: str | None = None, age_s: float = 0, **more: Any) -> None:
        at_ms = round((time.time() - age_s) * 1000)
        self.write(verdict(decision, revision or self.revision, at_ms, name=self.config.name, **more))

    def write(self, one: dict[str, Any]) -> None:
        """Write a verdict record; one without a time of evaluation is of now."""
        one = one | ({} if one["evaluated_at_ms"] else {"evaluated_at_ms": round(time.time() * 1000)})
        write = Write(own.encode("verdict", one), one["revision"].encode())
        produce_all(self.bootstrap, self.topic, [write], transactional_id=f"{self.topic}.test")


NOT_GIVEN: dict[str, Any] = {"signature": "", "share": None, "group": "", "offsets": [], "promote_since_ms": None}
"""Fields of a command's record that only other commands have."""
