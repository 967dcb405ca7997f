"""Hooks of the documents' site (`.ci/mkdocs.yml`): pages beside `docs/` join it, and links are the repository's.

A link to a file that is no page (code, a chart's file) leads to a copy of that file; one that leads nowhere is left for
MkDocs, which then refuses it.
"""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
BESIDE = {"README.md": "index.md"} | {name: name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")}
COPIES = "files"
LINK = re.compile(r"(?P<before>\]\(|(?:src|srcset|href)=\")(?P<target>[^)\s\"#]+)(?P<after>[#)\"])")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def pages() -> dict[str, str]:
    """Return the pages that stand beside docs/, each with its place on the site."""
    examples = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").rglob("*.md"))
    places = (posixpath.join(posixpath.dirname(one), "index.md") for one in examples)
    return BESIDE | dict(zip(examples, places, strict=True))


def place_of(path: str) -> str:
    """Return the place on the site of a file of the repository."""
    return pages().get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else f"{COPIES}/{path}")


def linked(text: str, path: str) -> tuple[str, set[str]]:
    """Return a page's text with its links as on the site, and the files that need a copy there."""
    copies, here = set[str](), posixpath.dirname(place_of(path))

    def changed(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["target"]))
        if ":" in found["target"] or not (ROOT / target).exists():
            return found[0]
        if (ROOT / target).is_dir():
            place = f"{target.removeprefix('docs/')}/index.md"
        elif (place := place_of(target)).startswith(f"{COPIES}/"):
            copies.add(target)
        return f"{found['before']}{posixpath.relpath(place, here or '.')}{found['after']}"

    parts = FENCE.split(text)
    return "".join(part if i % 2 else LINK.sub(changed, part) for i, part in enumerate(parts)), copies


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand beside docs/, a list of decisions, and copies of linked files."""
    repository = {path: (ROOT / path).read_text("utf-8") for path in pages()}
    repository |= {f"docs/{one.src_uri}": one.content_string for one in files.documentation_pages()}
    for path, text in repository.items():
        for copy in linked(text, path)[1]:
            place = place_of(copy)
            if files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, content=(ROOT / copy).read_bytes()))
    for path, place in pages().items():
        files.append(File.generated(config, place, content=linked(repository[path], path)[0]))
    files.append(File.generated(config, "decisions/index.md", content=decisions(repository)))
    return files


def decisions(repository: dict[str, str]) -> str:
    """Return the page with all decisions."""
    found: Iterable[tuple[str, str]] = sorted(
        (path.rpartition("/")[2], text) for path, text in repository.items() if path.startswith("docs/decisions/")
    )
    return "# Decisions\n\n" + "\n".join(
        f"- [{text.partition(chr(10))[0].lstrip('# ')}]({name})" for name, text in found
    )


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of a page of docs/; the others are rewritten already."""
    return markdown if page.file.generated_by else linked(markdown, f"docs/{page.file.src_uri}")[0]
