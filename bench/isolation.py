"""What a process of its own costs: the runner's step with the candidate in it and beside it, on the same inputs.

`python -m bench.isolation`. A step decodes Avro values, calls the candidate and encodes its answers. There is no
broker, so nothing else hides the cost of the pipe. Both kinds take turns. Compared is the CPU of both processes
together, the start of the candidate's included: the runner waits for each answer, so on an idle machine this is also
the wall time, and on a busy one two processes only get more of it.
"""

import argparse
import resource
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from bench.workloads import Workload
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.config import Config
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.protocol.marks import Counters
from shadowstream.records import Batch, Partition
from shadowstream.runner import candidate
from shadowstream.runner.step import RunnerStep
from shadowstream.worker.isolated import CallNotes, IsolatedCandidate

IN, REVISION, BATCH = Partition("in", 0), "ab" * 16, 1_000
KINDS = "in-process", "process"
LOSS_MAX = 0.30


class Speed(NamedTuple):
    """One run: records a second of wall time, and CPU of all processes a record, µs."""

    records_per_s: float
    cpu_us: float


def _config(call: str, takes: str, kind: str, schemas: Path) -> Config:
    candidate = {"call": f"bench.engines.noop:{call}", "takes": takes, "isolation": kind, "partitioner": "input"}
    return Config.model_validate(
        {
            "name": "bench",
            "schemas": {"dir": str(schemas)},
            "inputs": ["in"],
            "production": {"outputs": ["score"]},
            "candidate": candidate | {"trusted": kind == "in-process"},
        }
    )


def _cpu_s() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _run(config: Config, batches: list[Batch]) -> Speed:
    began_cpu = _cpu_s()
    with ExitStack() as stack:
        if config.candidate.isolation == "process":
            isolated = stack.enter_context(
                closing(IsolatedCandidate(config, None, CallNotes(lambda _: None, lambda *_: None)))
            )
            isolated.start()
            call = isolated.call
        else:
            call = candidate.load(config.candidate)
        schemas = schema_source(config.schemas)
        encoders = {"score": Encoder(schemas, "score-value", None)}
        step = RunnerStep(config, REVISION, call, Decoder(schemas, {}, names="plain"), encoders, {"score": 1})
        step.assign(IN, 0, Counters(), -1)
        records, wall_s = 0, 0.0
        for n, batch in enumerate(batches):
            began = time.monotonic()
            while len(batch):
                batch = batch.part(step.step(batch, 0), len(batch))
            step.prepare()
            step.committed()
            if n:  # the first batch proves the schema
                wall_s += time.monotonic() - began
                records += BATCH
    return Speed(records / wall_s, (_cpu_s() - began_cpu) * 1e6 / records)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workload", default="flat-100")
    given = parser.parse_args()
    workload = Workload(given.workload)
    rows = list(workload.pairs(given.records))
    batches = [
        Batch(IN, range(at, at + BATCH), [0] * BATCH, [k for k, _, _ in part], [v for _, v, _ in part])
        for at in range(0, given.records, BATCH)
        for part in [rows[at : at + BATCH]]
    ]
    lost = {}
    with tempfile.TemporaryDirectory() as folder:
        workload.write_schema(Path(folder))
        for call, takes in (("score", "value"), ("scores", "batch")):
            found: dict[str, list[Speed]] = {kind: [] for kind in KINDS}
            for turn in range(given.repeats):
                for kind in KINDS if turn % 2 else KINDS[::-1]:
                    found[kind].append(_run(_config(call, takes, kind, Path(folder)), batches))
            ratios = [inside.cpu_us / own.cpu_us for inside, own in zip(*found.values(), strict=True)]
            lost[takes] = 1 - statistics.median(ratios)
            for kind, speeds in found.items():
                speed, cpu = (statistics.median(one[i] for one in speeds) for i in (0, 1))
                print(
                    f"{takes:5}  {kind:10}  {1e6 / cpu:8,.0f} records a CPU second  {speed:8,.0f} a second of wall time"
                )
            print(f"{takes:5}  a process of its own loses {lost[takes]:.0%} (median of {given.repeats} pairs)")
    return int(lost["batch"] > LOSS_MAX)


if __name__ == "__main__":
    raise SystemExit(main())
