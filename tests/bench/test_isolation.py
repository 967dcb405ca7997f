"""The benchmark of the candidate's process measures both kinds, with real processes."""

import re

import pytest

from bench import isolation


def test_both_kinds_are_measured_for_values_and_batches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.isolation", "--records", "2000", "--repeats", "1"])
    code = isolation.main()
    out = capsys.readouterr().out
    rows = re.findall(r"^(value|batch) +(in-process|process) +([\d,]+) records a CPU second", out, re.MULTILINE)
    assert [row[:2] for row in rows] == [(takes, kind) for takes in ("value", "batch") for kind in isolation.KINDS]
    assert all(int(row[2].replace(",", "")) > 0 for row in rows)
    loss = re.findall(r"^batch +a process of its own loses (-?\d+)%", out, re.MULTILINE)
    assert (int(loss[0]) > 100 * isolation.LOSS_MAX) == (code == 1) or abs(int(loss[0]) - 30) <= 1
