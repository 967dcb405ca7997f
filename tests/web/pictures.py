"""Pictures of the live page for README and docs, made of the demo: `make pictures`.

It runs the demo with its late bug, then shows its topics. Each picture has few colours, so it is small.
"""

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image

from shadowstream.demo import orchestrate
from shadowstream.testing.ports import free_port
from tests.metrics.test_up import end
from tests.pipeline.written_records import await_that
from tests.web.chromium import LIMIT_MS, chromium, is_served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
COLOURS = 128
BYTES_MAX = 300_000
"""Of all pictures together."""


class Picture(NamedTuple):
    """A picture: its name, the window, and what of the page it shows: from the top, or one pair."""

    name: str
    width: int
    height: int
    theme: Literal["light", "dark"]
    pair: bool = False


PICTURES = (
    Picture("verdict-light", 1_280, 556, "light"),
    Picture("verdict-dark", 1_280, 556, "dark"),
    Picture("live-page-light", 1_280, 1_420, "light"),
    Picture("live-page-dark", 1_280, 1_420, "dark"),
    Picture("live-page-pair", 1_280, 1_000, "light", pair=True),
    Picture("live-page-narrow", 390, 1_400, "dark"),
)


@contextmanager
def served(staged: orchestrate.Stage) -> Iterator[str]:
    """The address of the live page of the demo's trial."""
    port = free_port()
    words = ["web", staged.config_path.name, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "shadowstream", *words], env=staged.environment, cwd=staged.folder, text=True
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        await_that("the page is served", lambda: is_served(url, process))
        yield url
    finally:
        end(process)


def taken(browser: "Browser", url: str, picture: Picture) -> bytes:
    """One picture as PNG, with few colours."""
    window = {"width": picture.width, "height": picture.height}
    with browser.new_context(viewport=window, color_scheme=picture.theme) as context:  # type: ignore[arg-type]  # a size
        page = context.new_page()
        page.set_default_timeout(3 * LIMIT_MS)
        page.goto(url)
        page.wait_for_function("!document.body.innerText.includes('reading what is there')")
        page.locator("tbody button.quiet").first.wait_for()
        if picture.pair:
            page.locator("tbody button.quiet").first.click()
            page.locator("td.differs").first.wait_for()
            page.locator("#differences").scroll_into_view_if_needed()
            page.evaluate("document.querySelector('#differences').parentElement.scrollIntoView()")
        time.sleep(1)  # the plots are drawn once they have their size
        raw = page.screenshot()
    out = io.BytesIO()
    image = (
        Image.open(io.BytesIO(raw))
        .convert("RGB")
        .quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with orchestrate.stage("late-bug", print) as staged:
        orchestrate.run(staged)
        with served(staged) as url, chromium() as browser:
            pictures = {picture.name: taken(browser, url, picture) for picture in PICTURES}
    size = sum(map(len, pictures.values()))
    assert size <= BYTES_MAX, f"{size:,} bytes, at most {BYTES_MAX:,}"
    for name, data in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(data)
        print(f"{name}.png: {len(data):,} bytes")


if __name__ == "__main__":
    main()
