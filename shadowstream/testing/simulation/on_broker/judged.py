"""The judge's words against those of a judge that hears all statistics once, one partition of stats after the other, as
`replay` does: each delta once, the same windows, the same last verdict and the same drift events, whatever died.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from shadowstream.codecs import own
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.windows.window_counts import WindowCounts
from shadowstream.records import Partition
from shadowstream.testing.simulation.on_broker.world import BrokerWorld

ALWAYS_NEW = ("evaluated_at_ms", "sources")


def records(world: BrokerWorld, revision: str, name: str) -> list[dict[str, Any]]:
    """All records that the judge of a revision has written to a topic of one partition."""
    log = world.broker.logs[Partition(world.config.plan.of(name), 0)]
    found = [own.decode(entry.value or b"")[1] for _, entry in log.records()]
    return [record for record in found if record["revision"] == revision]


def added(step: JudgeStep) -> dict[str, Any]:
    """Everything that statistics have added up to, closed or open, and how far the judge has heard each task."""
    snapshot = step.windows.snapshot()
    figures: Counter[str] = Counter(snapshot["figures"])
    for _, on_time, late in snapshot["cells"]:
        for tally in (on_time, *(one for _, one in late)):
            figures.update(WindowCounts.of(tally).figures)
    duplicates, foreign, _, strangers, *_ = snapshot["counted"]
    return {
        "figures": {name: n for name, n in sorted(figures.items()) if n},
        "tasks": snapshot["tasks"],
        "sources": snapshot["sources"],
        "counted": [duplicates, foreign, strangers],
        "offsets": step.offsets(),
    }


def judge_offences(world: BrokerWorld, revision: str) -> Iterator[str]:
    """Differences between what the last commit of the judge of this revision holds and what it should."""
    tasks = {f"{topic}/{p}" for topic in world.topics for p in range(world.setup.outputs)}
    once, kept = (JudgeStep(world.config, revision, tasks) for _ in range(2))
    states = records(world, revision, "judge-state")
    kept.restore(states[-1] if states else None)
    heard, stats = kept.offsets(), world.config.plan.of("stats")
    for partition in range(world.broker.counts[stats]):
        for offset, entry in world.broker.logs[Partition(stats, partition)].records():
            record = own.decode(entry.value or b"")[1]
            if not kept.finished or offset < heard.get(partition, 0):
                once.step(partition, offset, record)
            elif record["windows"]:
                yield f"stats {partition}/{offset} count after the last task had come to its end: {record['windows']}"
    expected, got = added(once), added(kept)
    differing = [name for name in expected if expected[name] != got[name]]
    yield from (f"judge, {name}: expected {expected[name]}, got {got[name]}" for name in differing)
    yield from _words(world, revision, once)


def _words(world: BrokerWorld, revision: str, once: JudgeStep) -> Iterator[str]:
    plan, verdicts = world.config.plan, records(world, revision, "verdict")
    written: dict[str, list[dict[str, Any]]] = {}
    for write in once.evaluate(0, force=True).writes:
        written.setdefault(write.topic, []).append(own.decode(write.value or b"")[1])
    (verdict,) = written[plan.of("verdict")]
    for name in sorted(verdict.keys() - set(ALWAYS_NEW)):
        if not verdicts or verdicts[-1][name] != verdict[name]:
            yield f"verdict {name}: expected {verdict[name]}, got {verdicts[-1][name] if verdicts else None}"
    events, drift = records(world, revision, "drift"), written.get(plan.of("drift"), [])
    if world.setup.at_least_once:  # a judge that died before its state was written says them once more
        events = [one for n, one in enumerate(events) if one not in events[:n]]
    if events != drift:
        yield f"drift events: expected {drift}, got {events}"
