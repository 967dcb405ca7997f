"""The page of one trial: all sections, built once for a browser and changed in place as figures come."""

from collections.abc import Sequence

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from shadowstream.config import Config
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.verdict.explain import span
from shadowstream.status.lines import window_text
from shadowstream.status.words import time_text
from shadowstream.web import charts, rows
from shadowstream.web.differences import Differences
from shadowstream.web.live_table import Choice, FactList, LiveList, LiveTable, text
from shadowstream.web.trial_watch import RevisionFigures, TrialFigures, TrialWatch

REASONS_MAX, OPEN_WINDOWS_MAX, WINDOWS_SHOWN = 8, 3, 24
FACTS = ("Candidate", "Production", "Revision", "Start", "Judged", "Coverage", "Windows", "Looked at")


class Section:
    """A titled part of the page, as context."""

    def __init__(self, name: str, title: str) -> None:
        self._name, self._title = name, title

    def __enter__(self) -> Element:
        self._element = Element("section").classes("panel")
        self._element.props["aria-labelledby"] = self._name
        self._element.__enter__()
        text("h2", self._title).props["id"] = self._name
        return self._element

    def __exit__(self, *_: object) -> None:
        self._element.__exit__(*_)


class Plot:
    """A plot with a text for those who do not see it."""

    def __init__(self, label: str) -> None:
        self._shown: charts.Options = {}
        with Element("div") as frame:
            frame.props["role"] = "img"
            frame.props["aria-label"] = label
            self._chart = ui.echart({}, renderer="svg").classes("plot")
        self._frame, self._empty = frame, text("p", "nothing to draw yet", "faint")
        self._frame.set_visibility(False)

    def show(self, options: charts.Options) -> None:
        """Draw these options if they are others than the last ones, and if they have data."""
        if options == self._shown:
            return
        self._shown = options
        has_data = any(one["data"] for one in options["series"])
        self._frame.set_visibility(has_data)
        self._empty.set_visibility(not has_data)
        self._chart.options.clear()
        self._chart.options.update(options)
        self._chart.update()


class TrialPage:
    """The sections of one revision of a trial."""

    def __init__(self, watch: TrialWatch, revision: str) -> None:
        self._watch, self._revision, self._number = watch, revision, -1
        self._criterion: str | None = None
        self._columns: tuple[str, ...] = ()
        self._problem = text("p", style="problem")
        self._problem.props["role"] = "alert"
        self._reading = text("p", style="faint")
        self._reading.props["role"] = "status"
        self._verdict()
        with Section("criteria", "Criteria"):
            self._criteria = LiveTable("The criteria of the verdict", rows.CRITERIA, "no verdict yet")
        self._plots()
        with Element("div").classes("two"):
            with Section("fields", "Fields that differ"):
                self._fields = LiveTable("Fields that differ, the commonest first", rows.FIELDS, "none so far")
            with Section("slices", "Slices with an excess of differences"):
                self._slices = LiveTable("Slices that hold the excess, worst first", rows.SLICES, "none so far")
        self._differences = Differences(watch, revision)
        with Section("changes", "Incidents and changes over time"):
            self._incidents = LiveList("open incidents", "bad")
            self._changes = LiveTable("Changes over time, the newest first", rows.CHANGES, "no change so far")
        self._running()
        with Section("revisions", "Revisions side by side"):
            self._revisions_place = Element("div")
            self._revisions: LiveTable | None = None
        self.refresh()
        ui.timer(1.0, self.refresh)

    def _verdict(self) -> None:
        with Section("verdict", "Verdict"):
            with Element("div") as announced:
                announced.props["aria-live"] = "polite"
                self._decision = text("p", style="decision")
                self._reasons = LiveList("reasons")
            self._todo = LiveList("what to do", "todo")
            self._facts = FactList(FACTS)
            with Element("details"):
                text("summary", "What the verdict rests on")
                self._notes = LiveList("what the verdict rests on", "faint")

    def _plots(self) -> None:
        with Element("div").classes("two"):
            with Section("for-good", "Evidence that it is good"):
                self._good = Plot(
                    "evidence of each criterion that it is good, over event time; the table has its values"
                )
            with Section("for-bad", "Evidence that it is bad"):
                self._bad = Plot("evidence of each criterion that it is bad, over event time; the table has its values")
        with Section("rate", "Rate over event time"):
            with Element("div").classes("tools"):
                self._choice = Choice("Criterion", [], lambda _, chosen: self._choose(chosen))
            self._rate = Plot("rate of the chosen criterion by window, with band, limit and incidents")
            with Element("details"):
                text("summary", f"The newest {WINDOWS_SHOWN} windows as a table")
                self._windows = LiveTable("Windows of the chosen criterion", rows.WINDOWS, "no window so far")

    def _running(self) -> None:
        with Section("running", "The trial now"), Element("div").classes("two"):
            with Element("div"):
                text("h3", "Read")
                self._sides = LiveTable("Records read of each side", rows.SIDES, "nothing has been read")
                text("h3", "Open windows")
                self._open = LiveList("open windows")
            with Element("div"):
                text("h3", "Roles")
                self._roles = LiveTable("Health of each role", rows.ROLES, "unknown")
                text("h3", "Latency of both sides")
                self._latencies = LiveTable("Latency of both sides", rows.LATENCIES, "no record tells it")

    def _choose(self, criterion: str) -> None:
        self._criterion = criterion
        self._number = -1
        self.refresh()

    def refresh(self) -> None:
        """Show the newest figures of the watch, if they are others than the last ones."""
        trial = self._watch.want()
        if trial.number == self._number:
            return
        self._number = trial.number
        figures = trial.revisions.get(self._revision)
        what = "the trial cannot be read" if trial.looked_ms is None else "these figures are old"
        self._problem.text = f"{what}: {trial.problem}" if trial.problem else ""
        self._problem.set_visibility(bool(trial.problem))
        unknown = figures is None and not trial.reading
        self._reading.text = (
            f"no verdict of revision {self._revision}" if unknown else "reading what is there already …"
        )
        self._reading.set_visibility((trial.reading or unknown) and not trial.problem)
        if figures is None:
            self._decision.text = "…"
            return
        self._show_verdict(trial, figures)
        self._show_plots(figures)
        self._fields.show(rows.fields(figures))
        self._slices.show(rows.slices(figures.gate))
        self._differences.show(trial, figures)
        self._incidents.show(figures.gate.explanation.incidents)
        self._changes.show(rows.changes(figures.drift))
        self._show_running(figures)
        self._show_revisions(trial)

    def _show_verdict(self, trial: TrialFigures, figures: RevisionFigures) -> None:
        gate, config = figures.gate, self._watch.config
        _restyle(self._decision, rows.DECISION_STYLES[gate.decision])
        self._decision.text = rows.decision_text(gate.decision)
        self._reasons.show(_cut(gate.reasons))
        self._todo.show([f"Next: {one.replace('CONFIG', self._watch.path)}" for one in gate.explanation.todo])
        self._notes.show(gate.explanation.notes)
        self._facts.show(_facts(config, trial, figures))
        self._criteria.show(rows.criteria(gate))

    def _show_plots(self, figures: RevisionFigures) -> None:
        names = [one.criterion for one in figures.gate.explanation.outlooks]
        self._good.show(charts.evidence(figures.history, names, "good"))
        self._bad.show(charts.evidence(figures.history, names, "bad"))
        offered = [name for name in names if name in figures.windows] or [*figures.windows]
        self._choice.offer(offered)
        self._criterion = self._criterion or next(iter(offered), None)
        if self._criterion is not None:
            windows = figures.windows.get(self._criterion, ())
            self._rate.show(charts.rate(figures.history, windows, self._criterion, figures.drift))
            self._windows.show(rows.windows(figures, self._criterion, WINDOWS_SHOWN))

    def _show_running(self, figures: RevisionFigures) -> None:
        self._latencies.show(rows.latencies(figures.gate))
        status = figures.status
        if status is not None:
            self._sides.show(rows.sides(status.sides))
            self._roles.show(rows.roles(status.roles, status.now_ms))
            self._open.show([window_text(one, status) for one in status.windows[-OPEN_WINDOWS_MAX:]])

    def _show_revisions(self, trial: TrialFigures) -> None:
        columns = tuple(trial.revisions)
        if columns != self._columns or self._revisions is None:
            self._columns = columns
            self._revisions_place.clear()
            titles = [f"{one[:12]}{' (this config)' if one == trial.own else ''}" for one in columns]
            with self._revisions_place:
                with Element("p").classes("faint"):
                    text("span", "Open the page of a revision: ")
                    for one in columns:
                        link = text("a", f"{one[:12]} ")
                        link.props["href"] = f"/trial/{trial.name}?revision={one}"
                self._revisions = LiveTable("Revisions side by side", ["", *titles], "no revision yet")
        self._revisions.show(rows.revisions(trial))


def _facts(config: Config, trial: TrialFigures, figures: RevisionFigures) -> dict[str, str | None]:
    verdict, status, revision = figures.gate.verdict, figures.status, figures.gate.revision
    facts: dict[str, str | None] = {
        "Production": ", ".join(config.production.outputs),
        "Revision": revision if revision == trial.own else f"{revision} (not this config's)",
        "Looked at": None if trial.looked_ms is None else f"{time_text(trial.looked_ms)} UTC",
    }
    if status is not None:
        facts |= {"Candidate": status.candidate, "Start": status.began}
        facts["Windows"] = f"{status.windows_closed:,} closed, {len(status.windows):,} open"
    if verdict is not None:
        facts["Judged"] = f"{span(verdict)}; evaluated {time_text(verdict['evaluated_at_ms'])} UTC"
        facts["Coverage"] = (
            None if verdict["coverage"] is None else f"{percent(verdict['coverage'])} of production's records"
        )
    return facts


def _cut(texts: Sequence[str]) -> list[str]:
    more = [f"and {len(texts) - REASONS_MAX} more"] if len(texts) > REASONS_MAX else []
    return [*texts[:REASONS_MAX], *more]


def _restyle(element: TextElement, style: str) -> None:
    element.classes(remove=" ".join({*rows.DECISION_STYLES.values()} - {style}), add=style)
