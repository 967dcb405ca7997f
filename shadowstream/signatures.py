"""Check whether the functions named in a config can be called as intended. Reads their files, and never imports them.

Only certain errors are rejected: a coroutine function, a generator function, a wrong number of arguments. Some
cases need an import: a decorated function, a name bound twice, a name from another module. They are left to the
loaders (`runner.candidate`, `compare.hooks`), which check the object in the same way.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shadowstream.config import Candidate, Config
from shadowstream.entry_points import NOT_A_LIST, NOT_AWAITED
from shadowstream.errors import ConfigError
from shadowstream.revision import locate

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class ExpectedCall(NamedTuple):
    """A function of the config: its key, its entry point, the number of its arguments, and their description."""

    key: str
    call: str
    arguments: int
    what: str


def problems_of(config: Config) -> Iterator[str]:
    """Return the errors in the functions of a config, each with its key first."""
    candidate = config.candidate
    if candidate.call is not None:
        definition = _definition(candidate.call)
        if definition is not None and candidate.state != "none":
            yield from _of_class(candidate, *definition)
        elif definition is not None:
            what = "one decoded value" if candidate.takes == "value" else "one list of decoded values"
            yield from _of(ExpectedCall("candidate.call", candidate.call, 1, what), *definition)
    for hook in _hooks(config):
        definition = _definition(hook.call)
        if definition is not None:
            yield from _of(hook, *definition)


def _hooks(config: Config) -> Iterator[ExpectedCall]:
    pair = "production's and the candidate's value"
    for rule in config.compare.rules:
        if rule.call is not None:
            columns = "production's and the candidate's values, as two lists"
            yield ExpectedCall("compare.rules", rule.call, 2, pair if rule.on == "value" else columns)
        for entry in rule.normalise:
            if ":" in entry:
                yield ExpectedCall("compare.rules", entry, 1, "one value")
    for change in config.compare.expected:
        if change.call is not None:
            yield ExpectedCall("compare.expected", change.call, 2, pair)
    for criterion in config.judge.criteria:
        if criterion.loss in config.judge.calls:
            what = "a side's answer and the label" if criterion.is_labelled else pair
            yield ExpectedCall("judge.criteria", criterion.loss, 2, what)


def _definition(call: str) -> tuple[Path, ast.stmt] | None:
    """Return the single statement that binds an entry point's name at its module's top level; None unless certain."""
    module, _, name = call.partition(":")
    try:
        file = locate(f"{module}:{name}").module
        tree = ast.parse(file.read_bytes()) if file.suffix == ".py" else None
    except (ConfigError, SyntaxError, ValueError, OSError):  # the revision reports it
        return None
    if tree is None:
        return None
    bound = [statement for statement in tree.body if _binds(statement, name)]
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


def _of(called: ExpectedCall, file: Path, statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _Function) and not statement.decorator_list:
        yield from _of_function(called, file, statement, bound=0)
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
        name = called.call.partition(":")[2]
        yield from _of_arguments(called, f"{file}:{statement.lineno}: {name}", statement.value.args, bound=0)


def _of_class(candidate: Candidate, file: Path, statement: ast.stmt) -> Iterator[str]:
    """Check a candidate with state: its objects are created without arguments, one for each input partition."""
    call = candidate.call or ""
    if isinstance(statement, _Function):
        if not statement.decorator_list:
            yield from _of_function(ExpectedCall("candidate.call", call, 0, "nothing"), file, statement, bound=0)
        return
    if not isinstance(statement, ast.ClassDef):
        return
    required = {"__init__": (0, "nothing"), "__call__": (1, "one decoded value")}
    if candidate.state == "snapshot":
        required |= {"snapshot": (0, "nothing"), "restore": (1, "one snapshot")}
    for method in statement.body:
        if isinstance(method, _Function) and method.name in required and not method.decorator_list:
            arguments, what = required[method.name]
            yield from _of_function(ExpectedCall("candidate.call", call, arguments, what), file, method, bound=1)


def _of_function(called: ExpectedCall, file: Path, function: _Function, bound: int) -> Iterator[str]:
    where = f"{file}:{function.lineno}: {function.name}"
    if isinstance(function, ast.AsyncFunctionDef):
        yield f"{called.key}: {where} is a coroutine function: {NOT_AWAITED}"
    elif _is_generator(function):
        yield f"{called.key}: {where} is a generator function: {NOT_A_LIST}"
    else:
        yield from _of_arguments(called, where, function.args, bound)


def _is_generator(function: _Function) -> bool:
    """Return whether the function itself yields, and not only a nested one."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            left += ast.iter_child_nodes(node)
    return False


def _of_arguments(called: ExpectedCall, where: str, args: ast.arguments, bound: int) -> Iterator[str]:
    positional = [*args.posonlyargs, *args.args][bound:]
    needed = len(positional) - len(args.defaults)
    keywords = [arg.arg for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    if keywords:
        yield f"{called.key}: {where} needs the keyword {keywords[0]!r}; it is called with {called.what} only"
    elif called.arguments < needed or (args.vararg is None and called.arguments > len(positional)):
        takes = f"at least {needed}" if args.vararg else str(needed)
        takes = takes if len(positional) <= max(needed, 0) else f"{max(needed, 0)} to {len(positional)}"
        plural = "" if takes == "1" else "s"
        given = f"{called.arguments}: {called.what}"
        yield f"{called.key}: {where} takes {takes} argument{plural}; it is called with {given}"
