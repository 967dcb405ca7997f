"""Inputs of a few bytes that claim gigabytes or minutes: each is refused, or read, within 50 MB and 0.2 CPU seconds.

Each runs in a process of its own, which is forked from a warm one, so that only the act is measured.
"""

import ast
import functools
import gc
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.errors import RecordError
from tests import forked
from tests.bombs.measured import Cost, measured
from tests.bombs.texts import TEXTS, Act
from tests.bombs.values import AVRO, JSON, PROTOBUF, Bomb, One

ROOT = Path(__file__).parents[2]
CPU_S, MEGABYTES = 0.2, 50
TRIES = 3  # the time of a busy machine is not the act's
MANY = 70  # from 64 values on, they are read by columns


def _decoded(bomb: Bomb, way: str) -> Act:
    def done(given: tuple[object, bytes]) -> str:
        schema, value = given
        decoder = Decoder(One(schema), names="plain" if way == "plain" else "error")
        found = (decoder.typed if way == "typed" else decoder).decode_many([value] * (MANY if way == "many" else 1))
        return f"RecordError: {found[-1]}" if isinstance(found[-1], RecordError) else "read"

    return Act(f"{bomb.name}, {way}", bomb.made, done)


def _ways(bomb: Bomb) -> Iterator[Act]:
    yield _decoded(bomb, "error")
    if bomb in JSON:
        yield _decoded(bomb, "plain")
    if bomb in AVRO:
        yield _decoded(bomb, "typed")
        if len(bomb.made()[1]) < 2_000:
            yield _decoded(bomb, "many")


def costs(ways: str) -> dict[str, Cost]:
    """The cost of each act, of each value in one way or in all; the cheapest of several tries."""
    acts = (act for bomb in (*AVRO, *JSON, *PROTOBUF) for act in islice(_ways(bomb), 1 if ways == "one" else None))
    found = {}
    for act in [*acts, *TEXTS]:
        given = act.made()
        for _ in range(TRIES):
            cost = measured(functools.partial(lambda act, given: str(act.done(given))[:200], act, given))
            known = found.get(act.name, cost)
            found[act.name] = min(known, cost, key=lambda one: one.cpu_s + one.megabytes / 100)
            if _is_cheap(found[act.name]):
                break
    return found


def _is_cheap(cost: Cost) -> bool:
    return cost.cpu_s <= CPU_S and cost.megabytes <= MEGABYTES


@pytest.mark.parametrize("ways", ["one", pytest.param("all", marks=pytest.mark.long)])
def test_no_input_of_a_few_bytes_takes_memory_or_time(ways: str, say: Callable[[str], None]) -> None:
    run = forked.run([sys.executable, "-m", "tests.bombs.test_bombs", ways], timeout=900)
    assert run.returncode == 0, run.stderr
    found = {name: Cost(*cost) for name, cost in json.loads(run.stdout).items()}
    dear = {name: cost for name, cost in found.items() if not _is_cheap(cost)}
    assert not dear
    odd = {name: cost.outcome for name, cost in found.items() if cost.outcome.startswith("ended by")}
    assert not odd
    worst = max(found.values(), key=lambda cost: cost.cpu_s), max(found.values(), key=lambda cost: cost.megabytes)
    say(f"{len(found)} inputs; at most {worst[0].cpu_s:.2f} CPU s and {worst[1].megabytes:.0f} MB")


def test_every_decoder_has_the_bounds_of_its_config() -> None:
    without = []
    for path in (ROOT / "shadowstream").rglob("*.py"):
        if not {"kafka", "cli", "alerts", "web", "report"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Decoder":
                given = [*map(ast.unparse, node.args), *(ast.unparse(one.value) for one in node.keywords)]
                is_bounded = not {"bounds", "limits", "decoded_bounds(config)"}.isdisjoint(given)
                without += [] if is_bounded else [f"{path.name}:{node.lineno}"]
    assert not without, "give it decoded_bounds(config)"


if __name__ == "__main__":
    Decoder(One(None)).decode(b"1e400")
    gc.freeze()  # a child would copy the pages of all that the parent has, by looking at it
    json.dump(costs(sys.argv[1]), sys.stdout)
