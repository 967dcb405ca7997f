"""The documents as a site: every link leads somewhere, and nothing is loaded from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import site
from tests.docs.markdown import ROOT

MKDOCS = Path(sys.executable).with_name("mkdocs")


def test_the_site_is_built_with_strict_links_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [MKDOCS, "build", "--strict", "--config-file", ROOT / ".ci" / "mkdocs.yml", "--site-dir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    built = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*.html")}
    assert {"index.html", "tutorial.html", "examples/flat_json/index.html", "decisions/index.html"} <= built.keys()
    loaded = [
        found for text in built.values() for found in re.findall(r"<(?:script|link|img)[^>]+https?://[^>]+>", text)
    ]
    assert [one for one in loaded if 'rel="canonical"' not in one] == []


@pytest.mark.parametrize(
    ("path", "text", "linked"),
    [
        ("README.md", "[p](docs/pairing.md#a)", "[p](pairing.md#a)"),
        ("docs/alerts.md", "[r](../README.md)", "[r](index.md)"),
        ("docs/how-to/platform.md", "[i](../isolation.md)", "[i](../isolation.md)"),
        ("docs/tutorial.md", "[e](../examples/README.md)", "[e](examples/index.md)"),
        ("README.md", "[d](docs/decisions/)", "[d](decisions/index.md)"),
        ("README.md", '<img src="docs/pictures/live-page-light.png">', '<img src="pictures/live-page-light.png">'),
        ("docs/a.md", "[r](../helm/shadowstream/files/rules.yaml)", "[r](files/helm/shadowstream/files/rules.yaml)"),
        ("docs/a.md", "[lost](../no-such.md)", "[lost](../no-such.md)"),
        ("docs/a.md", "```\n[r](../README.md)\n```", "```\n[r](../README.md)\n```"),
        ("docs/a.md", "[x](https://example.org/a.md)", "[x](https://example.org/a.md)"),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(path: str, text: str, linked: str) -> None:
    assert site.linked(text, path)[0] == linked
