"""The revision: what changes it, what does not, and what is refused; nothing of the candidate is imported."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadowstream import revision
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.revision import locate, revision_of

# Importing it would end the test.
GUARD = "raise SystemExit('the candidate was imported')\n"
MODEL = GUARD + "def score(value):\n    return value\n"

Trial = Callable[..., Config]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with a package `fraudpkg` and a lone module `fraudmod`."""
    write(tmp_path / "fraudpkg" / "__init__.py", GUARD)
    write(tmp_path / "fraudpkg" / "model.py", MODEL)
    write(tmp_path / "fraudpkg" / "deep" / "__init__.py", GUARD)
    write(tmp_path / "fraudpkg" / "deep" / "rules.py", MODEL)
    write(tmp_path / "fraudpkg" / "weights.bin", "12")
    write(tmp_path / "fraudmod.py", MODEL)
    write(tmp_path / "neighbour.py", GUARD)
    write(tmp_path / "loose" / "inner.py", MODEL)
    write(tmp_path / "schemas" / "1.scores-value.avsc", '"long"')
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def trial(call: str = "fraudpkg.model:score", **parts: Any) -> Config:
    candidate = {"call": call, **parts.pop("candidate", {})}
    production = {"outputs": ["scores"], "group": "scorer"}
    sections = {"name": "fraud", "inputs": ["payments"], "production": production, "candidate": candidate}
    return Config.model_validate(sections | parts)


def refusal(call: str) -> str:
    with pytest.raises(ConfigError) as caught:
        revision_of(trial(call))
    return str(caught.value)


@pytest.mark.usefixtures("home")
def test_the_revision_is_a_sha_256_and_the_same_each_time() -> None:
    first = revision_of(trial())
    assert first == revision_of(trial())
    assert len(bytes.fromhex(first)) == 32
    assert not {name for name in sys.modules if name.startswith("fraud")}


def test_the_same_files_elsewhere_are_the_same_revision(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = revision_of(trial(candidate={"files": [str(home / "neighbour.py")]}, schemas={"dir": str(home / "schemas")}))
    there = home / "there"
    for name in ("fraudpkg", "schemas"):
        shutil.copytree(home / name, there / name)
    shutil.copy(home / "neighbour.py", there)
    shutil.rmtree(home / "fraudpkg")
    monkeypatch.syspath_prepend(str(there))
    moved = trial(candidate={"files": [str(there / "neighbour.py")]}, schemas={"dir": str(there / "schemas")})
    assert revision_of(moved) == here


@pytest.mark.parametrize("name", ["model.py", "deep/rules.py", "weights.bin", "__init__.py"])
def test_any_file_of_the_candidates_package_changes_the_revision(home: Path, name: str) -> None:
    before = revision_of(trial("fraudpkg.deep.rules:score"))
    with (home / "fraudpkg" / name).open("a") as file:
        file.write("\n")
    assert revision_of(trial("fraudpkg.deep.rules:score")) != before


def test_a_new_and_a_renamed_file_of_the_package_change_the_revision(home: Path) -> None:
    before = revision_of(trial())
    write(home / "fraudpkg" / "empty.txt", "")
    added = revision_of(trial())
    (home / "fraudpkg" / "empty.txt").rename(home / "fraudpkg" / "empty2.txt")
    assert len({before, added, revision_of(trial())}) == 3


def test_content_moved_from_one_file_to_the_next_changes_the_revision(home: Path) -> None:
    write(home / "fraudpkg" / "a", "xy")
    write(home / "fraudpkg" / "b", "z")
    before = revision_of(trial())
    write(home / "fraudpkg" / "a", "x")
    write(home / "fraudpkg" / "b", "yz")
    assert revision_of(trial()) != before


@pytest.mark.parametrize("name", ["__pycache__/model.cpython-311.pyc", ".git/HEAD", ".model.py.swp", "old.pyc"])
def test_caches_and_hidden_files_do_not_change_the_revision(home: Path, name: str) -> None:
    before = revision_of(trial())
    write(home / "fraudpkg" / name, "x")
    assert revision_of(trial()) == before


def test_of_a_lone_module_only_that_file_counts(home: Path) -> None:
    before = revision_of(trial("fraudmod:score"))
    write(home / "neighbour.py", "changed = 1")
    assert revision_of(trial("fraudmod:score")) == before
    write(home / "fraudmod.py", MODEL + "\n")
    assert revision_of(trial("fraudmod:score")) != before


def test_in_a_folder_without_init_the_folder_counts(home: Path) -> None:
    assert locate("loose.inner:score") == (home / "loose" / "inner.py", home / "loose")
    before = revision_of(trial("loose.inner:score"))
    write(home / "loose" / "beside.py", "x = 1")
    assert revision_of(trial("loose.inner:score")) != before


def test_of_a_namespace_package_the_first_real_package_counts(home: Path) -> None:
    shutil.copytree(home / "fraudpkg", home / "loose" / "real")
    found = locate("loose.real.deep.rules:score")
    assert found == (home / "loose" / "real" / "deep" / "rules.py", home / "loose" / "real")


def test_a_candidate_in_the_working_folder_is_found_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "work" / "fraudmod.py", MODEL)
    monkeypatch.chdir(home / "work")
    assert locate("fraudmod:score").module == home / "work" / "fraudmod.py"


def test_of_shadowstream_itself_only_the_part_counts() -> None:
    found = locate("shadowstream.demo.candidates:same")
    assert found.root.name == "demo"
    assert found.module == found.root / "candidates.py"


def test_the_demos_candidates_differ_in_revision() -> None:
    calls = ("same", "worse", "late_bug")
    assert len({revision_of(trial(f"shadowstream.demo.candidates:{name}")) for name in calls}) == 3


CHANGING: list[dict[str, Any]] = [
    {"candidate": {"takes": "batch"}},
    {"candidate": {"output_format": "json"}},
    {"candidate": {"partitioner": "murmur2"}},
    {"identity": {"kind": "coordinate"}},
    {"identity": {"kind": "coordinate", "header": "h"}},
    {"compare": {"rules": [{"path": "a", "ignore": True}]}},
    {"compare": {"rules": [{"path": "a", "atol": 0.1}]}},
    {"compare": {"checks": [{"path": "a", "low": 0}]}},
    {"compare": {"latency": {"over_ms": 100}}},
    {"compare": {"distributions": [{"path": "a"}]}},
    {"compare": {"dimensions": [{"name": "a", "path": "a"}]}},
    {"twin": {"topic": "scores-again"}},
    {"judge": {"alpha": 0.01}},
    {"judge": {"criteria": [{"rate": "extra", "limit": 0.02}]}},
    {"judge": {"drift": {"delta": 0.1}}},
    {"judge": {"window_ms": 1}},
]
KEEPING: list[dict[str, Any]] = [
    {"kafka": {"bootstrap": "elsewhere:1", "client": {"sasl.password": "hunter2"}}},
    {"limits": {"commit_ms": 1}},
    {"compare": {"examples": 9}},
    {"compare": {"values_max": 9}},
]
"""Where Kafka is, and what is secret."""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("parts", [*CHANGING, *KEEPING], ids=str)
def test_what_the_candidate_writes_or_is_judged_by_changes_the_revision(parts: dict[str, Any]) -> None:
    assert (revision_of(trial(**parts)) != revision_of(trial())) is (parts in CHANGING)


@pytest.mark.usefixtures("home")
def test_other_bounds_of_what_is_counted_are_another_revision() -> None:
    """Else a trial that runs on would add up, in one rate, what two bounds have counted."""
    by_a = {"dimensions": [{"name": "a", "path": "a"}]}
    settings: list[dict[str, Any]] = [{"latency": {"over_ms": ms}} for ms in (100, 10_000)]
    settings += [*({"checks": [{"path": "a", "high": high}]} for high in (1, 2)), by_a, by_a | {"values_max": 9}]
    assert len({revision_of(trial(compare=one)) for one in settings}) == len(settings)
    twins = [trial(twin={"topic": topic}) for topic in ("scores-again", "scores-elsewhere")]
    assert len({revision_of(one) for one in twins}) == 2


def test_declared_files_and_schemas_count_by_content_not_by_order(home: Path) -> None:
    files = [str(home / "neighbour.py"), str(home / "loose")]
    found = {revision_of(trial()), revision_of(trial(candidate={"files": files}))}
    assert revision_of(trial(candidate={"files": files[::-1]})) in found
    write(home / "loose" / "weights.bin", "1")
    found.add(revision_of(trial(candidate={"files": files})))
    found.add(revision_of(trial(schemas={"dir": str(home / "schemas")})))
    write(home / "schemas" / "1.scores-value.avsc", '"int"')
    found.add(revision_of(trial(schemas={"dir": str(home / "schemas")})))
    assert len(found) == 5


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("call", "parts"),
    [
        ("fraudpkgs.model:score", ["there is no module 'fraudpkgs'", "PYTHONPATH"]),
        ("fraudpkg.modle:score", ["'fraudpkg' has no module 'modle'", "did you mean 'model'?"]),
        ("fraudpkg.model.x:score", ["'fraudpkg.model' is a module, not a package"]),
        ("fraudpkg.model:scor", ["model.py defines no 'scor'", "did you mean 'score'?"]),
        ("loose:score", ["'loose' is a folder without __init__.py"]),
        ("builtins:len", ["is part of Python itself"]),
        ("sys:exit", ["is part of Python itself"]),
    ],
)
def test_a_missing_candidate_is_a_config_error_with_a_remedy(call: str, parts: list[str]) -> None:
    message = refusal(call)
    assert message.startswith("candidate.call: ")
    for part in parts:
        assert part in message


def test_a_candidate_that_is_not_python_is_reported_with_its_line(home: Path) -> None:
    write(home / "fraudmod.py", "a = 1\ndef score(:\n")
    assert f"{home / 'fraudmod.py'}:2: " in refusal("fraudmod:score")


@pytest.mark.parametrize(
    "text",
    [
        "def score(v): ...",
        "async def score(v): ...",
        "class score: ...",
        "score = 1",
        "a = score = 1",
        "score: int = 1",
        "(a, [score, *b]) = x",
        "import score",
        "import score.deep",
        "import a.b as score",
        "from a import score",
        "from a import b as score",
        "from a import *",
        "def __getattr__(name): ...",
        "if x:\n    pass\nelse:\n    def score(): ...",
        "try:\n    pass\nexcept E:\n    score = 1",
        "with a as score:\n    pass",
        "for score in x:\n    pass",
        "match x:\n    case 1:\n        score = 1",
        "if (score := f()):\n    pass",
        "def make():\n    globals()['score'] = 1\nmake()",
    ],
)
def test_every_way_to_bind_a_name_at_the_top_is_seen(home: Path, text: str) -> None:
    write(home / "fraudmod.py", text)
    assert locate("fraudmod:score").module == home / "fraudmod.py"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def f():\n    score = 1",
        "class A:\n    score = 1",
        "x.score = 1",
        "score",
        "score: int",
        "f(lambda score: 1)",
    ],
)
def test_a_name_that_is_not_bound_at_the_top_is_not_seen(home: Path, text: str) -> None:
    write(home / "fraudmod.py", text)
    assert "defines no 'score'" in refusal("fraudmod:score")


def test_a_package_too_large_asks_for_named_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "FILES_MAX", 3)
    message = refusal("fraudpkg.model:score")
    assert "holds more than 3 files" in message
    assert "candidate.files" in message
    named = trial(candidate={"files": [str(home / "neighbour.py")]})
    before = revision_of(named)
    write(home / "fraudpkg" / "weights.bin", "changed, and not named")
    assert revision_of(named) == before
    write(home / "fraudpkg" / "model.py", MODEL + "\n")
    assert revision_of(named) != before


def test_a_package_of_too_many_bytes_asks_for_named_files(home: Path) -> None:
    with (home / "fraudpkg" / "huge.bin").open("wb") as file:
        file.truncate(revision.BYTES_MAX + 1)
    assert "holds more than 100 MB" in refusal("fraudpkg.model:score")


def test_declared_files_that_are_not_there_are_a_config_error(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidate\.files: there is no .*gone\.bin"):
        revision_of(trial(candidate={"files": [str(home / "gone.bin")]}))


@pytest.mark.parametrize("folder", ["gone", "fraudpkg", "fraudmod.py"])
def test_a_schemas_folder_without_schemas_is_a_config_error(home: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match=r"schemas\.dir: .* is no folder with"):
        revision_of(trial(schemas={"dir": str(home / folder)}))


def test_a_file_that_vanishes_while_it_is_read_is_a_config_error(home: Path) -> None:
    os.symlink(home / "gone", home / "fraudpkg" / "dangling")
    assert "dangling cannot be read" in refusal("fraudpkg.model:score")


ADOPTED = {"topic": "scores-next", "group": "scorer-next", "version": "1.4.0"}


def adopted(candidate: dict[str, Any] | None = None, **parts: Any) -> Config:
    """A trial whose candidate is a job of its own."""
    return trial(candidate={"call": None, **ADOPTED, **(candidate or {})}, **parts)


def test_an_external_candidate_needs_no_code_here() -> None:
    assert len(bytes.fromhex(revision_of(adopted()))) == 32


@pytest.mark.parametrize(
    "other",
    [
        adopted({"version": "1.4.1"}),
        adopted({"topic": "scores-other"}),
        adopted({"group": "scorer-other"}),
        adopted(identity={"kind": "coordinate"}),
        adopted(compare={"rules": [{"path": "t", "ignore": True}]}),
        adopted(judge={"criteria": [{"rate": "mismatch", "limit": 0.2}]}),
    ],
    ids=["version", "topic", "group", "identity", "rules", "criteria"],
)
def test_what_names_the_job_and_how_it_is_judged_change_the_revision(other: Config) -> None:
    assert revision_of(adopted()) != revision_of(other)


def test_how_the_jobs_commits_are_read_is_no_new_candidate() -> None:
    assert revision_of(adopted()) == revision_of(adopted({"commits": "after_output"}, grace_ms=5))


def test_files_named_for_a_job_of_its_own_are_hashed(home: Path) -> None:
    files = {"files": [str(home / "neighbour.py")]}
    before = revision_of(adopted(files))
    assert before != revision_of(adopted())
    write(home / "neighbour.py", "other")
    assert revision_of(adopted(files)) != before


def test_a_function_that_decides_how_values_compare_is_part_of_the_revision(home: Path) -> None:
    def compared(**rule: Any) -> str:
        return revision_of(trial("fraudpkg.model:score", compare={"rules": [{"path": "a", **rule}]}))

    plain = compared(atol=1)
    by_function = compared(call="fraudmod:score")
    assert len({plain, by_function, compared(normalise=["fraudmod:score"])}) == 3
    write(home / "fraudmod.py", MODEL + "# another\n")
    assert compared(call="fraudmod:score") != by_function
    assert compared(atol=1) == plain
    with pytest.raises(ConfigError, match="compare"):
        compared(call="fraudmod:other")


@pytest.mark.usefixtures("home")
def test_expected_changes_and_added_fields_are_part_of_the_revision() -> None:
    declared = {"name": "new", "paths": ["a"], "rate_max": 0.1, "until": "2030-01-01T00:00:00Z"}
    settings: list[dict[str, Any]] = [{}, {"expected": [declared]}, {"added_fields": "ignore"}]
    assert len({revision_of(trial("fraudpkg.model:score", compare=one)) for one in settings}) == 3
