"""Distributions in a config: each error with its line, key and remedy."""

from pathlib import Path

import pytest

from shadowstream.config import Config
from shadowstream.configfile import ConfigFileError, load
from shadowstream.kafka.trial.config_paths import wrong_paths

TRIAL = """name: fraud
inputs: [payments]
production: {outputs: [scores]}
candidate: {call: "m:f"}
"""


def fields(*texts: str, more: str = "") -> str:
    return f"{TRIAL}compare:\n{more}  distributions:\n" + "".join(f"    - {{{text}}}\n" for text in texts)


def loaded(folder: Path, text: str) -> Config:
    path = folder / "trial.yaml"
    path.write_text(text)
    return load(path, {})


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        (fields("path: a, bins: 1"), 7, "compare.distributions[0].bins", "greater than or equal to 2"),
        (fields("path: a", "path: b, bins: 3, edges: [1]"), 8, "compare.distributions[1]", "exclude each other"),
        (fields("path: a, edges: [2, 1]"), 7, "compare.distributions[0].edges", "must rise"),
        (fields("path: a, edges: [.inf]"), 7, "compare.distributions[0].edges[0]", "finite"),
        (fields("path: a, categories: 51"), 7, "compare.distributions[0].categories", "a number from 1 to 50"),
        (fields("path: a, categories: true"), 7, "compare.distributions[0].categories", "a list of values"),
        (fields("path: a, categories: []"), 7, "compare.distributions[0].categories", "1 to 50"),
        (fields("path: a, categories: [x, x]"), 7, "compare.distributions[0].categories", "more than once"),
        (fields("path: a, categories: [null]"), 7, "compare.distributions[0].categories", "a bin of its own"),
        (fields('path: "a.*"'), 7, "compare.distributions[0].path", "a star names several values"),
        (fields("path: a", "path: a"), 6, "compare.distributions", "a is named more than once"),
        (fields(*(f"path: a{n}" for n in range(17))), 6, "compare.distributions", "at most 16"),
        (
            fields("path: user.age", more="  redact: {paths: [user], secret: 0123456789ab}\n"),
            *(7, "compare.distributions", "user.age is redacted"),
        ),
        (TRIAL + "judge:\n  distributions: {psi_min: 0.2}\n", 6, "judge.distributions", "needs compare.distributions"),
        (
            fields("path: a") + "judge:\n  distributions: {false_alarms_per_year: 0}\n",
            *(9, "judge.distributions.false_alarms_per_year", "greater than 0"),
        ),
    ],
)
def test_bins_that_make_no_sense_are_refused(text: str, line: int, key: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError) as caught:
        loaded(tmp_path, text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


def test_a_path_that_no_schema_has_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.scores-value.avsc").write_text(
        '{"type": "record", "name": "S", "fields": [{"name": "score", "type": "double"}]}'
    )
    text = fields("path: score", "path: scroe") + f"schemas: {{dir: {tmp_path}}}\n"
    ((where, message),) = wrong_paths(loaded(tmp_path, text))
    assert where == ("compare", "distributions", 1, "path")
    assert "has a field 'scroe'; did you mean 'score'?" in message


def test_the_kind_of_bins_follows_from_the_keys(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, fields("path: a", "path: b, edges: [1]", "path: c, categories: [x, 1]", "path: d, categories: 5")
    )
    found = [(one.is_numeric, one.learnt_bins) for one in config.compare.distributions]
    assert found == [(True, 10), (True, None), (False, None), (False, 5)]
