"""Section of the page with the rows that differ: filters, pages, and one pair side by side."""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import run
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments

from shadowstream.codecs import own
from shadowstream.compare.redact import Redactor
from shadowstream.kafka.reading.pair_reader import PairRecords
from shadowstream.status.differing_rows import Filter, Row
from shadowstream.status.pair_values import fields_of_input, fields_of_pair
from shadowstream.status.words import key_text, path_text, place_text, side_text, time_text
from shadowstream.web import rows
from shadowstream.web.live_table import Choice, FactList, LiveTable, button, text
from shadowstream.web.rows import Cell
from shadowstream.web.trial_watch import RevisionFigures, TrialFigures, TrialWatch

ANY = "any"
FILTER_CHARS_MAX = 200
LISTED = ("Key", "Event time (UTC)", "Outcome", "Difference: production → candidate", "Pair")
PARTS = ("Field", "Kind", "Production", "Candidate", "Delta")
VALUES = ("Field", "Production", "Candidate", "")
INPUT = ("Field", "Value")
COVERED = "values are covered as compare.redact and compare.examples.values ask for"


class Differences:
    """The section. A page beyond the first stays as it is while rows come; the first shows them at once."""

    def __init__(self, watch: TrialWatch, revision: str) -> None:
        self._watch, self._wanted, self._number, self._dropped = watch, Filter(revision), 0, 0
        with Element("section").classes("panel") as section:
            section.props["aria-labelledby"] = "differences"
            text("h2", "Records that differ").props["id"] = "differences"
            with Element("div").classes("tools"):
                self._outcome = Choice("Outcome", [ANY], lambda n, one: self._filter(outcome=one if n else None))
                self._path = Choice("Field", [ANY], lambda n, one: self._filter(path=_path(one) if n else None))
                with Element("label"):
                    text("span", "Key or pair holds")
                    self._key = Element("input").on(
                        "input",
                        self._typed,
                        throttle=0.3,
                        leading_events=False,
                        js_handler="(e) => emit(e.target.value)",
                    )
                    self._key.props["type"] = "search"
            self._opened = 0
            self._pair = PairView(watch, lambda: self._table.focus(self._opened))
            self._table = LiveTable("Records that differ, newest first", LISTED, "no such record so far")
            with Element("nav").classes("pager") as pager:
                pager.props["aria-label"] = "pages of records that differ"
                self._first = button("first", lambda: self._turn(0))
                self._before = button("newer", lambda: self._turn(self._number - 1))
                self._next = button("older", lambda: self._turn(self._number + 1))
                self._last = button("last", lambda: self._turn(10**9))
                self._where = text("span", style="where-page")
                # Announced after a click only: the count itself may change every two seconds.
                self._announced = text("span", style="visually-hidden")
                self._announced.props["role"] = "status"

    def show(self, trial: TrialFigures, figures: RevisionFigures) -> None:
        """Show the first page anew, and offer the outcomes and fields that have come."""
        self._outcome.offer([*figures.outcomes])
        self._path.offer([path_text(path) for path in figures.fields])
        self._dropped = trial.rows_dropped
        if self._number == 0:
            self._show_page(0)

    def _filter(self, **changes: Any) -> None:
        self._wanted = self._wanted._replace(**changes)
        self._turn(0)

    def _typed(self, event: GenericEventArguments) -> None:
        self._filter(key=str(event.args)[:FILTER_CHARS_MAX])

    def _turn(self, number: int) -> None:
        self._show_page(number)
        self._announced.text = self._where.text

    def _show_page(self, number: int) -> None:
        page = self._watch.page(self._wanted, number)
        self._number = page.number
        self._table.show([self._cells(n, row) for n, row in enumerate(page.rows)])
        older = f"; {self._dropped:,} older ones are not kept" if self._dropped else ""
        self._where.text = f"page {page.number + 1:,} of {page.pages:,}; {page.found:,} records{older}"
        for one, ends in (
            (self._first, 0),
            (self._before, 0),
            (self._next, page.pages - 1),
            (self._last, page.pages - 1),
        ):
            _enable(one, enabled=page.number != ends)

    def _cells(self, number: int, row: Row) -> list[Cell]:
        record = own.read("diff", row.raw)

        async def press() -> None:
            self._opened = number
            await self._pair.open(record)

        return [
            Cell(row.key if row.key != "-" else "(no key)", press=press),
            Cell(time_text(row.time_ms)),
            rows.outcome(record),
            Cell(rows.difference_text(record), "mono"),
            Cell(row.pair_id, "mono"),
        ]


class PairView:
    """One pair: its differences, both whole values side by side, and its input. `closed` is called at its end."""

    def __init__(self, watch: TrialWatch, closed: Callable[[], None]) -> None:
        self._watch, self._closed = watch, closed
        self._asked = 0
        with Element("div").classes("pair") as self._element:
            self._element.props["role"] = "region"
            self._element.props["aria-label"] = "one pair"
            with Element("div").classes("top"):
                self._title = text("h3")
                self._title.props["tabindex"] = "-1"
                button("close", self._close)
            self._facts = FactList(["Outcome", "Reason", "Pair", "Event time", "Production", "Candidate", "Input"])
            self._parts = LiveTable("Differences of the pair", PARTS, "the row names no differing field")
            text("h3", "Whole values")
            self._values = LiveTable("Both values, field by field", VALUES, "no value of either side could be read")
            self._more = text("p", style="faint")
            text("h3", "Input")
            self._input = LiveTable("The input, field by field", INPUT, "no input could be read")
            self._redacted = text("p", style="faint")
        self._element.set_visibility(False)

    def _close(self) -> None:
        self._element.set_visibility(False)
        self._closed()

    async def open(self, record: Mapping[str, Any]) -> None:
        """Show the row of diff at once, then the records as they are read."""
        self._asked += 1
        asked = self._asked
        self._element.set_visibility(True)
        self._title.text = f"{key_text(record)}: {record['outcome']}"
        self._facts.show(self._facts_of(record, None))
        self._parts.show([_part(one) for one in record["differences"]])
        self._values.show([])
        self._input.show([])
        self._more.text = "reading the records …"
        self._title.run_method("focus")
        found = await run.io_bound(self._watch.pair, record)
        if found is not None and asked == self._asked:
            self._show_values(record, found)

    def _show_values(self, record: Mapping[str, Any], found: PairRecords) -> None:
        differing = [one["path"] for one in record["differences"]]
        redactor = Redactor.of(self._watch.config)
        pair, more = fields_of_pair(found.production.value, found.candidate.value, differing, redactor, found.parts)
        self._facts.show(self._facts_of(record, found))
        self._values.show([_value(*one) for one in pair])
        self._more.text = f"and {more:,} more fields" if more else ""
        fields, more = fields_of_input(found.input.value, redactor)
        self._input.show([[Cell(path_text(one.path), "mono"), Cell(one.value, "mono")] for one in fields])
        beyond = f"and {more:,} more fields" if more else ""
        covered = COVERED if redactor and fields else ""
        self._redacted.text = "; ".join(filter(None, (beyond, covered)))

    def _facts_of(self, record: Mapping[str, Any], found: PairRecords | None) -> dict[str, str | None]:
        facts = {
            "Outcome": rows.outcome(record).text,
            "Reason": record["reason"],
            "Pair": record["pair_id"],
            "Event time": f"{time_text(record['time_ms'])} UTC",
        }
        if found is None:
            return facts
        names = ("Input", "Production", "Candidate")
        return facts | {
            name: place_text(one.where, one.problem, deleted=one.value is None)
            for name, one in zip(names, found[:3], strict=True)
        }


def _part(one: Mapping[str, Any]) -> list[Cell]:
    delta = "–" if one["delta"] is None else f"{one['delta']:+.6g}"
    texts = (path_text(one["path"]), one["kind"], side_text(one["production"]), side_text(one["shadow"]), delta)
    return [Cell(shown, "mono" if n != 1 else "") for n, shown in enumerate(texts)]


def _value(path: str, production: str | None, candidate: str | None, differs: bool) -> list[Cell]:
    style = "mono differs" if differs else "mono"
    shown = (path_text(path), side_text(production), side_text(candidate))
    return [*(Cell(one, style) for one in shown), Cell("≠ differs" if differs else "", style)]


def _path(chosen: str) -> str:
    return "" if chosen == path_text("") else chosen


def _enable(one: TextElement, *, enabled: bool) -> None:
    if enabled != ("disabled" not in one.props):
        if enabled:
            del one.props["disabled"]
        else:
            one.props["disabled"] = True
        one.update()
