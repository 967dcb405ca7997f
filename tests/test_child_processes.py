"""CPU and memory of real child processes, and of their children; and the modules that such a process loads."""

import subprocess
import sys
from pathlib import Path

from prometheus_client import generate_latest

from shadowstream.child_processes import module_command, usage
from shadowstream.health import RoleHealth
from tests.forked import ROOT
from tests.metrics.scraping import Scrape

MEGABYTES = 60
BUSY = f"""
import subprocess, sys, time
held = bytes(range(256)) * {MEGABYTES * 4096}
while time.process_time() < 0.3:
    pass
print("ready", flush=True)
sys.stdin.read()
"""
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


def test_children_and_their_children_count_while_they_run() -> None:
    before, watch = usage(), RoleHealth("nested", "runner")
    command = [sys.executable, "-c", NESTED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        found = usage()
        scrape = Scrape.of(generate_latest(watch.metrics.registry).decode())
        child.communicate()
    assert found.cpu_s - before.cpu_s >= 0.3
    assert found.resident_bytes - before.resident_bytes > MEGABYTES * 2**20
    assert scrape.value("children_cpu_seconds", role="runner") >= found.cpu_s
    assert scrape.value("children_resident_memory_bytes", role="runner") > MEGABYTES * 2**20
    assert usage().resident_bytes < before.resident_bytes + MEGABYTES * 2**20


def test_no_file_of_the_working_folder_replaces_a_module_of_a_child(tmp_path: Path) -> None:
    for name in ("typer", "json", "shadowstream"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was replaced')")
    done = subprocess.run(
        module_command("shadowstream", "judge", "--help"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_child_that_runs_a_module_has_the_safe_path() -> None:
    texts = {path: path.read_text("utf-8") for path in (ROOT / "shadowstream").rglob("*.py")}
    starts = {str(path.relative_to(ROOT / "shadowstream")) for path, text in texts.items() if '"-m"' in text}
    assert starts == {"child_processes.py", "native/build.py"}  # the latter runs before the package is installed
    assert not [path for path, text in texts.items() if '"-m"' in text.replace('"-P", "-m"', "")]
