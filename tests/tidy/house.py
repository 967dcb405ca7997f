"""The house rules as functions: source in, offences out.

A rule takes a `Source` (or, for text, a path and its lines) and yields offences, `path:line: what is wrong`. The rules
read no files, so that `test_tidy.py` can feed each of them a source that offends and see it caught.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 7
DOOR_NAMES_MAX = 15
TEST_NAME_WORDS_MAX = 12

BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "base", "manager"}

# Who may import whom: only downwards, or within the same rank. A module that is not here has no place in the house.
# The longest matching name decides. One rank a line, the lowest first; `entry_points` loads the user's code, and
# `runner.candidate` calls it.
_RANKS = (
    "errors future_dates paths public_records record_classes records thinned_queue webhook_signatures yaml_flow",
    "config disk entry_points extras loading native pickled_models shipped topics",
    "codecs",
    "protocol",
    "compare",
    "joiner judge labels runner",
    "config_layers configfile configschema first_config handover masking model_server runner.candidate sensitivity "
    "status suggest topic_pairs yamlfile",
    "child_processes health logs metrics revision signatures",
    "worker",
    "kafka",
    "alerts report web",
    "testing",
    "demo",
    "cli",
    "__main__",
)
RANKS = {f"shadowstream.{name}": rank for rank, names in enumerate(_RANKS) for name in names.split()}


# The door re-exports; nobody inside goes through it.
DOOR = "shadowstream"

_PURE = (
    "codecs compare disk errors first_config handover joiner judge labels paths protocol public_records records "
    "sensitivity status suggest thinned_queue topic_pairs topics webhook_signatures yaml_flow"
)
_PURE_RUNNER = (
    "__init__ absences candidate_attempts commit_metadata copy_step cpu_cost current_call early_end outputs "
    "partitioner partitioner_detection selection step"
)
_PURE_NAMES = [*_PURE.split(), *(f"runner.{module}" for module in _PURE_RUNNER.split())]
PURE = tuple(f"shadowstream.{name}" for name in _PURE_NAMES)

# What a pure room may not touch: the clock, chance, threads and the world outside. A name stands for all below it.
IMPURE = (
    *("asyncio", "io.open", "multiprocessing", "numpy.random", "open", "os.environ", "os.getenv", "os.urandom"),
    *("pathlib.Path.cwd", "pathlib.Path.home", "random", "secrets", "socket", "subprocess", "threading"),
    *("datetime.date.today", *(f"datetime.datetime.{name}" for name in ("now", "today", "utcnow"))),
    *(f"time.{name}{unit}" for name in ("monotonic", "perf_counter", "thread_time", "time") for unit in ("", "_ns")),
    *("time.process_time", "time.sleep", "uuid.uuid1", "uuid.uuid4"),
)

# Reading and writing by method has no module to know it by.
IMPURE_METHODS = {"open", "read_bytes", "read_text", "write_bytes", "write_text"}

# A client library is known in its own room only.
CLIENT_ROOMS = {
    "aiokafka": ("shadowstream.alerts",),
    "confluent_kafka": ("shadowstream.kafka", "shadowstream.testing", "shadowstream.demo"),
    "faust": ("shadowstream.alerts",),
}

# Written in pieces, so that this file does not offend.
REGISTRY_HOSTS = tuple(
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("central", "sonatype", "com"),
        ("registry", "npm" + "js", "org"),
        ("registry", "yarn" + "pkg", "com"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("conda", "anaconda", "org"),
        ("registry-1", "docker", "io"),
    )
)
# A path of one machine: absolute, under a folder that only the writer has. `docs/work/` and `~/root/` are others.
MACHINE_PATH = re.compile(r"(?<![\w.~/$}-])/(?:work|root|farm|tmp/w|opt/wheels|home/\w+|Users/\w+)(?:/|\b(?![\w.-]))")
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")

# Suppressions of one line may stand with a code and at least a word of why; those of a whole file may not.
SUPPRESSION = re.compile(r"noqa\b|type:\s*ignore\b|(?:ruff|flake8):\s*noqa\b|mypy:\s*ignore-errors\b", re.IGNORECASE)
NOQA_WITH_REASON = re.compile(r"noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*\W+[a-z].*")
TYPE_IGNORE_WITH_CODE = re.compile(r"type:\s*ignore\[[\w, -]+\]")


@dataclass(frozen=True)
class Source:
    """One Python file: `path` relative to the repository, `text` its content."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of the tree, walked once for all rules."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def module(self) -> str:
        """The dotted name; a package's own file ends in `.__init__`."""
        return self.path.removesuffix(".py").replace("/", ".")

    @property
    def is_shipped(self) -> bool:
        return self.path.startswith("shadowstream/")

    def at(self, line: int, what: str) -> str:
        return f"{self.path}:{line}: {what}"


def below(name: str, roof: str) -> bool:
    return name == roof or name.startswith(roof + ".")


def rank_of(module: str) -> int | None:
    """The rank of a module of ours by the longest name in the table, None if it has no place.

    >>> rank_of("shadowstream.runner.step"), rank_of("shadowstream.runner.candidate"), rank_of("shadowstream.attic")
    (5, 6, None)
    """
    known = [name for name in RANKS if below(module, name)]
    return RANKS[max(known, key=len)] if known else None


def functions(nodes: Iterable[ast.AST]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions among nodes."""
    return (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _is_option(argument: ast.arg) -> bool:
    """Whether a parameter is an option of a command: `Annotated[..., typer.Option(...)]`."""
    return argument.annotation is not None and "typer.Option(" in ast.unparse(argument.annotation)


def sizes(source: Source) -> Iterator[str]:
    """A file of at most 400 lines, a function of at most 70 with at most 7 parameters.

    Options of a command are no parameters that a caller has to order: people give them by name.
    """
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield source.at(1, f"{lines} lines, at most {FILE_LINES_MAX}")
    for node in functions(source.nodes):
        if (length := lines_of(node)) > FUNCTION_LINES_MAX:
            yield source.at(node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES_MAX}")
        args = node.args
        all_args = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
        named = [a.arg for a in all_args if a and not _is_option(a)]
        count = len(named) - (named[:1] in (["self"], ["cls"]))
        if count > PARAMETERS_MAX:
            yield source.at(node.lineno, f"{node.name} has {count} parameters, at most {PARAMETERS_MAX}")


def names(source: Source) -> Iterator[str]:
    """No room is called after what it is not: utils, helpers, common, base, manager."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part.lower() in BANNED_NAMES:
            yield source.at(1, f"a room called {part!r} says nothing: name it after what it does")


def names_of_tests(source: Source) -> Iterator[str]:
    """No name of a test has more words than a reader takes in at once."""
    for node in functions(source.nodes):
        words = node.name.count("_")
        if node.name.startswith("test_") and words > TEST_NAME_WORDS_MAX:
            yield source.at(node.lineno, f"{node.name} has {words} words, at most {TEST_NAME_WORDS_MAX}")


def imports_of(source: Source) -> Iterator[tuple[int, str, str | None]]:
    """Every import as (line, module, name taken from it or None), relative ones made absolute."""
    package = source.module.split(".")[:-1]
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, module, alias.name


def shipped_imports(source: Source, modules: set[str]) -> Iterator[tuple[int, str]]:
    """The modules of ours that a source imports; `from shadowstream import topics` is a module, not the door."""
    for line, module, name in imports_of(source):
        if not below(module, DOOR):
            continue
        inner = f"{module}.{name}" if name else module
        target = inner if inner in modules or f"{inner}.__init__" in modules else module
        yield line, f"{target}.__init__" if f"{target}.__init__" in modules else target


def one_way(source: Source, modules: set[str]) -> Iterator[str]:
    """Imports point down the ranks; nobody inside goes through the door."""
    if not source.is_shipped or source.module == f"{DOOR}.__init__":
        return
    rank = rank_of(source.module)
    if rank is None:
        yield source.at(1, f"{source.module} has no rank: give it a place in tests/tidy/house.py")
        return
    for line, target in shipped_imports(source, modules):
        if target in (DOOR, f"{DOOR}.__init__"):
            yield source.at(line, "imports the door: import the room instead")
            continue
        other = rank_of(target)
        if other is None:
            yield source.at(line, f"imports {target}, which has no rank")
        elif other > rank:
            yield source.at(line, f"imports {target} (rank {other}) from rank {rank}: imports point one way")


def door(source: Source) -> Iterator[str]:
    """The door has at most 15 names."""
    if source.module != f"{DOOR}.__init__":
        return
    for node in source.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.List | ast.Tuple):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            exported = any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)
            if exported and len(node.value.elts) > DOOR_NAMES_MAX:
                yield source.at(node.lineno, f"{len(node.value.elts)} public names, at most {DOOR_NAMES_MAX}")


def clients(source: Source) -> Iterator[str]:
    """A client library is imported only in its own room."""
    if not source.is_shipped:
        return
    for line, module, _ in imports_of(source):
        rooms = CLIENT_ROOMS.get(module.split(".")[0])
        if rooms is not None and not any(below(source.module, room) for room in rooms):
            yield source.at(line, f"{module} is known only in {', '.join(rooms)}")


def pure(source: Source) -> Iterator[str]:
    """A pure room holds no clock, chance, thread or I/O, under whatever name it was imported."""
    if not any(below(source.module, room) for room in PURE):
        return
    origin: dict[str, str] = {"open": "open"}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                origin[local] = alias.name if alias.asname else local
                yield from _impure(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                origin[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield from _impure(source, node.lineno, f"{node.module}.{alias.name}")
    for node in source.nodes:
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id == "open"):
            dotted = _dotted(node, origin)
            if dotted is not None:
                yield from _impure(source, node.lineno, dotted)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
            yield source.at(node.lineno, f".{node.func.attr}() in a pure room")


def _impure(source: Source, line: int, dotted: str) -> Iterator[str]:
    if any(below(dotted, banned) for banned in IMPURE):
        yield source.at(line, f"{dotted} in a pure room: take it as an argument, or do it at the edge")


def _dotted(node: ast.expr, origin: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return origin.get(node.id)
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value, origin)
        return f"{head}.{node.attr}" if head is not None else None
    return None


def suppressions(source: Source) -> Iterator[str]:
    """A suppressed warning names its code and bears its reason on the line; none covers a whole file.

    The forms are `noqa: CODE  reason` and `type: ignore[code]` with the reason in a comment behind it.
    """
    if SUPPRESSION.search(source.text) is None:
        return
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        pieces = [piece.strip() for piece in token.string.split("#")[1:]]
        for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
            if not SUPPRESSION.match(piece) or NOQA_WITH_REASON.fullmatch(piece):
                continue
            if TYPE_IGNORE_WITH_CODE.fullmatch(piece) and following and not SUPPRESSION.match(following):
                continue
            yield source.at(token.start[0], f"{token.string!r}: give the code and the reason")


def text(path: str, lines: list[str]) -> Iterator[str]:
    """No registry, no path of one machine and nothing left unfinished in any committed text."""
    for number, line in enumerate(lines, start=1):
        for host in REGISTRY_HOSTS:
            if host in line:
                yield f"{path}:{number}: names the registry {host}"
        if found := MACHINE_PATH.search(line):
            yield f"{path}:{number}: {found.group()!r} is a path of one machine"
        if found := UNFINISHED.search(line):
            yield f"{path}:{number}: {found.group()}: do it, or write it into an issue"


def circle(imports: dict[str, set[str]]) -> list[str]:
    """One circle in which modules import each other, empty if there is none.

    >>> circle({"a": {"b"}, "b": {"a", "c"}, "c": set()})
    ['a', 'b', 'a']
    >>> circle({"a": {"b"}, "b": set()})
    []
    """
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []
