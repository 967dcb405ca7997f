"""The bytecode that is made before several processes test is what each of them loads."""

import os
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests.bytecode import make_bytecode


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name, text in {
        "shadowstream/part.py": "def half(of: int) -> int:\n    return of // 2\n",
        "tests/helper.py": "TWICE = 2\n",
        "tests/test_part.py": "def test_half() -> None:\n    assert 4 // 2 == 2\n",
        "tests/test_broken.py": "def test_half(:\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def _rewritten(source: Path) -> Path:
    return source.parent / "__pycache__" / (source.stem + rewrite.PYC_TAIL)


def test_each_module_has_the_bytecode_that_is_loaded(clone: Path, pytestconfig: pytest.Config) -> None:
    make_bytecode(pytestconfig, clone)
    made = {path.relative_to(clone) for path in clone.rglob("*.pyc")}
    part, helper, tests = clone / "shadowstream/part.py", clone / "tests/helper.py", clone / "tests/test_part.py"
    plain = {Path(cache_from_source(str(source))) for source in (part, helper)}
    assert made == {path.relative_to(clone) for path in plain | {_rewritten(part), _rewritten(tests)}}
    assert rewrite._read_pyc(tests, _rewritten(tests)) is not None


def test_a_changed_module_has_new_bytecode(clone: Path, pytestconfig: pytest.Config) -> None:
    make_bytecode(pytestconfig, clone)
    tests = clone / "tests/test_part.py"
    tests.write_text("def test_third() -> None:\n    assert 9 // 3 == 3\n", "utf-8")
    assert rewrite._read_pyc(tests, _rewritten(tests)) is None
    later = _rewritten(tests).stat().st_mtime + 10
    os.utime(tests, (later, later))
    make_bytecode(pytestconfig, clone)
    code = rewrite._read_pyc(tests, _rewritten(tests))
    assert code is not None
    assert "test_third" in code.co_names
