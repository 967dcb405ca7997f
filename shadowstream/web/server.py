"""Server of the live page: NiceGUI behind the guard, in this thread until it is asked to end."""

import socket
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, HTTPException
from nicegui import ui
from nicegui.element import Element

from shadowstream.errors import ConfigError
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.logs import get_logger
from shadowstream.web import rows
from shadowstream.web.access import Guard, Rules
from shadowstream.web.bounded_server import SETTINGS, BoundedServer
from shadowstream.web.live_table import LiveTable, text
from shadowstream.web.release_gate import ReleaseGate, add_routes
from shadowstream.web.trial_page import TrialPage
from shadowstream.web.trial_watch import TrialWatch

log = get_logger("web")
CLOSE_S = 2
MESSAGE_BYTES_MAX = 1_000_000
"""A browser sends clicks and a filter's text only."""
_THEME = """
<script>
  (() => {
    const kept = localStorage.getItem("shadowstream-theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  })();
</script>
"""
_NEXT_THEME = """
(event) => {
  const themes = ["auto", "light", "dark"];
  const root = document.documentElement;
  const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
  if (next === "auto") { delete root.dataset.theme; localStorage.removeItem("shadowstream-theme"); }
  else { root.dataset.theme = next; localStorage.setItem("shadowstream-theme", next); }
  event.currentTarget.textContent = "Theme: " + next;
}
"""


def serve(
    watches: Sequence[TrialWatch],
    gates: Sequence[ReleaseGate[Any]],
    address: tuple[str, int],
    rules: Rules,
    stop: Stoppable,
) -> None:
    """Serve the page of these trials, and their gates, until `stop`. Raises `ConfigError` if the address is
    unavailable."""
    host, port = address[0].strip("[]"), address[1]
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--listen: cannot listen on {address[0]}:{port}: {error}; choose another port") from error
    with listening:
        _pages({watch.config.name: watch for watch in watches})
        application = FastAPI(openapi_url=None)
        application.add_api_route("/healthz", lambda: "ok", methods=["GET"])
        add_routes(application, {gate.name: gate for gate in gates})
        ui.run_with(application, title="shadowstream", language="en-US", tailwind=False, show_welcome_message=False)
        # The peer decides whether a request comes from a trusted proxy, so no header may replace its address.
        settings = uvicorn.Config(
            Guard(application, rules),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSE_S,
            ws_max_size=MESSAGE_BYTES_MAX,
            **SETTINGS,
        )
        for watch in watches:
            watch.start()
        log.info("page", url=f"http://{address[0]}:{listening.getsockname()[1]}/")
        stop.begin()
        BoundedServer(settings, stop).run([listening])
        for watch in watches:
            watch.stop()


def _pages(watches: Mapping[str, TrialWatch]) -> None:
    links = {name: f"/trial/{quote(name)}" for name in watches}

    @ui.page("/")
    def first() -> None:
        if len(watches) == 1:
            _trial(next(iter(watches.values())), "", None)
        else:
            _list(watches, links)

    @ui.page("/trial/{name}")
    def trial(name: str, revision: str = "") -> None:
        if name not in watches:
            raise HTTPException(404)
        _trial(watches[name], revision, "/" if len(watches) > 1 else None)


def _trial(watch: TrialWatch, revision: str, back: str | None) -> None:
    name = watch.config.name
    ui.page_title(f"{name} – shadowstream")
    with _page(f"Trial {name}", back):
        TrialPage(watch, revision or watch.figures.own)


def _list(watches: Mapping[str, TrialWatch], links: Mapping[str, str]) -> None:
    ui.page_title("Trials – shadowstream")
    with _page("Trials", None), Element("section").classes("panel") as section:
        section.props["aria-label"] = "all trials"
        table = LiveTable("All trials", rows.TRIALS, "no trial")

        def refresh() -> None:
            table.show(rows.trials([watch.want() for watch in watches.values()], links))

        refresh()
        ui.timer(1.0, refresh)


def _page(title: str, back: str | None) -> Element:
    """The head of every page; returns the part that holds the rest, as context."""
    ui.add_css(resources.files("shadowstream.web").joinpath("page.css").read_text("utf-8"))
    ui.add_head_html(_THEME)
    page = Element("div").classes("page")
    with page, Element("header").classes("top"):
        text("h1", title)
        with Element("div").classes("where"):
            if back is not None:
                text("a", "all trials").props["href"] = back
            theme = text("button", "Theme: auto")
            theme.props["type"] = "button"
            theme.on("click", js_handler=_NEXT_THEME)
    return page
