"""The lines of README and pages that subscribe, run as they stand there."""

import re

from shadowstream.codecs import own
from tests import forked
from tests.docs.markdown import PAGES, blocks
from tests.kafka.subscription.conftest import Cluster

SECTION = (forked.ROOT / "README.md").read_text("utf-8").partition("\n## Subscribe\n")[2].partition("\n## ")[0]


def test_ten_lines_of_the_readme_print_the_differences(cluster: Cluster) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert len(lines.splitlines()) <= 10
    cluster.join()
    cluster.write_config()
    done = forked.python("-c", lines, cwd=cluster.folder)
    assert done.returncode == 0, done.stderr
    rows = [own.decode(one.value or b"")[1] for one in cluster.stored("diff")]
    expected = [
        f"{row['pair_id']} {one['path']} {one['production']} → {one['shadow']}"
        for row in rows
        if row["outcome"] == "mismatch"
        for one in row["differences"]
    ]
    assert expected
    assert sorted(done.stdout.splitlines()) == sorted(expected)


def test_the_lines_of_the_pages_that_subscribe_run_on_a_cluster(cluster: Cluster) -> None:
    found = [text for page in PAGES[1:] for text in blocks(page, "python") if "shadowstream.subscribe(" in text]
    assert found
    cluster.write_config()
    for lines in found:
        done = forked.python("-c", lines, cwd=cluster.folder)
        assert done.returncode == 0, done.stderr
