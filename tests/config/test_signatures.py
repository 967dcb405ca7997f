"""Functions of the config that cannot be called as they will be, told offline, and again where they are loaded."""

from pathlib import Path
from typing import Any

import pytest

from shadowstream.compare.rules import RuleSet
from shadowstream.config import Candidate, Config
from shadowstream.errors import ConfigError
from shadowstream.runner.candidate import load, load_stateful
from shadowstream.signatures import problems_of

STATE = {"state": "snapshot"}
METHODS = "    def snapshot(self): return b''\n    def restore(self, snapshot): pass\n"
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "async": ("async def score(p): return p\n", {}, ":1: score is a coroutine function"),
    "async generator": ("async def score(p):\n    yield p\n", {}, ":1: score is a coroutine function"),
    "generator": ("def score(p):\n    yield p\n", {}, ":1: score is a generator function"),
    "yields from": ("def score(p):\n    if p:\n        yield from p\n", {}, ":1: score is a generator function"),
    "two": ("def score(p, q): return p\n", {}, ":1: score takes 2 arguments; it is called with 1: one decoded value"),
    "none": ("def score(): return 1\n", {}, ":1: score takes 0 arguments; it is called with 1: one decoded value"),
    "keyword": ("\ndef score(p, *, q): return p\n", {}, ":2: score needs the keyword 'q'"),
    "at least two": ("def score(p, q, *more): return p\n", {}, ":1: score takes at least 2 arguments"),
    "lambda": ("score = lambda p, q: p\n", {}, ":1: score takes 2 arguments; it is called with 1"),
    "batch": ("def score(p, q): return p\n", {"takes": "batch"}, "it is called with 1: one list of decoded values"),
    "made with": ("class score:\n    def __init__(self, n): pass\n    def __call__(self, p): pass\n" + METHODS, STATE,
                  ":2: __init__ takes 1 argument; it is called with 0"),
    "object": ("class score:\n    async def __call__(self, p): pass\n" + METHODS, STATE,
               ":2: __call__ is a coroutine function"),
}  # fmt: skip
TAKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "one": ("def score(p): return p\n", {}),
    "a default": ("def score(p, q=1, *, r=2): return p\n", {}),
    "any": ("def score(*p, **q): return p\n", {}),
    "lambda": ("score = lambda p: p\n", {}),
    "one that yields within": ("def score(p):\n    def inner():\n        yield p\n    return list(inner())\n", {}),
    "decorated": ("def twice(f): return lambda p: f(p, p)\n@twice\ndef score(p, q): return p\n", {}),
    "bound twice": ("def score(p, q): return p\nscore = lambda p, f=score: f(p, p)\n", {}),
    "imported": ("from json import dumps as score\n", {}),
    "object": ("class score:\n    def __call__(self, p): pass\n" + METHODS, STATE),
    "object without methods of its own": (
        "class Base:\n    def __call__(self, p): pass\n" + METHODS + "class score(Base):\n    pass\n",
        STATE,
    ),
}


@pytest.fixture(name="write")
def _write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> str:
        module = "of_" + "".join(letter if letter.isalnum() else "_" for letter in name)
        (tmp_path / f"{module}.py").write_text(text)
        return module

    return write


def config(candidate: dict[str, Any], **compare: Any) -> Config:
    sections = {"name": "t", "inputs": ["in"], "production": {"outputs": ["out"]}, "compare": compare}
    return Config.model_validate(sections | {"candidate": {"trusted": True, **candidate}})


def loaded(candidate: Candidate) -> object:
    return load(candidate) if candidate.state == "none" else load_stateful(candidate)()


@pytest.mark.parametrize("name", REFUSED)
def test_an_uncallable_candidate_is_reported_offline_and_on_loading(name: str, write: Any) -> None:
    text, settings, message = REFUSED[name]
    module = write(name, text)
    trial = config({"call": f"{module}:score", **settings})
    (problem,) = problems_of(trial)
    assert problem.startswith("candidate.call: ")
    assert message in problem
    with pytest.raises(ConfigError, match=r"candidate\.call"):
        loaded(trial.candidate)


@pytest.mark.parametrize("name", TAKEN)
def test_a_candidate_that_may_be_called_is_taken(name: str, write: Any) -> None:
    text, settings = TAKEN[name]
    module = write("good " + name, text)
    trial = config({"call": f"{module}:score", **settings})
    assert list(problems_of(trial)) == []
    loaded(trial.candidate)


UNTIL = "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("name", "compare", "message"),
    [
        ("async rule", {"rules": [{"path": "a", "call": "M:late"}]}, "compare.rules: "),
        (
            "rule of one",
            *({"rules": [{"path": "a", "call": "M:one"}]}, "takes 1 argument; it is called with 2: production"),
        ),
        ("column of one", {"rules": [{"path": "a", "call": "M:one", "on": "column"}]}, "as two lists"),
        ("normaliser of two", {"rules": [{"path": "a", "normalise": ["trim", "M:two"]}]}, "called with 1: one value"),
        (
            "generator expected",
            {"expected": [{"name": "e", "paths": ["a"], "until": UNTIL, "rate_max": 0.1, "call": "M:yields"}]},
            "is a generator function",
        ),
    ],
)
def test_functions_of_the_comparison_are_reported_as_well(name: str, compare: Any, message: str, write: Any) -> None:
    text = (
        "def score(p): return p\nasync def late(p, s): return True\ndef one(p): return p\n"
        "def two(p, s): return p\ndef yields(p, s):\n    yield p\n"
    )
    module = write(name, text)
    filled = {key: [_filled(one, module) for one in many] for key, many in compare.items()}
    trial = config({"call": f"{module}:score"}, **filled)
    (problem,) = problems_of(trial)
    assert message in problem
    if "rules" in compare:
        with pytest.raises(ConfigError, match=r"compare\.rules"):
            RuleSet(trial.compare.rules)


def _filled(one: dict[str, Any], module: str) -> dict[str, Any]:
    def name(value: Any) -> Any:
        return value.replace("M:", f"{module}:") if isinstance(value, str) else value

    return {key: [name(v) for v in value] if isinstance(value, list) else name(value) for key, value in one.items()}
