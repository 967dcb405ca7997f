"""How the program ends."""

import pytest

from tests import forked

PROGRAM = """
import atexit, sys
from shadowstream.cli import main

class Kept:
    def __del__(self):
        print("interpreter taken down")

kept = Kept()
atexit.register(print, "at exit")
sys.argv = ["shadowstream", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("word", ["join", "labels", "gate", "up"])
@pytest.mark.parametrize(("more", "code"), [("--help", 0), ("--no-such", 2)])
def test_an_ended_command_does_not_shut_the_interpreter_under_its_clients(word: str, more: str, code: int) -> None:
    done = forked.python("-c", PROGRAM, word, more)
    assert done.returncode == code
    assert done.stdout.count("at exit") == 1
    assert "interpreter taken down" not in done.stdout
    assert ("Usage" in done.stdout) if code == 0 else done.stderr.startswith("error: ")


def test_commands_that_compare_nothing_load_no_heavy_library() -> None:
    look = "import sys; from shadowstream.cli import config_commands, diff, gate; print(*sys.modules)"
    done = forked.python("-c", look)
    assert done.returncode == 0
    assert {"river", "scipy", "pyarrow"}.isdisjoint(done.stdout.split())
