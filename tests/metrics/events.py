"""Every log event in the code, read from its source; docs/events.md has their meanings.

`python -m tests.metrics.events` makes the page anew: events are those of the code, meanings and actions stay.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from shadowstream.logs import LEVELS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "events.md"
ROW = re.compile(r"^\| `(\w+)` \| [^|]* \| [^|]* \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
METHODS = (*LEVELS, "exception", "critical")


class Event(NamedTuple):
    """One call of a logger. `name` is None where the event is no fixed word."""

    name: str | None
    room: str
    level: str
    where: str


def events_of(text: str, path: str) -> Iterator[Event]:
    """The events of one source: first arguments of what `get_logger("room")` gave.

    A function may hand on a parameter of its own as the event: then its callers' words in that place are events.
    """
    tree = ast.parse(text, path)
    rooms = {
        target.id: node.value.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_logger(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    # By what a call names: the place of the event among the arguments, room and level.
    sinks = {f"{logger}.{method}": (0, room, method) for logger, room in rooms.items() for method in METHODS}
    calls = [(call, inside) for inside, call in _calls(tree)]
    while True:
        handed = {
            inside.name: (_parameters(inside).index(argument.id), *sinks[named][1:])
            for call, inside in calls
            if (named := _named(call)) in sinks and inside is not None
            if isinstance(argument := _argument(call, sinks[named][0]), ast.Name) and argument.id in _parameters(inside)
        }
        if handed.keys() <= sinks.keys():
            break
        sinks |= handed
    for call, inside in calls:
        if (named := _named(call)) not in sinks:
            continue
        place, room, level = sinks[named]
        argument = _argument(call, place)
        if isinstance(argument, ast.Name) and inside is not None and inside.name in handed:
            continue
        fixed = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        yield Event(argument.value if fixed else None, room, level, f"{path}:{call.lineno}")


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _calls(node: ast.AST, inside: Function | None = None) -> Iterator[tuple[Function | None, ast.Call]]:
    """Every call, with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield inside, child
        yield from _calls(child, child if isinstance(child, Function) else inside)


def _named(call: ast.Call) -> str:
    """`log.info` of `log.info(...)`, `wait` of `self.wait(...)`."""
    return ast.unparse(call.func).removeprefix("self.")


def _argument(call: ast.Call, place: int) -> ast.expr | None:
    return call.args[place] if place < len(call.args) else None


def _parameters(function: Function) -> list[str]:
    return [one.arg for one in function.args.args if one.arg != "self"]


def _is_logger(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "get_logger"


@cache
def all_events() -> list[Event]:
    found = []
    for path in sorted((ROOT / "shadowstream").rglob("*.py")):
        found += events_of(path.read_text("utf-8"), str(path.relative_to(ROOT)))
    return found


def notes(text: str) -> dict[str, tuple[str, str]]:
    """Return what each event of a page means, and the action that it asks for."""
    return {name: (means, action) for name, means, action in ROW.findall(text)}


def page(text: str) -> str:
    """Return the page with the events of the code and its own notes on them."""
    head, rule, _ = text.partition("|---|---|---|---|---|\n")
    known, rows = notes(text), sorted({(event.name or "", event.room, event.level) for event in all_events()})
    lines = ("| `{}` | {} | {} | {} | {} |\n".format(*row, *known.get(row[0], ("", ""))) for row in rows)
    return head + rule + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
