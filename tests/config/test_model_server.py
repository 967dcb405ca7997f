"""Settings of a model server and of a pickled model: nonsense is refused in its line, secrets are kept apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.configfile import ConfigFileError, load, masked
from shadowstream.model_server.settings import settings_of
from shadowstream.revision import revision_of
from tests.least_config import LEAST

X = {"name": "x", "datatype": "FP64", "fields": ["x"]}
OIP: dict[str, Any] = {"url": "http://models:8080", "model": "m", "version": "7", "inputs": [X]}
JSON: dict[str, Any] = {"url": "http://models:8080/score", "protocol": "json"}
PICKLE = {"path": "model.pkl", "sha256": "ab" * 32}


def written(folder: Path, candidate: dict[str, Any], **more: Any) -> Path:
    path = folder / "trial.yaml"
    path.write_text(json.dumps({**LEAST, "candidate": candidate, **more}, indent=0), "utf-8")
    return path


def http(**changes: Any) -> dict[str, Any]:
    return {"http": {**OIP, **changes}}


COST = {"rate": "cost", "reference_ms": 2, "ratio": 1.5, "limit": 0.01}


@pytest.mark.parametrize(
    ("candidate", "key", "message"),
    [
        ({}, "candidate", "give either call"),
        ({**http(), "call": "a:b"}, "candidate", "give either call"),
        ({**http(), "pickle": PICKLE}, "candidate", "give either call"),
        ({**http(), "takes": "batch"}, "candidate.takes", "goes with call or pickle"),
        ({**http(), "state": "snapshot"}, "candidate.state", "goes with call"),
        ({**http(), "network": ["a:1"]}, "candidate.network", "goes with call or pickle"),
        ({**http(), "env": ["A"]}, "candidate.env", "goes with call or pickle"),
        ({**http(), "isolation": "in-process", "trusted": True}, "candidate.isolation", "in-process goes with call"),
        ({"pickle": PICKLE, "isolation": "in-process", "trusted": True}, "candidate.isolation", "in-process goes with"),
        ({"pickle": PICKLE, "state": "snapshot"}, "candidate.state", "goes with call"),
        ({"pickle": PICKLE, "version": "1"}, "candidate.version", "goes with http or topic"),
        ({"pickle": {**PICKLE, "sha256": "ab"}}, "candidate.pickle.sha256", "'ab' does not look right"),
        ({**http(), "output_format": "bytes"}, "candidate.output_format", "bytes needs a candidate"),
        ({**http(), "timeout_ms": 80_000}, "candidate.timeout_ms", "80000 must be below a quarter of"),
        (http(version=None), "candidate", "http needs http.version, or version"),
        ({"http": JSON}, "candidate", "http needs http.version, or version"),
        ({"http": {**JSON, "model": "m"}, "version": "1"}, "candidate.http.model", "goes with protocol: oip"),
        (http(model=None), "candidate.http.protocol", "oip needs model and inputs"),
        (http(inputs=[]), "candidate.http.protocol", "oip needs model and inputs"),
        (http(inputs=[X, dict(X)]), "candidate.http.inputs", "two tensors have one name"),
        (http(inputs=[{**X, "shape": [2, 3], "fields": ["a", "b"]}]), "candidate.http.inputs[0].shape", "holds 6"),
        (http(inputs=[{**X, "default": "a"}]), "candidate.http.inputs[0].default", "'a' is no FP64"),
        (http(inputs=[{**X, "datatype": "FP8"}]), "candidate.http.inputs[0].datatype", "'FP8' is not one of"),
        (http(inputs=[{**X, "shape": [90_000, 90_000]}]), "candidate.http.inputs[0].shape", "a record has 8100000000"),
        (
            http(outputs=[{"name": "a", "path": "x"}, {"name": "b", "path": "x.y"}]),
            *("candidate.http.outputs", "two tensors go to one place"),
        ),
        (http(url="http://me:secret@models"), "candidate.http.url", "'http://***@models' does not look right"),
        (http(url="ftp://models"), "candidate.http.url", "'ftp://models' does not look right"),
        (http(url="http://models?key=1"), "candidate.http.url", "'http://models?key=1' does not look right"),
        (http(url="http://models:99999"), "candidate.http.url", "names no host, or a port that is none"),
        (http(url="http://:80"), "candidate.http.url", "names no host, or a port that is none"),
        (http(tls={"ca_file": "a"}), "candidate.http.tls", "goes with a url that begins with https://"),
        (http(url="https://m", tls={"key_file": "a"}), "candidate.http.tls", "cert_file and key_file go together"),
        (http(headers={"Host": "a"}), "candidate.http.headers", "Host is set by shadowstream"),
        (http(headers={"A b": "a"}), "candidate.http.headers", "'A b' is no HTTP header"),
        (
            http(headers={"X-A": "a"}, header_files={"x-a": "f"}),
            *("candidate.http.headers", "a header has two values"),
        ),
        (http(batch=0), "candidate.http.batch", "must be greater than or equal to 1"),
        (http(concurrency=65), "candidate.http.concurrency", "must be less than or equal to 64"),
        (http(ready="v2/ready"), "candidate.http.ready", "'v2/ready' does not look right"),
    ],
)
def test_nonsense_is_refused_by_its_key(tmp_path: Path, candidate: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ConfigFileError) as refused:
        load(written(tmp_path, candidate), {})
    ((_, line, found, text),) = refused.value.problems
    assert (found, line > 0) == (key, True)
    assert text.startswith(message)


def test_its_cost_is_no_cost_of_the_candidate(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"cost needs candidate\.call"):
        load(written(tmp_path, http(), judge={"criteria": [COST]}), {})


def test_secrets_are_masked_and_of_the_runner_only(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer ${TOKEN:-}", "X-Plain": "${OTHER:-}"}
    path = written(tmp_path, http(headers=headers, header_files={"X-File": "token"}))
    config = load(path, {"TOKEN": "planted", "OTHER": "planted too"})
    assert "planted" not in str(masked(config))
    assert config.candidate.http is not None
    assert config.candidate.http.header_files == {"X-File": str(tmp_path / "token")}
    (tmp_path / "token").write_text("of a file\n")
    settings = settings_of(config.acting_as("runner"), 1)
    assert settings is not None
    assert settings.headers == {"Authorization": "Bearer planted", "X-Plain": "planted too", "X-File": "of a file"}
    for role in ("joiner", "judge", "labels", "alerts", "operator", "reader"):
        assert "planted" not in repr(config.acting_as(role))
    assert load(path, {}).candidate.http is not None  # of a role that has no such variable


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"batch": 8, "concurrency": 2, "retries": 0, "headers": {"X-A": "b"}, "ready": "/r"}, True),
        ({"version": "8"}, False),
        ({"model": "n"}, False),
        ({"url": "http://others:8080"}, False),
        ({"inputs": [{**X, "datatype": "FP32"}]}, False),
        ({"parameters": {"a": 1}}, False),
    ],
)
def test_evidence_is_bound_to_what_is_asked(changes: dict[str, Any], is_same: bool) -> None:
    one, other = (Config.model_validate({**LEAST, "candidate": http(**more)}) for more in ({}, changes))
    assert (revision_of(one) == revision_of(other)) == is_same


def test_evidence_is_bound_to_the_version_and_to_the_digest() -> None:
    candidates: list[dict[str, Any]] = [
        {"http": JSON, "version": "1"},
        {"http": JSON, "version": "2"},
        {"pickle": PICKLE},
        {"pickle": {**PICKLE, "sha256": "cd" * 32}},
        {"pickle": {**PICKLE, "method": "predict"}},
        {"pickle": PICKLE, "takes": "batch"},
    ]
    revisions = {revision_of(Config.model_validate({**LEAST, "candidate": one})) for one in candidates}
    assert len(revisions) == len(candidates)
    moved = {"pickle": {**PICKLE, "path": "elsewhere.pkl"}}
    assert revision_of(Config.model_validate({**LEAST, "candidate": moved})) in revisions
