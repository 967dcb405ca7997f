"""The benchmark: its table is its results, its workloads are what they claim, its engines count exactly."""

from itertools import islice

import pytest

from bench import conditions, environments, growth, measure, sampled, table
from bench.__main__ import ENGINES, Place, play
from bench.workloads import NAMES, Workload, mismatches_of
from shadowstream.testing.embedded import EmbeddedKafka

FIELDS = [
    "engine",
    "workload",
    "records",
    "pairs",
    "mismatches",
    "exact",
    "pairs_per_cpu_s",
    "pairs_per_cpu_s_steady",
    "pairs_per_s",
    "cpu_s",
    "wall_s",
    "rss_mb",
    "broker_cpu_s",
    "version",
]


RESULTS = table.read()
ROWS = RESULTS["rows"]


def test_the_readme_shows_four_rows_of_the_results_and_their_commit() -> None:
    page = table.README.read_text("utf-8")
    assert page == table.readme_with(RESULTS)
    assert f"at commit `{RESULTS['conditions']['commit']}`" in page
    assert len(table.lines(ROWS, table.IN_README)) == 2 + 4


def test_the_tables_of_the_page_are_made_of_the_results() -> None:
    assert table.DOCS.read_text("utf-8") == table.docs_with(RESULTS)
    assert len(table.ratio_lines(ROWS)) == 2 + len(table.RATIOS)
    assert len(table.lines(ROWS)) == 2 + len({row["engine"] for row in ROWS})


def test_results_hold_commit_machine_load_and_python() -> None:
    here = conditions.conditions()
    for path in (table.RESULTS, growth.RESULTS, sampled.RESULTS):
        assert table.read(path)["conditions"].keys() == here.keys()
    assert " PGO" in here["python"]
    assert here["reference_ms"] > 0


def test_commits_since_a_measurement_are_counted_or_unknown() -> None:
    known = {**RESULTS["conditions"], "commit": "HEAD"}
    assert conditions.since(known).endswith("; no commit has changed the data path since.")
    assert conditions.since({**known, "commit": "0" * 12}).endswith("which this clone does not have.")
    for name in conditions.DATA_PATH:
        assert (conditions.ROOT / "shadowstream" / name).is_dir()


def test_every_result_has_all_its_figures_and_is_exact() -> None:
    for row in ROWS:
        assert list(row) == FIELDS
        assert row["exact"], row
        assert row["engine"] in ENGINES


def test_the_steady_rate_leaves_out_the_beginning() -> None:
    readings = [(0, 0.5), (25, 10.0), (50, 10.25), (100, 10.75)]
    assert measure.steady_rate(readings, 100) == pytest.approx(100)
    assert measure.steady_rate(readings[:2], 100) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_differs_where_it_says(name: str) -> None:
    workload = Workload(name)
    pairs = list(islice(workload.pairs(1_000), 1_000))
    unlike = [n for n in range(1_000) if workload.value(n)["score"] + 0.1 < _shadow(workload, n)["score"]]
    assert len(unlike) == mismatches_of(1_000)
    equal = sum(one == other for _, one, other in pairs)
    assert equal == (1_000 - len(unlike) if workload.equal else 0)
    size = sum(len(one) for _, one, _ in pairs) / 1_000
    assert 0.75 * workload.bytes < size < 1.6 * workload.bytes, size


def _shadow(workload: Workload, n: int) -> dict[str, float]:
    return workload.shadow(n, workload.value(n))


def test_engines_count_exactly(tmp_path: object) -> None:
    with EmbeddedKafka() as kafka:
        place = Place(kafka, tmp_path, set())
        for engine in ("raw-python", "hand-python", "shadowstream", "plain-loop", "shadowstream-runner"):
            row = play(place, engine, "nested-100", 20_000)
            assert row["exact"], row
        place.drop()


@pytest.mark.parametrize("peer", ["quix", "faust", "bytewax"])
def test_a_peer_is_pinned_by_hashes(peer: str) -> None:
    lock = environments.lock_of(peer).read_text("utf-8")
    assert f"=={environments.version_of(peer)} " in lock
    assert lock.count("==") <= lock.count("--hash=sha256:")
