"""The lines of the README that subscribe, run as they stand there."""

import re

from shadowstream.codecs import own
from tests import forked
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
