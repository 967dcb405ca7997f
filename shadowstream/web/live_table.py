"""Table of the page whose cells change in place, so that the focus stays and only changes are sent.

Every text is set as text, never as HTML: it may come from a record.
"""

from collections.abc import Callable, Mapping, Sequence

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments

from shadowstream.web.rows import Cell


def text(tag: str, shown: str = "", style: str = "") -> TextElement:
    """Create an element that shows a text."""
    made = TextElement(tag=tag, text=shown)
    if style:
        made.classes(style)
    return made


def button(shown: str, press: Callable[[], object], style: str = "") -> TextElement:
    """Create a button."""
    made = text("button", shown, style)
    made.props["type"] = "button"
    made.on("click", press, args=[])
    return made


class LiveTable:
    """A table with a caption and column titles; below 600 px each row is a card that names its columns."""

    def __init__(self, caption: str, titles: Sequence[str], empty: str) -> None:
        self._titles = titles
        self._rows: list[_Row] = []
        with Element("div").classes("scroll") as self.element:
            with Element("table") as self._table:
                self._table.props["role"] = "table"
                text("caption", caption, "visually-hidden")
                with Element("thead") as head, Element("tr") as row:
                    head.props["role"] = "rowgroup"
                    row.props["role"] = "row"
                    for title in titles:
                        cell = text("th", title)
                        cell.props["scope"] = "col"
                        cell.props["role"] = "columnheader"
                self._body = Element("tbody")
                self._body.props["role"] = "rowgroup"
            self._empty = text("p", empty, "faint")

    def show(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Show these rows in place of the last ones."""
        while len(self._rows) > len(rows):
            self._rows.pop().element.delete()
        with self._body:
            self._rows += [_Row(self._titles) for _ in rows[len(self._rows) :]]
        for row, cells in zip(self._rows, rows, strict=True):
            row.show(cells)
        self._table.set_visibility(bool(rows))
        self._empty.set_visibility(not rows)

    def focus(self, number: int) -> None:
        """Move the focus to the first cell of a row that is still there."""
        if number < len(self._rows):
            self._rows[number].focus()


class LiveList:
    """A list of texts."""

    def __init__(self, label: str, style: str = "") -> None:
        self.element = Element("ul")
        self.element.props["aria-label"] = label
        if style:
            self.element.classes(style)
        self._items: list[TextElement] = []

    def show(self, texts: Sequence[str]) -> None:
        """Show these texts in place of the last ones."""
        while len(self._items) > len(texts):
            self._items.pop().delete()
        with self.element:
            self._items += [text("li") for _ in texts[len(self._items) :]]
        for item, shown in zip(self._items, texts, strict=True):
            item.text = shown
        self.element.set_visibility(bool(texts))


class FactList:
    """Names and their texts; those without a text are hidden."""

    def __init__(self, names: Sequence[str]) -> None:
        self._texts: dict[str, tuple[TextElement, TextElement]] = {}
        with Element("dl").classes("facts"):
            for name in names:
                self._texts[name] = text("dt", name), text("dd")

    def show(self, texts: Mapping[str, str | None]) -> None:
        """Show these texts, by name."""
        for name, (title, value) in self._texts.items():
            shown = texts.get(name)
            value.text = shown or ""
            for element in (title, value):
                element.set_visibility(bool(shown))


class Choice:
    """A labelled choice of one of several texts; `on_change` gets its number and text. Texts are added and never
    removed."""

    def __init__(self, label: str, offered: Sequence[str], on_change: Callable[[int, str], object]) -> None:
        self._offered: list[str] = []
        self._on_change = on_change
        with Element("label"):
            text("span", label)
            self._select = Element("select").on(
                "change", self._changed, js_handler="(e) => emit(e.target.selectedIndex)"
            )
        self.offer(offered)

    def offer(self, texts: Sequence[str]) -> None:
        """Add the texts that are not offered yet."""
        for shown in texts:
            if shown not in self._offered:
                self._offered.append(shown)
                with self._select:
                    text("option", shown)

    def _changed(self, event: GenericEventArguments) -> None:
        number = event.args
        if isinstance(number, int) and 0 <= number < len(self._offered):
            self._on_change(number, self._offered[number])


class _Row:
    def __init__(self, titles: Sequence[str]) -> None:
        self.element = Element("tr")
        self.element.props["role"] = "row"
        with self.element:
            self._cells = [_Part(title, is_first=not n) for n, title in enumerate(titles)]

    def focus(self) -> None:
        self._cells[0].focus()

    def show(self, cells: Sequence[Cell]) -> None:
        for part, cell in zip(self._cells, cells, strict=True):
            part.show(cell)


class _Part:
    def __init__(self, title: str, *, is_first: bool) -> None:
        self._element = text("th" if is_first else "td")
        self._element.props["role"] = "rowheader" if is_first else "cell"
        self._element.props["data-label"] = title
        if is_first:
            self._element.props["scope"] = "row"
        self._inner: TextElement | None = None
        self._press: Callable[[], object] | None = None
        self._style = ""

    def show(self, cell: Cell) -> None:
        if cell.style != self._style:
            self._element.classes(remove=self._style or None, add=cell.style or None)
            self._style = cell.style
        self._press = cell.press
        if cell.press is None and cell.link is None:
            self._element.text = cell.text
            return
        if self._inner is None:
            with self._element:
                self._inner = text("a") if cell.link is not None else button("", self._pressed, "quiet")
        self._inner.text = cell.text
        if cell.link is not None and self._inner.props.get("href") != cell.link:
            self._inner.props["href"] = cell.link
            self._inner.update()

    def focus(self) -> None:
        if self._inner is not None:
            self._inner.run_method("focus")

    def _pressed(self) -> object:
        return None if self._press is None else self._press()
