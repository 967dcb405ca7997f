"""YAML with a reason above each line: comments, keys, and proposals that are commented out."""

import re
import textwrap

WIDTH = 120
_CODE, _KEPT = re.compile("`[^`]*`"), "\0"


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
