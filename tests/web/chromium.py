"""A real Chromium for the live page, driven by Playwright; the tests are left out where there is none."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
LIMIT_MS = 60_000


def is_served(url: str, process: "subprocess.Popen[str]") -> bool:
    """Whether the page of a process answers; it fails if the process has ended."""
    assert process.poll() is None, "the page has ended"
    try:
        with urlopen(f"{url.rstrip('/')}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A headless Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed (Debian: the package chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: "Browser", url: str, width: int = 1_280, theme: Literal["light", "dark"] = "light"
) -> Iterator["Page"]:
    """A page that has been read; it fails if the browser complains of anything, or a text of a record has run."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme) as context:
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("requestfailed", lambda request: complaints.append(f"failed {request.url}"))
        page.goto(url)
        yield page
        assert page.evaluate("window.owned") is None
    assert complaints == []
