"""Building, finding and loading the kernel: what is missing or wrong is a reason, never an error."""

import shutil
import stat
import sys
from pathlib import Path

import pytest

from shadowstream.native import build, library
from shadowstream.native.library import OFF, SWITCH


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A room of its own: the sources, no library."""
    for source in build.sources():
        shutil.copy(source, tmp_path)
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setattr(library, "_loaded", library._loaded.__wrapped__)  # not the one of this process
    monkeypatch.delenv(SWITCH, raising=False)
    return tmp_path


def needs_compiler() -> None:
    if not list(build.compilers()):
        pytest.skip("no C compiler on this machine")


def without_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(build, "find_spec", lambda name: None)


def test_a_built_kernel_is_found_and_a_changed_source_needs_another(folder: Path) -> None:
    needs_compiler()
    made = build.build(folder)
    assert library.state().kernel is not None
    assert build.build(folder) == made
    (folder / "kernel.c").write_text((folder / "kernel.c").read_text() + "/* changed */\n")
    assert library.state().kernel is None
    assert build.build(folder) != made
    assert [*folder.glob("*.so")] == [folder / build.file_name()]


def test_without_a_compiler_nothing_is_built_and_setup_succeeds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_compilers(monkeypatch)
    assert build.main() == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert library.state() == (
        None,
        "no library was built for this machine: make setup builds it where a C compiler is",
    )
    assert sorted(path.name for path in folder.iterdir()) == sorted(one.name for one in build.sources())


def test_a_compiler_that_fails_is_named_and_the_next_one_is_tried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_compiler()
    fails = folder / "fails"
    fails.write_text(f"#!{sys.executable}\nraise SystemExit('no room for C')\n")
    fails.chmod(fails.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", f"{fails} -O0")
    assert build.build(folder).exists()
    without_compilers(monkeypatch)
    monkeypatch.setenv("CC", str(fails))
    (folder / build.file_name()).unlink()
    with pytest.raises(build.NotBuiltError, match=r"fails .*no room for C"):
        build.build(folder)


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_library(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(build, "compiled", refuse)
    assert build.main() == 0
    assert "Permission denied" in capsys.readouterr().out
    assert library.state().kernel is None


def test_the_switch_turns_it_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_compiler()
    build.build(folder)
    for value in (*OFF, "OFF"):
        monkeypatch.setenv(SWITCH, value)
        assert library.state() == (None, f"{SWITCH}={value} switches the native comparison off")
    monkeypatch.setenv(SWITCH, "1")
    assert library.state().kernel is not None
    assert library.state(allowed=False).kernel is None


def test_a_library_of_another_interface_or_none_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_compiler()
    build.build(folder)
    monkeypatch.setattr(library, "ABI", library.ABI + 1)
    assert "has interface" in library.state().reason
    (folder / build.file_name()).unlink()  # in place it would change under the process that has it
    (folder / build.file_name()).write_bytes(b"no library")
    assert library.state().reason.startswith("the library cannot be loaded: ")
