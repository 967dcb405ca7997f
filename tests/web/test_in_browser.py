"""The live page in a real Chromium, on trials whose topics the test fills: none at all, and 100,000 differences."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shadowstream.codecs import own
from shadowstream.status.differing_rows import PAGE_ROWS
from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.metrics.test_up import end
from tests.pipeline.trial_fixture import Trial
from tests.pipeline.written_records import await_that
from tests.report.trial_facts import HOSTILE, judged, row
from tests.web.chromium import chromium, is_served, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.long
DIFFERENCES = 100_000
CLICK_MS_MAX = 300
CLICKS = 15
NAMES = {"fraud": DIFFERENCES, "empty": 0}
READ = "!document.body.innerText.includes('reading what is there')"


@dataclass(frozen=True)
class Site:
    """A page with two trials, and its address."""

    url: str
    names: dict[str, str]

    def of(self, kind: str) -> str:
        return f"{self.url}/trial/{self.names[kind]}"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    trials = {}
    for kind, differences in NAMES.items():
        trial = Trial(kafka.bootstrap, f"{kind}-{uuid4().hex[:8]}", tmp_path_factory.mktemp(kind))
        trial.create_topics()
        if differences:
            _fill(trial, differences)
        trials[kind] = trial
    first, *others = trials.values()
    port = free_port()
    more = [str(trial.config_path) for trial in others]
    process = first.start("web", *more, "--listen", f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}"
    try:
        await_that("the page is served", lambda: is_served(url, process))
        yield Site(url, {kind: trial.name for kind, trial in trials.items()})
    finally:
        end(process)


def _fill(trial: Trial, differences: int) -> None:
    """Write what a trial of 60 hours would have left, whose candidate got worse after 40."""
    config = trial.config
    revision = json.loads(trial.ask("validate", "--json").stdout)["revision"]
    plan = config.plan
    verdicts, drift = judged()
    named = [{**one, "revision": revision, "name": trial.name} for one in verdicts]
    create_topics(trial.bootstrap, {plan.of(kind): 1 for kind in ("verdict", "audit", "drift", "diff")})
    written = [
        *(("audit", "verdict", one) for one in named),
        ("verdict", "verdict", named[-1]),
        *(("drift", "drift", {**event, "revision": revision}) for event in drift),
    ]
    for topic, schema, record in written:
        produce_all(trial.bootstrap, plan.of(topic), [Write(own.encode(schema, record), revision.encode())])
    rows = (row(number, revision=revision) for number in range(differences))
    diff = (Write(own.encode("diff", one), one["pair_id"].encode()) for one in rows)
    produce_all(trial.bootstrap, plan.of("diff"), diff)


def pager(page: "Page") -> str:
    return page.locator("nav.pager .where-page").inner_text()


def ready(page: "Page") -> None:
    page.wait_for_function(READ)
    page.locator("tbody button.quiet").first.wait_for()


def test_a_click_among_100000_differences_takes_less_than_300_ms(
    browser: "Browser", site: Site, say: Callable[[str], None]
) -> None:
    with opened(browser, site.of("fraud")) as page:
        ready(page)
        assert pager(page) == f"page 1 of {DIFFERENCES // PAGE_ROWS:,}; {DIFFERENCES:,} records"
        took_ms = []
        for number in range(CLICKS):
            before = pager(page)
            began = time.perf_counter()
            page.get_by_role("button", name="last" if number == 0 else "newer").click()
            page.wait_for_function(
                "text => document.querySelector('nav.pager .where-page').innerText !== text", arg=before
            )
            took_ms.append(1_000 * (time.perf_counter() - began))
        middle_ms = statistics.median(took_ms)
        say(f"a click among {DIFFERENCES:,} differences: median {middle_ms:.0f} ms, slowest {max(took_ms):.0f} ms")
        assert middle_ms < CLICK_MS_MAX
        page.get_by_label("Key or pair holds").fill("order-99999")
        page.wait_for_function("document.querySelector('nav.pager .where-page').innerText.includes('; 1 records')")
        assert page.locator("tbody button.quiet").inner_text() == "order-99999"


def test_texts_of_records_are_shown_and_never_run(browser: "Browser", site: Site) -> None:
    with opened(browser, site.of("fraud")) as page:
        ready(page)
        fields = page.locator("section:has(#fields) tbody th").all_inner_texts()
        assert HOSTILE.replace("\x00", "\ufffd") in [one.replace("\x00", "\ufffd") for one in fields]
        page.locator("tbody button.quiet").first.click()
        page.get_by_role("region", name="one pair").wait_for()
        assert page.locator("section script, .page script, .page img").count() == 0


@pytest.mark.parametrize("width", [390, 1_280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_both_widths_in_both_themes_without_serious_findings(
    browser: "Browser", site: Site, width: int, theme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for kind in NAMES:
        with opened(browser, site.of(kind), width, theme) as page:  # type: ignore[arg-type]  # one of two words
            page.wait_for_function(READ)
            if NAMES[kind]:
                ready(page)
                page.locator("tbody button.quiet").first.click()
                page.locator("td.differs, .pair tbody tr").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            back = page.evaluate("getComputedStyle(document.body).backgroundColor")
            bright = sum(int(part) for part in back.removeprefix("rgb(").removesuffix(")").split(",")) / 3
            assert (bright > 200) == (theme == "light")
            found = axe.run(page).response["violations"]
            grave = [
                (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert grave == []


def test_the_theme_follows_the_system_until_it_is_chosen(browser: "Browser", site: Site) -> None:
    with opened(browser, site.of("empty"), theme="dark") as page:
        schemes = []
        button = page.get_by_role("button", name="Theme")
        for _ in range(3):
            button.click()
            schemes.append(page.evaluate("getComputedStyle(document.documentElement).colorScheme"))
        assert schemes == ["light", "dark", "light dark"]
        button.click()
        page.reload()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_a_pair_is_opened_and_closed_by_keys(browser: "Browser", site: Site) -> None:
    focused = "document.activeElement.innerText"
    with opened(browser, site.of("fraud")) as page:
        ready(page)
        first = page.locator("tbody button.quiet").first.inner_text()
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(focused) == first:
                break
        assert page.evaluate(focused) == first
        page.keyboard.press("Enter")
        page.wait_for_function(f"{focused}.endsWith(': mismatch')")
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == "close"
        page.keyboard.press("Space")
        page.wait_for_function(f"{focused} === '{first}'")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.tagName") == "INPUT"
        page.keyboard.type("order-7")
        page.wait_for_function("document.querySelector('nav.pager .where-page').innerText.includes('; 11,111 records')")


def test_the_list_has_every_trial_also_one_without_topics(browser: "Browser", site: Site) -> None:
    with opened(browser, site.url) as page:
        page.wait_for_function("document.querySelectorAll('tbody td.bad, tbody td.wait').length >= 2")
        table = page.locator("tbody tr").all_inner_texts()
        assert [line.split()[0] for line in table] == list(site.names.values())
        assert "reject" in table[0]
        assert "not yet" in table[1]
        page.get_by_role("link", name=site.names["empty"]).click()
        page.wait_for_function(READ)
        assert "not yet" in page.locator(".decision").inner_text().lower()
        assert "no such record so far" in page.inner_text("body")
        assert page.get_by_role("link", name="all trials").count() == 1


def test_without_a_broker_the_page_names_the_problem(browser: "Browser", tmp_path: Path) -> None:
    trial = Trial("localhost:1", "unreachable", tmp_path)
    port = free_port()
    process = trial.start("web", "--listen", f"127.0.0.1:{port}")
    try:
        await_that("the page is served", lambda: is_served(f"http://127.0.0.1:{port}", process))
        with opened(browser, f"http://127.0.0.1:{port}") as page:
            alert = page.get_by_role("alert").filter(has_text="the trial cannot be read: kafka.bootstrap: no broker")
            alert.wait_for()
            assert "reading what is there" not in page.inner_text("body")
    finally:
        end(process)
