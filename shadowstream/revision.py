"""The revision: a digest of everything that evidence depends on. Two trials with the same revision test the same
candidate.

It includes the candidate's files, `candidate.files`, all config that affects the candidate's output or its
judgement, and the writer schemas of `schemas.dir`. It excludes the address of Kafka, secrets, limits and paths of
this machine.

The candidate's files are found and read **without importing it**, so that a gate needs none of its dependencies:

====================================  =========================================================================
`candidate.call` names                hashed
====================================  =========================================================================
a single module                       that file
a module in a package                 every file below the top package, except caches and hidden files
a module below a namespace package    the same for the first real package on the way, else the module's folder
a part of shadowstream (the demo)     every file of that part, so that a release of shadowstream is no new candidate
====================================  =========================================================================

A package beyond `FILES_MAX` files or `BYTES_MAX` bytes is not hashed silently: `candidate.files` must name the
relevant files, and the module itself is hashed with them. Imports from other distributions are not covered: name the
candidate's lock file in `candidate.files`.

An external candidate (`candidate.topic`) and a model server (`candidate.http`) have no code here: `candidate.version`
represents them, and each deployment of the job or model must change the version. A pickled model is its digest.
`candidate.files`, if given, are hashed as well.
"""

import ast
import hashlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from shadowstream.config import Candidate, Compare, Config
from shadowstream.configfile import nearest
from shadowstream.errors import ConfigError

FILES_MAX = 2_000
BYTES_MAX = 100_000_000
_FORMAT = 1
_OWN_PACKAGE = "shadowstream"
_ANY_NAME = "*"
_CACHES = {"__pycache__", "node_modules"}
_STATE = ("state", "warm_up_records", "warm_up_ms")
_COMPILED = {".pyc", ".pyo"}


class CodeLocation(NamedTuple):
    """The place of a candidate's code: the module's own file, and the file or folder that is hashed."""

    module: Path
    root: Path


def revision_of(config: Config) -> str:
    """Return the revision of a config's candidate, 64 hex digits (SHA-256).

    Raises `ConfigError`: the candidate's module or callable, a file, or the schemas' folder cannot be found or read, or
    the package is too large to hash; the message begins with the key that is wrong.
    """
    candidate, twin, error = config.candidate, config.twin, config.production.error
    # In one call: each part that is dumped by itself would build a serializer of its own.
    dumped = config.model_dump(mode="json", include={"identity", "compare", "judge", "labels"})
    labels = dumped["labels"]
    formats = {topic: format.model_dump(mode="json") for topic, format in config.schemas.formats.items()}
    parts = {
        "format": _FORMAT,
        "candidate": [] if candidate.call is None else _code(candidate.call, "candidate.call", candidate.files),
        "files": sorted(digest for name in candidate.files for digest in _declared(name)),
        "schemas": _schemas(config.schemas.dir) if config.schemas.dir else [],
        "config": {
            **_candidate_config(candidate),
            "identity": dumped["identity"],
            **_compare_config(config.compare, dumped["compare"]),
            "judge": config.judge.decisive(dumped["judge"]),
            **({"losses": _calls(config.judge.calls, "judge.criteria")} if config.judge.calls else {}),
            # The definition of a correct answer, without the place of the store and what is shown only.
            **({"labels": {key: labels[key] for key in labels.keys() - {"store_dir", "quality"}}} if labels else {}),
            **({"candidates": config.candidates} if config.candidates > 1 else {}),
            **({"twin": twin.topic} if twin else {}),
            **({"error": error.model_dump(mode="json")} if error else {}),
            **({"formats": formats} if formats else {}),
            **({"answer": config.production.answer} if config.production.answer else {}),
        },
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _compare_config(compare: Compare, dumped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the comparison, with the files of the functions that it names."""
    # Additional counts of a pair, if configured: other bounds would add up to the same rate.
    names = ("checks", "latency", "dimensions", "distributions", "key", "headers", "order")
    counted = {name: dumped[name] for name in names}
    return {
        "rules": dumped["rules"],
        "added_fields": compare.added_fields,
        "expected": dumped["expected"],
        "calls": _calls(compare.calls, "compare"),
        **{name: item for name, item in counted.items() if item},
        **({"values_max": compare.values_max} if compare.dimensions else {}),
    }


def _calls(calls: Iterable[str], key: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return entry points with the digests of their files."""
    return [(call, _code(call, key, None)) for call in sorted(set(calls))]


def _candidate_config(candidate: Candidate) -> dict[str, Any]:
    """Return the config of the candidate, in addition to its files."""
    if candidate.topic is not None:
        return {"topic": candidate.topic, "group": candidate.group, "version": candidate.version}
    http, pickled = candidate.http, candidate.pickle
    return {
        **({"http": http.identity(), "version": candidate.version} if http is not None else {}),
        **({"pickle": pickled.model_dump(mode="json", exclude={"path"})} if pickled is not None else {}),
        "call": candidate.call,
        "takes": candidate.takes,
        "output_format": candidate.output_format,
        "partitioner": candidate.partitioner,
        **({name: getattr(candidate, name) for name in _STATE} if candidate.state != "none" else {}),
        **({"sample": candidate.sample} if candidate.sample < 1.0 else {}),
        **({"recheck": candidate.recheck} if candidate.rechecks else {}),
        **({"exclude": [one.model_dump(mode="json") for one in candidate.exclude]} if candidate.exclude else {}),
    }


def locate(call: str) -> CodeLocation:
    """Find the module of an entry point ``package.module:callable`` without importing it, and prove the callable.
    Raises `ConfigError` if there is no such module, or its source does not define the name at its top level."""
    module_name, _, name = call.partition(":")
    located = _find_module(module_name)
    if located.module.suffix == ".py":
        known = set(_top_level_names(located.module))
        if name not in known and not known & {_ANY_NAME, "__getattr__"}:
            public = [known_name for known_name in known if not known_name.startswith("_")]
            raise ConfigError(f"candidate.call: {located.module} defines no {name!r}; {nearest(name, public)}")
    return located


def _find_module(module_name: str) -> CodeLocation:
    top, *rest = module_name.split(".")
    spec = _find_top(top)
    if spec is None:
        raise ConfigError(
            f"candidate.call: there is no module {top!r} here; install its package into this environment, "
            "or run where its file is, or put its folder on PYTHONPATH"
        )
    if spec.origin in ("built-in", "frozen"):
        raise ConfigError(
            f"candidate.call: {top!r} is part of Python itself and has no file; name a module of your own"
        )
    here = Path(spec.origin) if spec.origin and spec.has_location else None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    root = _root(here)
    for depth, part in enumerate(rest, start=1):
        if not folders:
            raise ConfigError(f"candidate.call: {'.'.join([top, *rest][:depth])!r} is a module, not a package")
        here, folders = _step_into(folders, part, ".".join([top, *rest[: depth - 1]]))
        # shadowstream itself is no candidate: its releases must not change the revision of the demo's candidate.
        if root is None or (top == _OWN_PACKAGE and depth == 1):
            root = _root(here)
    if here is None:
        raise ConfigError(f"candidate.call: {module_name!r} is a folder without __init__.py; name a module in it")
    # In a namespace package, only the files in the same folder certainly belong to a module.
    in_namespace = bool(rest) and root == here and here.name != "__init__.py" and top != _OWN_PACKAGE
    return CodeLocation(here, here.parent if in_namespace else root or here)


def _root(file: Path | None) -> Path | None:
    return file.parent if file is not None and file.name == "__init__.py" else file


def _find_top(top: str) -> ModuleSpec | None:
    """Find a top-level module like an import with the working folder first on the path, as in the runner."""
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(top, ["", *(folder for folder in sys.path if folder)])
    if spec is not None and spec.origin is not None:
        return spec
    try:
        # Built-in modules, and modules of editable installs with their own import hook.
        return importlib.util.find_spec(top) or spec
    except ValueError:  # a module that was loaded without a spec, such as __main__
        return spec


def _step_into(folders: list[Path], part: str, parent: str) -> tuple[Path | None, list[Path]]:
    """Return the file of a submodule and, of a package, its folders; in the import system's order of preference."""
    for folder in folders:
        package = folder / part / "__init__.py"
        if os.path.isfile(package):  # unlike `Path.is_file`, for a folder that may not be seen too
            return package, [package.parent]
        for suffix in (*EXTENSION_SUFFIXES, ".py"):
            if os.path.isfile(folder / f"{part}{suffix}"):
                return folder / f"{part}{suffix}", []
    namespaces = [folder / part for folder in folders if os.path.isdir(folder / part)]
    if namespaces:
        return None, namespaces
    readable = [folder for folder in folders if os.path.isdir(folder) and os.access(folder, os.R_OK)]
    known = {path.stem.partition(".")[0] for folder in readable for path in folder.iterdir()}
    names = [name for name in known if name.isidentifier() and not name.startswith("_")]
    raise ConfigError(f"candidate.call: {parent!r} has no module {part!r}; {nearest(part, names)}")


def _top_level_names(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        raise ConfigError(f"candidate.call: {file}:{error.lineno}: {error.msg}; the candidate is not Python") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"candidate.call: {file} cannot be read: {error}") from error
    yield from _bound(tree.body)
    # Names created at run time are only known after an import, which the runner performs.
    if any(isinstance(node, ast.Name) and node.id in ("globals", "exec") for node in ast.walk(tree)):
        yield _ANY_NAME


def _bound(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Return the names that statements bind, also inside if, try, with, for and while; `*` if they are unknown."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0]
            continue
        if isinstance(statement, ast.AnnAssign) and statement.value is None:
            continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from _bound([child])
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                yield from _bound(child.body)
            else:
                names = (node for node in ast.walk(child) if isinstance(node, ast.Name))
                yield from (name.id for name in names if isinstance(name.ctx, ast.Store))


def _code(call: str, key: str, files: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return the digests of an entry point's code under `key`; of its module only, if its package is too large. An
    empty `files` makes a package that is too large an error: they must name the files that matter."""
    try:
        located = locate(call)
        return _digests(located.root, key)
    except ConfigError as error:
        raise ConfigError(str(error).replace("candidate.call", key, 1)) from error
    except _TooLarge as error:
        if files is not None and not files:
            raise ConfigError(
                f"candidate.call: {located.root} {error}; too much to be read at every start. "
                "Name the files that make up the candidate in candidate.files; its module is hashed with them"
            ) from error
        return [(located.module.name, _digest(key, located.module))]


def _declared(name: str) -> list[tuple[str, str]]:
    path = Path(name)
    if not os.path.exists(path):  # unlike `Path.exists`, for a path that may not be seen too
        raise ConfigError(f"candidate.files: there is no {path}; paths are relative to the config file")
    prefix = "" if path.is_file() else f"{path.name}/"
    try:
        return [(prefix + inside, digest) for inside, digest in _digests(path, "candidate.files")]
    except _TooLarge as error:
        raise ConfigError(f"candidate.files: {path} {error}; name the files in it that matter") from error


def _schemas(folder: str) -> list[tuple[str, str]]:
    kinds = ("avsc", "json", "proto") if os.path.isdir(folder) else ()
    files = sorted(file for kind in kinds for file in Path(folder).glob(f"*.{kind}"))
    if not files:
        raise ConfigError(
            f"schemas.dir: {folder} is no folder with <id>.<subject>.avsc files; it is relative to the config file"
        )
    return [(file.name, _digest("schemas.dir", file)) for file in files]


class _TooLarge(Exception):
    """The folder exceeds a limit; the message names the limit."""


def _digests(root: Path, key: str = "candidate.call") -> list[tuple[str, str]]:
    """Return (relative path, digest) of a file or of a folder's files; raise _TooLarge beyond the limits."""
    if root.is_file():
        return [(root.name, _digest(key, root))]
    files, total_bytes = [], 0
    for file in _walk(root):
        files.append(file)
        try:
            total_bytes += file.stat().st_size
        except OSError as error:
            raise ConfigError(f"{key}: {file} cannot be read: {error.strerror}") from error
        if len(files) > FILES_MAX:
            raise _TooLarge(f"holds more than {FILES_MAX} files")
        if total_bytes > BYTES_MAX:
            raise _TooLarge(f"holds more than {BYTES_MAX // 1_000_000} MB")
    return sorted((file.relative_to(root).as_posix(), _digest(key, file)) for file in files)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _CACHES and not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix not in _COMPILED:
                yield Path(folder, name)


def _digest(key: str, file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{key}: {file} cannot be read: {error.strerror}") from error
