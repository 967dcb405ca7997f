"""The watchdog: a call that does not return ends the process, wherever it hangs; whoever gets on is left alone."""

import subprocess
import sys

from shadowstream.kafka.watchdog import EXIT_STUCK

CALL_MAX_S = 1.5
HEAD = f"""
import time
from shadowstream.kafka.watchdog import Watchdog
from shadowstream.health import RoleHealth

LONG = {CALL_MAX_S} + 1
dog = Watchdog(RoleHealth("trial", "joiner"), {CALL_MAX_S})
"""
STUCK = {
    "in a call": """
with dog.call("stuck"):
    time.sleep(30)
""",
    "in a call within a call that may take long": """
with dog.call("consume", 60), dog.call("stuck"):
    time.sleep(30)
""",
    "after a call within a call": """
with dog.call("stuck"):
    with dog.call("committed", 60):
        pass
    time.sleep(30)
""",
    "in a call within what is not watched": """
with dog.call("consume"), dog.unwatched(), dog.call("stuck"):
    time.sleep(30)
""",
    "in a call after one that raised": """
try:
    with dog.call("consume"):
        raise OSError
except OSError:
    pass
with dog.call("stuck"):
    time.sleep(30)
""",
}
GETS_ON = {
    "from call to call": """
for _ in range(10):
    with dog.call("consume"):
        time.sleep(LONG / 10)
""",
    "between calls": """
with dog.call("consume"):
    pass
time.sleep(LONG)
""",
    "in a call that may take long": """
with dog.call("committed", 60):
    time.sleep(LONG)
""",
    "in a callback that is not watched": """
with dog.call("consume"), dog.unwatched():
    time.sleep(LONG)
""",
    "in a call around one that takes long": """
with dog.call("consume"):
    with dog.call("committed", 60):
        time.sleep(LONG)
    time.sleep(0.2)
""",
}


def test_only_a_call_that_does_not_return_ends_the_process() -> None:
    started = {
        where: subprocess.Popen([sys.executable, "-c", HEAD + code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for where, code in {**STUCK, **GETS_ON}.items()
    }
    outputs = {where: process.communicate(timeout=60)[0].decode() for where, process in started.items()}
    codes = {where: process.returncode for where, process in started.items()}
    assert codes == {**dict.fromkeys(STUCK, EXIT_STUCK), **dict.fromkeys(GETS_ON, 0)}, outputs
    assert [
        where for where in STUCK if "client_call_stuck" not in outputs[where] or "stuck" not in outputs[where]
    ] == []
