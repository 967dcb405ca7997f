"""The house keeps its rules, and each rule is shown to catch what it is for.

There is no list of tolerated offenders: what offends is mended.
"""

import gc
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.tidy import house, rooms
from tests.tidy.banned_names import banned_words
from tests.tidy.house import Source

ROOT = Path(__file__).resolve().parents[2]
NOT_COMMITTED = {"__pycache__", "build", "dist", "node_modules"}
PYTHON_FOLDERS = ("shadowstream", "tests", "bench", "examples")
RULES = (
    *(house.sizes, house.names, house.names_of_tests, house.door, house.clients, house.pure, house.suppressions),
    *(rooms.side_by_side, rooms.mirrors, banned_words),
)


def committed_files(folder: Path) -> Iterator[Path]:
    """Every file that belongs to the repository: no environments, caches or builds (as .gitignore has them)."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            hidden = path.name.startswith(".") and path.name not in (".ci", ".github")
            if not hidden and path.name not in NOT_COMMITTED and not path.name.endswith(".egg-info"):
                yield from committed_files(path)
        elif path.suffix not in (".pyc", ".swp") and path.name != ".git":  # a linked checkout has it as a file
            yield path


@cache
def sources() -> tuple[Source, ...]:
    found = [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in PYTHON_FOLDERS
        if (ROOT / folder).is_dir()
        for path in committed_files(ROOT / folder)
        if path.suffix == ".py"
    ]
    assert any(source.is_shipped for source in found), "looked in the wrong place"
    _parsed(found)
    return tuple(found)


def _parsed(found: list[Source]) -> None:
    """Parse and walk all, once for all rules. All nodes live on, so the cyclic collector need not visit them."""
    gc.disable()
    try:
        for source in found:
            assert source.nodes
    finally:
        gc.enable()
        gc.freeze()


def text_offences(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
    return list(house.text(path.relative_to(ROOT).as_posix(), lines))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Callable[[Source], Iterator[str]]) -> None:
    offences = [offence for source in sources() for offence in rule(source)]
    assert not offences, "\n".join(offences)


def test_imports_point_one_way() -> None:
    modules = rooms.modules_of(sources())
    offences = [offence for source in sources() for offence in house.one_way(source, modules)]
    assert not offences, "\n".join(offences)


def test_no_modules_import_each_other_in_a_circle() -> None:
    circle = house.circle(rooms.imports_among(sources()))
    assert not circle, " -> ".join(circle)


def test_no_committed_text_names_a_registry_a_machine_or_something_unfinished() -> None:
    offences = [offence for path in committed_files(ROOT) for offence in text_offences(path)]
    assert not offences, "\n".join(offences)


# ---- each rule can fail -------------------------------------------------------------------------------------------

JOINER = "shadowstream/joiner/matching/by_unique_id.py"


CLOCK = "import datetime as dt\nx = dt.datetime.now()", "from datetime import datetime\nx = datetime.now()"
IMPURE = (
    *(
        "import time\nx = time.time()",
        "from time import monotonic as now",
        *CLOCK,
        "import random\nx = random.random()",
    ),
    *("import numpy as np\nx = np.random.default_rng()", "with open('x') as f: ...", "import os\nx = os.environ['X']"),
    *("def f(path):\n    return path.read_text()", "from threading import Lock", "import socket", "import subprocess"),
)
UNEXPLAINED = (
    *("x = 1  # noqa", "x = 1  # noqa: E501", "x = 1  # noqa: E501, F401", "x = 1  # type: ignore  # because"),
    *("x = 1  # type: ignore[attr-defined]", "x = 1  # type: ignore[attr-defined]  # noqa: E501"),
    *("x = 1  # why it is so  # noqa", "# ruff: noqa: E501  lines are long", "# mypy: ignore-errors"),
)
EXPLAINED = (
    *("x = 1  # noqa: E501  a URL cannot be broken", "x = 1  # noqa: E501, F401 - a URL cannot be broken"),
    *("x = 1  # type: ignore[attr-defined]  # the stub lacks it", "x = '# noqa'"),
)
BESIDE = (
    *("from shadowstream.judge.criteria import cost_names", "from shadowstream import labels"),
    *("import shadowstream.runner.step", "from ...judge import criteria"),
)
BELOW = "from shadowstream.joiner.intake import dedupe\nfrom shadowstream.protocol import marks"
DEDUPE = "from shadowstream.joiner.intake.dedupe import DedupeWindow"
OFFENDS = [
    (house.sizes, JOINER, "x = 1\n" * 401),
    (house.sizes, JOINER, "def f():\n" + "    x = 1\n" * 70),
    (house.sizes, JOINER, "async def f():\n" + "    x = 1\n" * 70),
    (house.sizes, JOINER, "def f(a, b, c, d, e, f, g, h): ..."),
    (house.sizes, JOINER, "class A:\n    def f(self, a, b, c, d, e, /, f, *g, **h): ..."),
    (house.names, "shadowstream/joiner/utils.py", ""),
    (house.names, "tests/helpers/text.py", ""),
    (house.names_of_tests, "tests/test_a.py", "def test" + "_word" * 13 + "(): ..."),
    (house.door, "shadowstream/__init__.py", f"__all__ = {[str(n) for n in range(16)]}"),
    (house.clients, JOINER, "import confluent_kafka"),
    (house.clients, "shadowstream/cli/main.py", "def f():\n    from confluent_kafka.admin import AdminClient"),
    (house.clients, "shadowstream/kafka/loop.py", "import faust"),
    *((house.pure, JOINER, text) for text in IMPURE),
    (house.pure, "shadowstream/runner/step.py", "import threading"),
    (house.pure, "shadowstream/topics.py", "import time\nx = [time.time]"),
    *((house.suppressions, JOINER, text) for text in UNEXPLAINED),
    (rooms.mirrors, "tests/joiner/attic/test_a.py", ""),
    *((rooms.side_by_side, JOINER, text) for text in BESIDE),
    (rooms.side_by_side, "shadowstream/judge/step.py", "def f():\n    from shadowstream.labels.step import task_of"),
    (rooms.side_by_side, "shadowstream/runner/step.py", DEDUPE),
    (rooms.side_by_side, "shadowstream/labels/step.py", "from shadowstream.judge import step"),
]
PASSES = [
    (house.sizes, JOINER, "x = 1\n" * 400),
    (house.sizes, JOINER, "def f():\n" + "    x = 1\n" * 69),
    (house.sizes, JOINER, "class A:\n    def f(self, a, b, c, d, e, f, g): ..."),
    (house.names, "shadowstream/kafka/topic_utils_of_java.py", ""),
    (house.door, "shadowstream/__init__.py", f"__all__ = {[str(n) for n in range(15)]}"),
    (house.clients, "shadowstream/kafka/loop.py", "import confluent_kafka"),
    (house.clients, "shadowstream/alerts/app.py", "import faust"),
    (house.clients, "tests/kafka/test_loop.py", "import confluent_kafka"),
    (house.pure, JOINER, "from datetime import UTC, datetime\nx = datetime.fromtimestamp(0, UTC)"),
    (house.pure, JOINER, "def f(clock, time):\n    return clock.now() + time.time"),
    (house.pure, "shadowstream/kafka/loop.py", "import time\nx = time.monotonic()"),
    (house.pure, "shadowstream/runner/sandbox.py", "import subprocess"),
    *((house.suppressions, JOINER, text) for text in EXPLAINED),
    (house.names_of_tests, "tests/test_a.py", "def test" + "_word" * 12 + "(): ..."),
    (rooms.mirrors, "tests/joiner/matching/test_a.py", ""),
    (rooms.mirrors, "tests/pipeline/test_a.py", ""),
    (rooms.side_by_side, JOINER, BELOW),
    (rooms.side_by_side, "shadowstream/kafka/loop.py", "from shadowstream import joiner, judge"),
    (rooms.side_by_side, "shadowstream/judges/step.py", "from shadowstream.joiner import step"),
]


@pytest.mark.parametrize(
    ("rule", "path", "text", "offends"), [*((*one, True) for one in OFFENDS), *((*one, False) for one in PASSES)]
)
def test_a_rule_catches_what_offends_and_lets_the_rest_pass(
    rule: Callable[[Source], Iterator[str]], path: str, text: str, offends: bool
) -> None:
    assert bool(list(rule(Source(path, text)))) is offends


EMPTY = "records joiner/__init__ kafka/__init__ kafka/loop runner/__init__ runner/candidate protocol/marks cli/__init__"
HOUSE = (
    Source("shadowstream/__init__.py", "from shadowstream.records import Batch"),
    *(Source(f"shadowstream/{path}.py", "") for path in EMPTY.split()),
)


@pytest.mark.parametrize(
    ("path", "text", "offends"),
    [
        (JOINER, "import shadowstream.kafka.loop", True),
        (JOINER, "from shadowstream.kafka import loop", True),
        (JOINER, "from shadowstream import kafka", True),
        (JOINER, "from ...kafka import loop", True),
        (JOINER, "from ... import cli", True),
        (JOINER, "def f():\n    from shadowstream.cli import main", True),
        (JOINER, "from shadowstream import Batch", True),
        (JOINER, "import shadowstream", True),
        ("shadowstream/records.py", "from shadowstream.joiner import task", True),
        ("shadowstream/kafka/loop.py", "import shadowstream.cli", True),
        ("shadowstream/protocol/marks.py", "from shadowstream.runner import candidate", True),
        ("shadowstream/runner/__init__.py", "from .candidate import load", True),
        ("shadowstream/attic.py", "", True),
        (JOINER, "from shadowstream.records import Batch\nfrom shadowstream import records", False),
        (JOINER, "from . import by_input\nimport numpy", False),
        ("shadowstream/runner/candidate.py", "from ..protocol.marks import Mark", False),
        ("shadowstream/kafka/loop.py", "from shadowstream.runner import candidate, step", False),
        ("tests/kafka/test_loop.py", "import shadowstream", False),
    ],
)
def test_the_import_rule_knows_up_from_down(path: str, text: str, offends: bool) -> None:
    assert bool(list(house.one_way(Source(path, text), rooms.modules_of(HOUSE)))) is offends


def test_a_circle_of_imports_is_seen_through_relative_imports() -> None:
    there = Source("shadowstream/joiner/matching/by_unique_id.py", "from ..completeness import completeness")
    back = Source(
        "shadowstream/joiner/completeness/completeness.py", "from shadowstream.joiner.matching.by_unique_id import Pair"
    )
    assert house.circle(rooms.imports_among([there])) == []
    assert len(house.circle(rooms.imports_among([there, back]))) == 3


def test_the_rooms_of_a_package_form_no_circle() -> None:
    assert house.circle(rooms.rooms(rooms.imports_among(sources()))) == []


def test_a_circle_of_rooms_is_seen_where_no_modules_form_one() -> None:
    there = Source("shadowstream/joiner/matching/by_input.py", "from shadowstream.joiner.intake import dedupe")
    back = Source("shadowstream/joiner/intake/equivalent_ids.py", "from shadowstream.joiner.matching import pending")
    rest = [Source("shadowstream/joiner/matching/pending.py", ""), Source("shadowstream/joiner/intake/dedupe.py", "")]
    imports = rooms.imports_among([there, back, *rest])
    assert house.circle(imports) == []
    assert len(house.circle(rooms.rooms(imports))) == 3


@pytest.mark.parametrize("host", house.REGISTRY_HOSTS)
def test_an_address_of_a_registry_is_seen(host: str) -> None:
    assert len(list(house.text("lock", ["x", f"--index-url https://{host}/simple"]))) == 1


@pytest.mark.parametrize("folder", ["work", "root", "farm", "tmp/w", "home/ann", "Users/ann"])
def test_a_path_of_one_machine_is_seen(folder: str) -> None:
    assert len(list(house.text("a.md", [f"see /{folder}/x.txt"]))) == 1
    assert len(list(house.text("a.md", [f"cd /{folder}"]))) == 1
    assert list(house.text("a.md", [f"docs/{folder}/x ~/{folder}/x $HOME/{folder}/x /{folder}-y"])) == []


def test_something_unfinished_is_seen() -> None:
    word = "TO" + "DO"
    assert len(list(house.text("a.py", [f"x = 1  # {word} later"]))) == 1
    assert list(house.text("a.py", [f"{word}S = mktemp  # {word.lower()}"])) == []
