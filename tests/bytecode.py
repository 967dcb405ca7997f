"""Bytecode of the package and of the tests, made once before several processes test.

Each of them collects all tests, and in a new clone each would compile the same thousand modules, and rewrite the
assertions in them, at the same time as the others: 11 s of CPU a process.
"""

import multiprocessing
import os
import py_compile
from collections.abc import Callable
from functools import partial
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

PACKAGE, TESTS = "shadowstream", "tests"
Make = Callable[[], object]


def make_bytecode(config: pytest.Config, root: Path) -> None:
    """Write what is missing below `root`, on all cores.

    Whatever loads bytecode sees whether it is of the source, and compiles the source itself if not: so this leaves out
    what it cannot compile or write.
    """
    missing = _missing(config, root)
    cores = os.cpu_count() or 1
    # Forked, so that none loads pytest and its plugins again.
    fork = multiprocessing.get_context("fork")
    makers = [fork.Process(target=_make_all, args=(missing[nth::cores],)) for nth in range(cores) if missing]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()


def _missing(config: pytest.Config, root: Path) -> list[Make]:
    """What is to be made: the tests load most modules rewritten, and the roles load the package as it is written."""
    found: list[Make] = []
    state = config.stash.get(rewrite.assertstate_key, None)
    for source in sorted(path for folder in (PACKAGE, TESTS) for path in (root / folder).rglob("*.py")):
        place = source.relative_to(root)
        module = ".".join(place.with_suffix("").parts)
        rewrites = state and state.hook and state.hook._should_rewrite(module, str(source), state)
        plain = Path(cache_from_source(str(source)))
        rewritten = plain.parent / (source.stem + rewrite.PYC_TAIL)
        if (place.parts[0] == PACKAGE or not rewrites) and _is_older(plain, source):
            found.append(partial(py_compile.compile, str(source), quiet=2))
        if rewrites and _is_older(rewritten, source):
            found.append(partial(_rewrite, config, source, rewritten))
    return found


def _is_older(bytecode: Path, source: Path) -> bool:
    return not bytecode.exists() or bytecode.stat().st_mtime < source.stat().st_mtime


def _rewrite(config: pytest.Config, source: Path, rewritten: Path) -> None:
    rewritten.parent.mkdir(exist_ok=True)
    digest, code = rewrite._rewrite_test(source, config)
    rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, digest, rewritten)


def _make_all(share: list[Make]) -> None:
    for make in share:
        try:
            make()
        except (OSError, SyntaxError):
            continue
