"""Sampling of the joiner: each part names paths that are there, and the page shows the last run."""

import json
from pathlib import Path

from bench import sampled, sampler, table
from bench.__main__ import Place, play
from bench.conditions import ROOT
from shadowstream.testing.embedded import EmbeddedKafka


def test_each_part_names_paths_of_the_package() -> None:
    for name, *begins in sampler.PARTS:
        assert begins, name
        assert all((ROOT / "shadowstream" / begin).exists() for begin in begins), name


def test_the_page_shows_the_last_run_and_its_conditions() -> None:
    found = json.loads(sampled.RESULTS.read_text("utf-8"))
    page = table.DOCS.read_text("utf-8")
    assert page == sampled.docs_with(page, found)
    assert len(sampled.lines(found)) == 2 + len(sampler.PARTS) + 2


def test_the_shares_of_a_run_are_of_its_whole_cpu_time(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        row = play(Place(kafka, tmp_path, set()), "shadowstream-python", "flat-100", 60_000, is_sampled=True)
    assert row["exact"], row
    shares = row["shares"]
    assert abs(sum(shares.values()) - 100) < 1
    # Without native code, comparison is a large part; hardly a sample is of no part.
    assert shares["comparison"] > 5
    assert shares[sampler.OTHER] < 5
