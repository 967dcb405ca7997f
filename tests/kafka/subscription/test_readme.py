"""The lines of the README that subscribe, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from shadowstream.codecs import own
from tests.kafka.subscription.conftest import Cluster

ROOT = Path(__file__).resolve().parents[3]
SECTION = (ROOT / "README.md").read_text("utf-8").partition("\n## Subscribe\n")[2].partition("\n## ")[0]


def test_ten_lines_of_the_readme_print_the_differences(cluster: Cluster) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert len(lines.splitlines()) <= 10
    cluster.join()
    cluster.write_config()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", lines],
        cwd=cluster.folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
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
