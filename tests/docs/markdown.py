"""Pages of the repository, and the blocks of code in them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
)
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a page in a language, such as ``sh``; an empty one is for blocks without a language."""
    return [found["text"] for found in BLOCK.finditer(page.read_text("utf-8")) if found["language"] == language]


def escaped(text: str) -> str:
    r"""Return a text for one cell of a table: on one line, and read as text outside backticks.

    >>> escaped("a | `b <c>` of <d>")
    'a \\| `b <c>` of &lt;d>'
    """
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))
