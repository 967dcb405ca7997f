"""Repeated status: in place on a terminal, elsewhere a line each minute."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.live import Live
from rich.text import Text

from shadowstream.cli.output import printable, wrapped
from shadowstream.errors import ShadowstreamError
from shadowstream.logs import get_logger
from shadowstream.status.figures import Status
from shadowstream.status.lines import Line, lines, minute_line

log = get_logger("up")
EVERY_S = 2.0
LINE_EVERY_S = 60.0
END_S = 3.0
"""Time for the last look at the end, which a broker may not answer."""
_STYLES = {"plain": "", "title": "bold", "good": "green", "bad": "red", "warning": "yellow", "faint": "dim"}
LookAt = Callable[[], Status]


def styled(line: Line, width: int) -> Text:
    return Text(wrapped(printable(line.text), width), style=_STYLES[line.style])


def screen(console: Console) -> Live:
    """The part of a terminal that is drawn again and again. Ctrl-C may come at any moment, so the cursor stays."""
    live = Live(console=console, auto_refresh=False, vertical_overflow="ellipsis")
    live.start()
    console.show_cursor()
    return live


def draw(live: Live, status: Status) -> None:
    found = [styled(line, live.console.width) for line in lines(status)]
    live.update(Text("\n").join(found), refresh=True)


def again(look: LookAt, last: Status | None) -> Status | None:
    """Look again; if that fails, return the last status with the problem, so that later looks still come."""
    try:
        return look()
    except ShadowstreamError as error:
        return None if last is None else replace(last, problem=str(error))


@contextmanager
def beside(look: LookAt, *, in_place: bool) -> Iterator[Mapping[str, int]]:
    """Show the status while the roles run in this context; yield the descriptors of their terminal, none off one."""
    over = threading.Event()
    if not in_place:
        shows = threading.Thread(target=_log_lines, args=(look, over), name="status", daemon=True)
        shows.start()
        try:
            yield {}
        finally:
            over.set()
            shows.join(END_S)
        return
    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    # A terminal of their own, so that their lines are those of a terminal, and appear above the status.
    own_end, roles_end = os.openpty()
    live = screen(console)
    relays = threading.Thread(target=_relay, args=(own_end, console), name="lines", daemon=True)
    shows = threading.Thread(target=_draw_all, args=(look, live, over), name="status", daemon=True)
    relays.start()
    shows.start()
    try:
        yield {"stderr": roles_end, **({"stdout": roles_end} if sys.stdout.isatty() else {})}
    finally:
        os.close(roles_end)
        relays.join(END_S)
        over.set()
        shows.join(END_S)
        live.stop()


def _relay(own_end: int, console: Console) -> None:
    begun = b""
    while True:
        try:
            chunk = os.read(own_end, 65_536)
        except OSError:  # the other end is closed
            return
        *whole, begun = (begun + chunk).split(b"\n")
        for line in whole:
            console.print(Text.from_ansi(line.rstrip(b"\r").decode("utf-8", "replace")), soft_wrap=True)


def _draw_all(look: LookAt, live: Live, over: threading.Event) -> None:
    last: Status | None = None
    while True:
        ended = over.is_set()
        last = again(look, last)
        if last is not None:
            draw(live, last)
        if ended:
            return
        over.wait(EVERY_S)


def _log_lines(look: LookAt, over: threading.Event) -> None:
    """Log the first line once something has been read, one each minute then, and one at the end."""
    last: Status | None = None
    next_at = 0.0
    while True:
        ended = over.wait(EVERY_S)
        if ended or time.monotonic() >= next_at:
            last = again(look, last)
            if last is not None and any(side.records for side in last.sides):
                _log_line(last)
                next_at = time.monotonic() + LINE_EVERY_S
        if ended:
            return


def _log_line(status: Status) -> None:
    records = {side.name: side.records for side in status.sides}
    lag = {side.name: side.lag for side in status.sides}
    outcomes = dict((status.so_far or {}).get("outcomes", {}))
    log.info("status", line=minute_line(status), records=records, lag=lag, outcomes=outcomes, verdict=status.decision)
