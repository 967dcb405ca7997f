"""CPU and memory of real child processes, and of their children."""

import subprocess
import sys

from prometheus_client import generate_latest

from shadowstream.child_processes import usage
from shadowstream.health import RoleHealth
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
