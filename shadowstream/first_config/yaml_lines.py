"""YAML with a reason above each line: comments, keys, and proposals that are commented out."""

import re
import textwrap
from collections.abc import Mapping
from decimal import Decimal

from shadowstream.first_config.wording import quoted

WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./-]*[A-Za-z0-9_])?")
_CODE, _KEPT = re.compile("`[^`]*`"), "\0"
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


class Variable(str):
    """Text that names variables of the environment, which stay as they are."""

    __slots__ = ()


def scalar(value: object) -> str:
    """Return a value as YAML. A dollar sign of a text is doubled, so that it names no variable.

    >>> scalar("a.b-c"), scalar("on"), scalar("a: b"), scalar("$"), scalar(True), scalar(Decimal("0.000001"))
    ('a.b-c', '"on"', '"a: b"', '"$$"', 'true', '0.000001')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, str):
        text = value if isinstance(value, Variable) else value.replace("$", "$$")
        return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else quoted(text)
    return str(value)


def flow(settings: Mapping[str, object]) -> str:
    """Return a mapping of scalars on one line.

    >>> flow({"path": "score", "ignore": True})
    '{path: score, ignore: true}'
    """
    return f"{{{', '.join(f'{name}: {scalar(value)}' for name, value in settings.items())}}}"


class Lines:
    """Lines of a YAML file."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def why(self, text: str, indent: int = 0) -> None:
        """Add a comment, wrapped at whole words; what is in backticks stays on one line."""
        begin = f"{' ' * indent}# "
        one_line = " ".join(text.splitlines())  # of any end of a line: YAML would end the comment there
        kept = _CODE.sub(lambda match: match[0].replace(" ", _KEPT), one_line)
        wrapped = textwrap.wrap(
            kept,
            WIDTH,
            initial_indent=begin,
            subsequent_indent=begin,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._lines += [line.replace(_KEPT, " ") for line in wrapped]

    def put(self, text: str, indent: int = 0) -> None:
        """Add a line of the config."""
        self._lines.append(f"{' ' * indent}{text}")

    def propose(self, text: str, indent: int = 0) -> None:
        """Add a line that is commented out: without its # it is a line of the config, in its place."""
        self._lines.append(f"{' ' * indent}#{text}")

    def gap(self) -> None:
        self._lines.append("")

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"
