"""The joiner's step writes the same bytes with the native comparison as without it."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.pure import batches, config_of, step_of
from bench.workloads import FIRST_MS, Workload
from shadowstream.native.build import NotBuiltError, build
from shadowstream.native.library import Kernel
from tests.native.oracle import kernel_at

PAIRS = 400
MORE: list[dict[str, Any]] = [
    {},
    # What needs decoded columns: checks, means, and the field of a criterion.
    {"checks": [{"path": "ts", "low": FIRST_MS + 10}], "dimensions": [{"name": "ts", "path": "ts"}]},
    {"rules": [], "dimensions": [{"name": "a", "path": "label"}, {"name": "b", "path": "note"}]},
]


def written(workload: Workload, folder: Path, more: dict[str, Any]) -> list[object]:
    """All that the step wants to write and to commit."""
    config = config_of(False)
    values = json.loads(config.compare.model_dump_json(exclude_unset=True, exclude={"redact"}))
    compare = type(config.compare).model_validate(values | more).keyed("of the test")
    step = step_of(config.model_copy(update={"compare": compare}), workload, folder)
    sides = batches(workload, PAIRS, False, PAIRS // 2)
    for production, shadow in zip(*sides, strict=True):
        step.read(production, FIRST_MS)
        step.read(shadow, FIRST_MS)
    prepared = step.prepare(FIRST_MS + 10_000_000)
    return [*prepared.writes, *prepared.commits]


@pytest.mark.parametrize(
    ("name", "more"), [("flat-100", MORE[0]), ("flat-100", MORE[1]), ("flat-100", MORE[2]), ("nested-100", {})]
)
def test_rows_counts_and_offsets_are_the_same_bytes(
    name: str, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        path = build(tmp_path)
    except NotBuiltError as error:
        pytest.skip(f"no kernel can be built: {error}")
    decided = []
    walk = Kernel.walk

    def counted(*given: Any) -> Any:
        decided.append(walk(*given).levels)
        return walk(*given)

    monkeypatch.setattr(Kernel, "walk", counted)
    found = []
    for library in (None, path):
        with kernel_at(library):
            found.append(written(Workload(name), tmp_path, more))
    assert sum(len(of_batch) for of_batch in decided) == PAIRS
    assert len(found[0]) > PAIRS // 50
    assert found[1] == found[0]
