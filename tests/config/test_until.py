"""`until`: the three forms in a config file, and what each needs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.configfile import ConfigFileError, load
from shadowstream.revision import revision_of
from tests.least_config import least_config

GROUP = {"outputs": ["out"], "group": "production"}


def written(folder: Path, until: str) -> Path:
    path = folder / "trial.yaml"
    path.write_text(
        "name: t\ninputs: [in]\nproduction: {outputs: [out], group: production}\n"
        f"candidate: {{call: 'builtins:int', trusted: true}}\nuntil: {until}\n"
    )
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100000", 100_000),
        ("decision", "decision"),
        ("2026-12-24T00:00:00Z", datetime(2026, 12, 24, tzinfo=UTC)),
        ("null", None),
    ],
)
def test_a_file_may_give_a_number_a_time_or_the_decision(text: str, expected: Any, tmp_path: Path) -> None:
    config = load(written(tmp_path, text))
    assert config.until == expected
    assert config.ends_itself == (expected is not None)


@pytest.mark.parametrize("text", ["0", "-3", "soon", "2026-12-24T00:00:00", "true", "1.5", "[1]"])
def test_other_ends_are_refused_at_their_key(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError) as refused:
        load(written(tmp_path, text))
    assert {(problem.line, problem.key) for problem in refused.value.problems} == {(5, "until")}
    assert "expected a text" not in str(refused.value) or text == "[1]"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"production": {"outputs": ["out"]}}, "until: needs production.group"),
        ({"bounded": True}, "until: does not go with bounded: true"),
        ({"twin": {"topic": "twin", "group": "again"}}, "until: does not go with twin"),
        ({"labels": {"topic": "truth", "path": "a"}}, "until: does not go with labels"),
        ({"candidate": {"topic": "next", "group": "g", "version": "1"}}, "until: does not go with candidate.topic"),
    ],
)
def test_until_is_refused_where_the_end_would_be_ambiguous(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        least_config(**{"production": GROUP, "until": 5, **settings})


def test_neither_the_end_nor_retention_changes_the_revision() -> None:
    base = {"production": GROUP, "candidate": {"call": "tests.joiner.whole_trial:candidate", "trusted": True}}
    plain = least_config(**base)
    changed = least_config(**base, until=5, retention={"bytes": None})
    assert revision_of(plain) == revision_of(changed)
