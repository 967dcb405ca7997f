"""Rows and decisions on a terminal: ids whole, lines as wide as the terminal, colour unless NO_COLOR is set."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests import forked

ID = "mismatch:carrier=UA;origin=EWR-1372671900000-7d997b5f0e64-with-a-name-longer-than-the-line"
WHAT = "33.2 % wrong (705 of 2,126 pairs) since 2013-07-01 12:30 UTC, over the limit 1 %, 0.1 % before"
PRINTED = f"""
from shadowstream.cli.output import cell, put_rows, put_styled
put_styled("not yet", "bold yellow")
titles = ("incident", "state", "since (UTC)", "revision", "what")
texts = ({ID!r}, "open", "2013-07-01 12:30 UTC", "7d997b5f", {WHAT!r})
put_rows(titles, [[cell(text, "red" * (text == "open")) for text in texts]], id_at=0)
"""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def printed(columns: int, code: str = PRINTED, **environ: str) -> str:
    """All that a process prints on a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    env |= {"PYTHONPATH": str(forked.ROOT), "TERM": "xterm-256color", **environ}
    with subprocess.Popen([sys.executable, "-c", code], stdout=slave, env=env) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                text += (part := os.read(master, 65_536))
            except OSError:  # Linux reports so that the last writer has closed a terminal
                break
            if not part:
                break
        assert process.wait(60) == 0
    os.close(master)
    return text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80])
def test_an_id_is_whole_and_all_else_wraps_at_the_terminals_width(columns: int) -> None:
    lines = COLOURS.sub("", printed(columns)).splitlines()
    assert lines[:3] == ["not yet", ID, "  state: open"]
    assert max(len(line) for line in lines if line != ID) <= columns
    assert " ".join(" ".join(lines).split()).endswith(f"what: {WHAT}")


def test_a_wide_terminal_shows_a_table() -> None:
    lines = COLOURS.sub("", printed(240)).splitlines()
    assert lines[1].split()[0] == "incident"
    assert lines[2].startswith(f"{ID} ")
    assert lines[2].rstrip().endswith(WHAT)


OPTIONAL = """
from shadowstream.cli.output import cell, put_rows
titles = ("pair", "slice", "difference: production → candidate")
texts = ("p/0/" + "1" * 40, "carrier=UA", "score: 1 → 2\\nlate: true → false")
put_rows(titles, [[cell(text) for text in texts]], id_at=0, if_room=1)
"""


def test_several_lines_of_a_text_are_below_its_title() -> None:
    lines = COLOURS.sub("", printed(50, OPTIONAL)).splitlines()
    assert lines[1:3] == ["  slice: carrier=UA", "  difference: production → candidate:"]
    assert lines[3:] == ["    score: 1 → 2", "    late: true → false"]


@pytest.mark.parametrize(("columns", "is_shown"), [(70, False), (120, True)])
def test_a_table_has_an_optional_column_only_where_it_fits(columns: int, *, is_shown: bool) -> None:
    text = COLOURS.sub("", printed(columns, OPTIONAL))
    assert "pair" in text.split(), "a table, not blocks"
    assert ("carrier=UA" in text) == is_shown


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_leaves_out_every_colour(environ: dict[str, str], coloured: bool) -> None:
    codes = re.findall(r"\x1b\[([0-9;]*)m", printed(80, **environ))
    assert any(re.search(r"\b3[0-7]\b", code) for code in codes) == coloured
