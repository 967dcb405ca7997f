"""The page in a real browser: it is drawn, nothing hangs over its edge, nothing is asked of a network."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.image import imread

from shadowstream.report.facts import Facts
from shadowstream.report.page import page
from tests.report.trial_facts import facts, nothing
from tests.web.chromium import NAMES, chromium, opened

LIMIT_S = 120


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed (Debian: the package chromium)")
    return found


def drawn(browser: str, folder: Path, found: Facts, width: int, height: int) -> tuple[npt.NDArray[np.float64], str]:
    """The page's picture (height, width, RGBA in [0, 1]) and what the browser complained of."""
    (folder / "page.html").write_text(page(found), "utf-8")
    picture = folder / "page.png"
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"),
        *(f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", f"--screenshot={picture}"),
        (folder / "page.html").as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert picture.exists(), done.stderr[-2_000:]
    return imread(io.BytesIO(picture.read_bytes()), format="png"), done.stderr


def test_the_page_is_drawn_within_its_edges(browser: str, tmp_path: Path) -> None:
    width = 1_100
    image, stderr = drawn(browser, tmp_path, facts(examples=30), width, 2_400)
    assert image.shape[:2] == (2_400, width)
    ink = image[:, :, :3].min(axis=2) < 0.9
    assert ink.any(axis=1).mean() > 0.3, "an empty page"
    # The verdict's red, the band's blue: styles and plots are there.
    red = (image[:, :, 0] > 0.7) & (image[:, :, 1] < 0.3) & (image[:, :, 2] < 0.3)
    blue = (image[:, :, 2] > 0.9) & (image[:, :, 0] < 0.8) & (image[:, :, 0] > 0.6)
    assert red.sum() > 200
    assert blue.sum() > 200
    assert not ink[:, -4:].any(), "something hangs over the right edge"
    assert "CONSOLE" not in stderr
    assert "Refused to" not in stderr


def test_the_page_fits_both_widths_and_both_themes(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(facts(examples=3)), "utf-8")
    with chromium() as browser:
        for width, theme, light in ((390, "dark", False), (390, "light", True), (1_280, "dark", False)):
            with opened(browser, path.as_uri(), width, theme) as shown:
                assert shown.evaluate("document.documentElement.scrollWidth") == width
                colours = (
                    "(() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]; })()"
                )
                paper, ink = ([int(n) for n in re.findall(r"\d+", one)] for one in shown.evaluate(colours))
                assert (sum(paper) > sum(ink)) == light
                # An explanation of a criterion is read without scrolling.
                box = shown.locator("tr.why td[colspan]").first.bounding_box()
                assert box is not None
                assert box["x"] + box["width"] <= width


def test_the_page_without_data_is_drawn(browser: str, tmp_path: Path) -> None:
    image, stderr = drawn(browser, tmp_path, nothing(), 1_100, 800)
    assert (image[:, :, :3].min(axis=2) < 0.9).any()
    assert "CONSOLE" not in stderr
