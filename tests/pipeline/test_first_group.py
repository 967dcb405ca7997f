"""A broker on which no group has ever committed: its topic of offsets is made when somebody first asks for a group."""

import subprocess
import sys

from shadowstream.testing import EmbeddedKafka

ASKS = """
import sys
from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.records import Partition

config = {"name": "t", "kafka": {"bootstrap": sys.argv[1]}, "inputs": ["in"], "production": {"outputs": ["out"]}}
client = admin(Config.model_validate({**config, "candidate": {"call": "m:f"}}).kafka)
print(offsets.committed(client, "nobody", [Partition("in", 0)]), "__consumer_offsets" in client.list_topics().topics)
"""


def test_the_first_question_for_commits_is_answered_and_ends_no_process() -> None:
    """In a process of its own: the client used to end it by a signal (exit code -11)."""
    with EmbeddedKafka() as kafka:
        asked = subprocess.run(
            [sys.executable, "-c", ASKS, kafka.bootstrap], capture_output=True, text=True, timeout=60, check=False
        )
    assert (asked.returncode, asked.stdout) == (0, "{} True\n"), asked.stderr
