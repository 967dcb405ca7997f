"""docs/calibration.md has each part of `make calibrate`, and its figures hold their claims."""

import re
from collections import Counter

import pytest
from scipy.stats import binomtest

from tests.judge.calibration import PARTS
from tests.judge.calibration_page import PAGE, Block, blocks, blocks_of, page
from tests.judge.claims import DOUBT, limits

BLOCKS = blocks_of(PAGE.read_text("utf-8"))
SHARE = re.compile(r"(\d+) of (\d+) \((\S+) \[(\S+), (\S+)\]\)")
BOUND = re.compile(r"claim: at most alpha (\S+?)(?:,|;|$)")


def test_each_part_has_its_lines() -> None:
    expected = Counter(part.subject for part in PARTS if part.subject != "power")
    assert Counter(block.subject for block in BLOCKS) == expected
    assert not [block for block in BLOCKS if not any("claim" in line for line in block.lines)]


def test_shares_and_intervals_are_those_of_their_counts() -> None:
    found = [match.groups() for block in BLOCKS for line in block.lines for match in SHARE.finditer(line)]
    assert len(found) > len(BLOCKS)
    for count, runs, *printed in found:
        happened, of = int(count), int(runs)
        assert printed == [f"{number:.4f}" for number in (happened / of, *limits(happened, of))]


def test_no_count_doubts_its_bound() -> None:
    bounded = [
        (*map(int, share.groups()[:2]), float(bound.group(1)))
        for block in BLOCKS
        for line in block.lines
        if (share := SHARE.search(line)) and (bound := BOUND.search(line))
    ]
    assert len(bounded) >= 2 * sum(block.subject in ("loss", "auc") for block in BLOCKS)
    for happened, runs, alpha in bounded:
        assert binomtest(happened, runs, alpha, alternative="greater").pvalue >= DOUBT
    assert "REFUTED" not in PAGE.read_text("utf-8")


def test_the_page_comes_again_from_its_lines() -> None:
    log = "\n".join(line for block in BLOCKS for line in (f"[1/1, 2 s] {block.subject}, 3 s of CPU", *block.lines))
    with pytest.raises(ValueError, match="has not ended"):
        page(log)
    ended = f"{log}\n[1/1, 2 s] power, 3 s of CPU\na line\n1 parts in 5 s, 4 s of CPU; 0 claims refuted\n"
    assert page(ended) == PAGE.read_text("utf-8")
    assert Block("power", ["a line"]) not in blocks(ended)
