"""Pickled models: called in the candidate's process, read only with their digest, and only where that is confined."""

import ast
import hashlib
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from shadowstream.cli import run
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.pickled_models import load_pickled
from tests.least_config import LEAST, least_config
from tests.tidy.numbers import ROOT, sources
from tests.worker.echoing import Multiplying
from tests.worker.test_isolated import isolated


class MakesFolder:
    """A pickle that makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._folder),)


def config(path: Path, content: bytes, **more: Any) -> Config:
    path.write_bytes(content)
    candidate = {"pickle": {"path": str(path), "sha256": hashlib.sha256(content).hexdigest(), **more}}
    return least_config(candidate={**candidate, "takes": "batch" if "method" in more else "value"})


def test_a_pickled_object_is_called(tmp_path: Path) -> None:
    with isolated(config(tmp_path / "model", pickle.dumps(Multiplying(2)))) as candidate:
        assert candidate.call([{"x": 21}]) == [{"score": 42}]


def test_a_method_of_a_joblib_file_answers_batches(tmp_path: Path) -> None:
    rows = [{"x": float(n), "kind": "ab"[n % 2]} for n in range(20)]
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(rows, [3 * row["x"] for row in rows])
    joblib.dump(model, tmp_path / "dumped")
    settings = config(tmp_path / "model", (tmp_path / "dumped").read_bytes(), format="joblib", method="predict")
    with isolated(settings) as candidate:
        results = candidate.call(rows)
    assert results == pytest.approx([3 * row["x"] for row in rows])


def test_a_file_with_another_digest_is_refused_by_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model"
    settings = config(path, pickle.dumps(MakesFolder(tmp_path / "made")))
    path.write_bytes(pickle.dumps(Multiplying(3)))
    assert settings.candidate.pickle is not None
    digests = f"{hashlib.sha256(path.read_bytes()).hexdigest()}, and the config pins {settings.candidate.pickle.sha256}"
    with (
        pytest.raises(ConfigError, match=rf"candidate\.pickle\.sha256: .* has the SHA-256 {digests}"),
        isolated(settings),
    ):
        pass
    file = tmp_path / "trial.yaml"
    file.write_text(json.dumps({**LEAST, "candidate": settings.candidate.model_dump(include={"pickle"})}), "utf-8")
    assert run(["validate", str(file)]) == 2
    assert digests in capsys.readouterr().out


def test_a_pickle_is_read_only_where_it_is_confined(tmp_path: Path) -> None:
    made = tmp_path / "made"
    settings = config(tmp_path / "model", pickle.dumps(MakesFolder(made)))
    with pytest.raises(ConfigError, match="cannot be loaded: PermissionError"), isolated(settings):
        pass
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "more", "text"),
    [
        (b"no pickle", {}, "cannot be loaded: UnpicklingError"),
        (pickle.dumps({"a": 1}), {}, "holds a dict, which cannot be called; name a method"),
        (pickle.dumps(Multiplying(2)), {"method": "predict"}, "has no attribute 'predict'"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, more: dict[str, Any], text: str) -> None:
    pickled = config(tmp_path / "model", content, **more).candidate.pickle
    assert pickled is not None
    with pytest.raises(ConfigError, match=text):
        load_pickled(pickled)


LIBRARIES = "pickle|_pickle|joblib|dill|cloudpickle|shelve|marshal"
READERS = {"shadowstream.worker.serving", "shadowstream.pickled_models"}
"""The first reads what its role has sent; the second needs the config's key."""


def test_nothing_else_reads_pickles() -> None:
    found = set()
    for source in sources(ROOT, "shadowstream"):
        if not re.search(LIBRARIES, source.text):
            continue
        names = {alias.name for node in source.nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in source.nodes if isinstance(node, ast.ImportFrom)}
        reads = {node.attr for node in source.nodes if isinstance(node, ast.Attribute)} & {"load", "loads", "Unpickler"}
        if names & set(LIBRARIES.split("|")) and reads:
            found.add(source.module)
    assert {module for module in found if not module.startswith("shadowstream.testing")} == READERS
