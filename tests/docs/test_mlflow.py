"""The recipe `examples/mlflow/promote.py` on a real registry: only a promote moves the alias; each answer is tagged."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import judged, make_trial, name, unjudged
from tests.cli.test_pipelines import CASES
from tests.cli.verdict_topic import Judged
from tests.docs.mlflow_store import MODEL, MlflowStore

__all__ = ["judged", "make_trial", "name", "unjudged"]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MlflowStore(tmp_path_factory.mktemp("mlflow")).file


@pytest.fixture
def store(made: Path, tmp_path: Path) -> MlflowStore:
    return MlflowStore(tmp_path, made)


def say(judged: Judged, case: str) -> list[str]:
    """Write the verdict of a case; return the words of the recipe."""
    wanted = CASES[case]
    if wanted.decision is None:
        judged.path.write_text(judged.path.read_text().replace(judged.bootstrap, "127.0.0.1:1"))
    else:
        judged.say(wanted.decision, age_s=wanted.age_s)
    asked = [f"--gate=--revision={wanted.revision}"] if wanted.revision else []
    return ["trial.yaml", "--model", MODEL, "--version", "2", *asked]


@pytest.mark.parametrize("case", CASES)
def test_the_alias_moves_on_promote_only_and_the_version_is_tagged(
    case: str, judged: Judged, store: MlflowStore
) -> None:
    wanted = CASES[case]
    code, printed = store.promote(*say(judged, case))
    assert code == wanted.exit_code, printed
    aliases, tags = store.content()
    assert aliases == {"champion": "2" if case == "promote" else "1"}
    found = {tag.removeprefix("shadowstream."): text for tag, text in tags["2"].items()}
    assert (tags["1"], found["decision"], wanted.part.removeprefix("because ") in found["reason"]) == (
        {},
        wanted.output,
        True,
    )
    assert f"{MODEL}@champion {'is version 2' if case == 'promote' else 'stays version 1'}: " in printed
    judged_at = datetime.fromisoformat(found["evaluated_at"]) if "evaluated_at" in found else None
    assert (judged_at is not None) == (case not in ("foreign revision", "unreachable"))
    assert judged_at is None or judged_at <= datetime.now(UTC)
    assert found.get("revision") == (None if wanted.decision is None else wanted.revision or judged.revision)
    assert found.get("evidence_digest") == ("00" if judged_at is not None else None)


def test_a_later_answer_leaves_no_tag_and_names_what_is_served(judged: Judged, store: MlflowStore) -> None:
    store.promote(*say(judged, "promote"))
    code, printed = store.promote(*say(judged, "unreachable"))
    aliases, tags = store.content()
    assert (code, aliases, tags["2"]["shadowstream.decision"]) == (1, {"champion": "2"}, "error")
    assert not {"shadowstream.evidence_digest", "shadowstream.revision"} & tags["2"].keys()
    assert "may not be promoted any more" in printed


def test_a_version_that_is_not_registered_asks_nothing(judged: Judged, store: MlflowStore) -> None:
    code, printed = store.promote("trial.yaml", "--model", MODEL, "--version", "9")
    assert (code, "is not in the registry" in printed) == (2, True)
    assert store.content()[0] == {"champion": "1"}
