"""Whether the functions that a config names can be called as they will be, read from their files, never imported.

Refused is what is sure: a coroutine function, a generator function, a wrong number of arguments. What only an import
could tell (a decorated function, a name bound twice, one that another module defines) is left to whoever loads it
(`runner.candidate`, `compare.hooks`), which asks the same of the object.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shadowstream.compare.hooks import NOT_A_LIST, NOT_AWAITED
from shadowstream.config import Candidate, Config
from shadowstream.errors import ConfigError
from shadowstream.revision import locate

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Called(NamedTuple):
    """A function of the config: its key, its entry point, how many arguments it gets, and which, in words."""

    key: str
    call: str
    arguments: int
    what: str


def problems_of(config: Config) -> Iterator[str]:
    """What is wrong with the functions of a config, each with its key first."""
    candidate = config.candidate
    if candidate.call is not None:
        found = _definition(candidate.call)
        if found is not None and candidate.state != "none":
            yield from _of_class(candidate, *found)
        elif found is not None:
            what = "one decoded value" if candidate.takes == "value" else "one list of decoded values"
            yield from _of(Called("candidate.call", candidate.call, 1, what), *found)
    for one in _hooks(config):
        found = _definition(one.call)
        if found is not None:
            yield from _of(one, *found)


def _hooks(config: Config) -> Iterator[Called]:
    pair = "production's and the candidate's value"
    for rule in config.compare.rules:
        if rule.call is not None:
            columns = "production's and the candidate's values, as two lists"
            yield Called("compare.rules", rule.call, 2, pair if rule.on == "value" else columns)
        for entry in rule.normalise:
            if ":" in entry:
                yield Called("compare.rules", entry, 1, "one value")
    for one in config.compare.expected:
        if one.call is not None:
            yield Called("compare.expected", one.call, 2, pair)


def _definition(call: str) -> tuple[Path, ast.stmt] | None:
    """The one statement that binds an entry point's name at its module's top level; None where that is not sure."""
    module, _, name = call.partition(":")
    try:
        file = locate(f"{module}:{name}").module
        tree = ast.parse(file.read_bytes()) if file.suffix == ".py" else None
    except (ConfigError, SyntaxError, ValueError, OSError):  # the revision tells of it
        return None
    if tree is None:
        return None
    bound = [one for one in tree.body if _binds(one, name)]
    mentioned = sum(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load) for node in ast.walk(tree)
    )
    sure = len(bound) == 1 and mentioned <= isinstance(bound[0], ast.Assign)
    return (file, bound[0]) if sure else None


def _binds(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, _Function | ast.ClassDef):
        return statement.name == name
    if isinstance(statement, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
    return False


def _of(one: Called, file: Path, statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _Function) and not statement.decorator_list:
        yield from _of_function(one, file, statement, bound=0)
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
        name = one.call.partition(":")[2]
        yield from _of_arguments(one, f"{file}:{statement.lineno}: {name}", statement.value.args, bound=0)


def _of_class(candidate: Candidate, file: Path, statement: ast.stmt) -> Iterator[str]:
    """Of a candidate with state: its objects are made without arguments, one for each input partition."""
    call = candidate.call or ""
    if isinstance(statement, _Function):
        if not statement.decorator_list:
            yield from _of_function(Called("candidate.call", call, 0, "nothing"), file, statement, bound=0)
        return
    if not isinstance(statement, ast.ClassDef):
        return
    asked = {"__init__": (0, "nothing"), "__call__": (1, "one decoded value")}
    if candidate.state == "snapshot":
        asked |= {"snapshot": (0, "nothing"), "restore": (1, "one snapshot")}
    for method in statement.body:
        if isinstance(method, _Function) and method.name in asked and not method.decorator_list:
            arguments, what = asked[method.name]
            yield from _of_function(Called("candidate.call", call, arguments, what), file, method, bound=1)


def _of_function(one: Called, file: Path, function: _Function, bound: int) -> Iterator[str]:
    where = f"{file}:{function.lineno}: {function.name}"
    if isinstance(function, ast.AsyncFunctionDef):
        yield f"{one.key}: {where} is a coroutine function: {NOT_AWAITED}"
    elif _is_generator(function):
        yield f"{one.key}: {where} is a generator function: {NOT_A_LIST}"
    else:
        yield from _of_arguments(one, where, function.args, bound)


def _is_generator(function: _Function) -> bool:
    """Whether a function yields itself, and not one that it defines."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            left += ast.iter_child_nodes(node)
    return False


def _of_arguments(one: Called, where: str, args: ast.arguments, bound: int) -> Iterator[str]:
    positional = [*args.posonlyargs, *args.args][bound:]
    least = len(positional) - len(args.defaults)
    keywords = [arg.arg for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    if keywords:
        yield f"{one.key}: {where} needs the keyword {keywords[0]!r}; it is called with {one.what} alone"
    elif one.arguments < least or (args.vararg is None and one.arguments > len(positional)):
        takes = f"at least {least}" if args.vararg else str(least)
        takes = takes if len(positional) <= max(least, 0) else f"{max(least, 0)} to {len(positional)}"
        plural = "" if takes == "1" else "s"
        yield f"{one.key}: {where} takes {takes} argument{plural}; it is called with {one.arguments}: {one.what}"
