"""``python -m shadowstream``, and the program of that name: the command line, which Ctrl-C may end at any moment.

Importing takes a second, and an exception during that time would print a traceback. Until the command has installed
its own handlers, SIGINT and SIGTERM therefore end the process at once and silently: nothing has begun.
"""

import gc
import os
import signal
import sys
from types import FrameType

ROLES = ("run", "join", "judge", "labels", "alerts", "up", "web")
"""Commands that run until they are asked to end: such a request is no failure."""
INTERRUPTED = 128  # plus the signal's number, as shells have it


def _end(number: int, _frame: FrameType | None) -> None:
    asked = not any(word in ROLES for word in sys.argv[1:])
    os._exit(INTERRUPTED + number if asked else 0)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # A parent that starts this process in the background with SIGINT ignored has done so on purpose.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    gc.disable()  # until the command is loaded
    from shadowstream.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
