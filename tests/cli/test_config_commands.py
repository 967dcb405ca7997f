"""`validate`, `config show`, `schema config`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadowstream.configfile import load, masked, open_source
from shadowstream.configschema import json_schema
from shadowstream.revision import revision_of
from tests.cli.conftest import Cli, MakeTrial
from tests.docs.markdown import ROOT, blocks

Problem = dict[str, Any]


@pytest.fixture
def problem_of(cli: Cli) -> Callable[[Path], Problem]:
    """The one problem that `validate` finds in a config."""

    def problem(path: Path) -> Problem:
        result = cli("validate", path, "--json")
        assert result.code == 2
        (found,) = result.json["problems"]
        assert found["file"] == str(path)
        return {**found, "revision": result.json["revision"]}

    return problem


def test_a_good_config_is_valid_offline_and_says_its_revision(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial()
    revision = revision_of(load(path))
    result = cli("validate", path)
    assert (result.code, result.out, result.err) == (0, f"{path}: ok; trial 'fraud', revision {revision}\n", "")
    assert cli("validate", path, "--json").json == {"ok": True, "revision": revision, "problems": [], "notes": []}


def test_every_problem_is_a_line_with_file_line_and_key(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial(extra="grace: 5\nidle_ms: soon\nlimits: {commit_ms: ${NOPE}}\n".replace("${NOPE}", "'${NOPE}'"))
    result = cli("validate", path)
    assert result.code == 2
    assert [line.split(": ")[:2] for line in result.out.splitlines()] == [
        [f"{path}:7", "grace"],
        [f"{path}:8", "idle_ms"],
        [f"{path}:9", "limits.commit_ms"],
    ]
    assert result.err == f"3 problems in {path}\n"


def test_a_channel_whose_url_apprise_cannot_use_is_a_problem(
    problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    problem = problem_of(make_trial(extra="alerts:\n  channels:\n    - {name: chat, apprise: 'slack://tok'}\n"))
    assert (problem["line"], problem["key"]) == (9, "alerts.channels[0].apprise")
    assert problem["message"].startswith("chat: apprise cannot use the URL")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "part"),
    [
        ("fraud_candidate:score", "fraud_candidat:score", 6, "candidate.call", "there is no module 'fraud_candidat'"),
        ("fraud_candidate:score", "fraud_candidate:scor", 6, "candidate.call", "did you mean 'score'?"),
        ("dir: schemas", "dir: schema", 3, "schemas.dir", "schema is not a folder"),
        ("dir: schemas", f"dir: {'x' * 300}", 3, "schemas.dir", "is not a folder"),
        ('score"}', f'score", files: [{"x" * 300}]}}', 6, "candidate.files", "there is no"),
        ('score"}', 'score", files: [gone.bin]}', 6, "candidate.files", "there is no"),
        (
            "trusted: true, ",
            "isolation: in-process, ",
            6,
            "candidate.trusted",
            "set `trusted: true` if you accept that",
        ),
    ],
)
def test_what_a_config_lacks_is_reported_once_with_its_line(
    old: str, new: str, line: int, key: str, part: str, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    problem = problem_of(make_trial(replaced=(old, new)))
    assert (problem["line"], problem["key"], problem["revision"] is None) == (line, key, key != "candidate.trusted")
    assert part in problem["message"]


def test_a_wrong_candidate_and_wrong_schemas_are_reported_together(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial()
    path.write_text(path.read_text().replace("dir: schemas", "dir: gone").replace(":score", ":scor"))
    assert [problem["line"] for problem in cli("validate", path, "--json").json["problems"]] == [3, 6]


@pytest.mark.parametrize(("name", "text"), [("2.scores.avsc", "{"), ("scores.avsc", '"long"'), ("1.b.avsc", '"int"')])
def test_a_schema_that_cannot_be_used_is_reported_by_its_file(
    name: str, text: str, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    path = make_trial()
    (path.parent / "schemas" / name).write_text(text)
    problem = problem_of(path)
    assert (problem["line"], problem["key"]) == (3, "schemas.dir")
    assert ".avsc" in problem["message"]


def test_the_demos_config_is_valid(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    monkeypatch.setenv("SHADOWSTREAM_BOOTSTRAP", "localhost:1")
    monkeypatch.setenv("SHADOWSTREAM_DEMO_MODEL", str(tmp_path / "model.json"))
    result = cli("validate", Path(__file__).parents[2] / "shadowstream" / "demo" / "flights.yaml")
    assert result.code == 0, result.out


def test_the_config_is_shown_with_defaults_and_without_secrets(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial(replaced=('"}\nschemas', '", client: {sasl.password: hunter2}}\nschemas'))
    result = cli("config", "show", path)
    assert result.code == 0
    assert "hunter2" not in result.out
    assert yaml.safe_load(result.out) == masked(load(path)) == cli("config", "show", path, "--json").json
    assert yaml.safe_load(result.out)["grace_ms"] == 60_000


def test_the_json_schema_is_printed(cli: Cli) -> None:
    assert json.loads(cli("schema", "config").out) == json_schema()
    assert cli("schema", "config", "--json").json == json_schema()


def test_an_external_candidate_has_a_revision_by_its_version(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial()
    text = path.read_text()
    revisions = set()
    for version in ("7", "8"):
        adopted = f"candidate: {{topic: next, group: next-scorer, version: '{version}'}}\n"
        path.write_text(text[: text.index("candidate:")] + adopted)
        result = cli("validate", path, "--json")
        assert (result.code, result.json["ok"]) == (0, True)
        revisions.add(result.json["revision"])
    assert len(revisions) == 2


PATHS = """
judge:
  criteria:
    - {rate: field, path: PATH, limit: 0.01}
"""


def with_paths(make_trial: MakeTrial, more: str, schema: str | None = None) -> Path:
    path: Path = make_trial(extra=more)
    if schema is not None:
        (path.parent / "schemas" / "90.scores-value.avsc").write_text(schema)
    return path


USER = {"type": "record", "name": "User", "fields": [{"name": "zip", "type": "string"}]}
FIELDS = [
    {"name": "score", "type": "double"},
    {"name": "user", "type": ["null", USER]},
    {"name": "items", "type": {"type": "array", "items": "User"}},
    {"name": "tags", "type": {"type": "map", "values": "long"}},
    {"name": "next", "type": ["null", "Scored"]},
]
SCORES = json.dumps({"type": "record", "name": "Scored", "fields": FIELDS})
VALID = ("score", "user", "user.zip", "items.*.zip", "items[0].zip", "$.score", "tags.any", "next.next.user.zip")


@pytest.mark.parametrize("path", VALID)
def test_a_path_that_a_schema_has_is_valid(path: str, cli: Cli, make_trial: MakeTrial) -> None:
    result = cli("validate", with_paths(make_trial, PATHS.replace("PATH", f"'{path}'"), SCORES))
    assert result.code == 0, result.out


@pytest.mark.parametrize(
    ("more", "key", "hint"),
    [
        (PATHS.replace("PATH", "user.zpi"), "judge.criteria[0].path", "did you mean 'user.zip'?"),
        (PATHS.replace("PATH", "items.*.price"), "judge.criteria[0].path", "did you mean 'items.*.zip'?"),
        (PATHS.replace("PATH", "score.x"), "judge.criteria[0].path", "did you mean 'score'?"),
        ("compare:\n  dimensions: [{name: zip, path: usr.zip}]\n", "compare.dimensions[0].path", "'user.zip'?"),
        ("compare:\n  checks: [{path: scoer, type: number}]\n", "compare.checks[0].path", "did you mean 'score'?"),
        ("compare:\n  redact: {paths: [score, usr.zip]}\n", "compare.redact.paths[1]", "did you mean 'user.zip'?"),
    ],
)
def test_a_path_that_no_schema_has_is_reported_in_its_line(
    more: str, key: str, hint: str, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    problem = problem_of(with_paths(make_trial, more, SCORES))
    assert problem["key"] == key
    assert problem["message"].startswith("no schema of scores has a field")
    assert hint in problem["message"]


def test_paths_of_older_schemas_are_valid_and_without_schemas_all_are(cli: Cli, make_trial: MakeTrial) -> None:
    path = with_paths(make_trial, PATHS.replace("PATH", "gone"), SCORES)
    older = '{"type": "record", "name": "Scored", "fields": [{"name": "gone", "type": "int"}]}'
    (path.parent / "schemas" / "80.scores-value.avsc").write_text(older)
    assert cli("validate", path).code == 0
    for file in (path.parent / "schemas").glob("*.scores-value.avsc"):
        file.rename(file.with_name(file.name.replace("scores", "others")))
    assert cli("validate", path).code == 0


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("score", "score", "score is named more than once; put everything into one rule"),
        ("score", "$.score", "'$.score' names the path of the rule 'score'; give one rule"),
        ("items.0.p", "items[0].p", "'items[0].p' names the path of the rule 'items.0.p'; give one rule"),
        ("items.*", "items[*]", "'items[*]' names the path of the rule 'items.*'; give one rule"),
    ],
)
def test_two_rules_of_one_path_are_reported(
    first: str, second: str, message: str, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    rules = f"compare:\n  rules:\n    - {{path: '{first}', atol: 1}}\n    - {{path: '{second}', rtol: 1}}\n"
    assert problem_of(with_paths(make_trial, rules))["message"] == message


@pytest.mark.parametrize(
    ("extra", "key", "message"),
    [
        ("identity: {kind: id, path: 'order.*'}", "identity.path", "a star names several values"),
        ("labels: {topic: truth, path: late, label_path: 'x[*]'}", "labels.label_path", "a star names several values"),
        ("labels: {topic: truth, path: late, id: 'x.*.y'}", "labels.id", "a star names several values"),
        ("compare: {redact: {paths: ['a\\'], how: drop}}", "compare.redact.paths[0]", "ends in a backslash"),
        ("compare: {rules: [{path: a, key: '*.id'}]}", "compare.rules[0].key", "a star names several values"),
    ],
)
def test_a_path_that_cannot_be_read_there_is_reported_in_its_line(
    extra: str, key: str, message: str, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    problem = problem_of(make_trial(extra=extra + "\n"))
    assert (problem["line"], problem["key"]) == (7, key)
    assert message in problem["message"]


@pytest.mark.parametrize("path", ["id", "$.id"])
def test_an_identity_of_a_field_that_the_schema_has_is_valid(
    path: str, cli: Cli, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    schema = '{"type": "record", "name": "S", "fields": [{"name": "id", "type": "string"}]}'
    trial = with_paths(make_trial, f"identity: {{kind: id, path: {path}}}\n", schema)
    assert cli("validate", trial, "--json").json["problems"] == []
    trial.write_text(trial.read_text().replace(f"path: {path}", "path: order.id"))
    problem = problem_of(trial)
    assert problem["key"] == "identity.path"
    assert "no schema of scores has a field 'order.id'" in problem["message"]


def layered(make_trial: MakeTrial) -> Path:
    """A trial that extends a file, overrides one value of it, and names a preset."""
    path: Path = make_trial(extra="extends: org.yaml\npreset: debezium\ngrace_ms: 5\n")
    (path.parent / "org.yaml").write_text("grace_ms: 4\nidle_ms: 3\nkafka: {client: {sasl.password: hunter2}}\n")
    return path


def test_a_shown_config_names_the_place_of_each_given_value(
    cli: Cli, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layered(make_trial)
    monkeypatch.chdir(path.parent)
    lines = cli("config", "show", "trial.yaml").out.splitlines()
    assert {"grace_ms: 5  # trial.yaml:9", "idle_ms: 3  # org.yaml:2", "correctable_ms: 86400000"} <= set(lines)
    assert "  kind: occurrence  # preset debezium:2" in lines
    assert "    sasl.password: '***'  # org.yaml:3" in lines
    wide = [line for line in lines if len(line) > 80]
    assert all(str(path.parent) in line for line in wide), "only a path may be longer"
    found = cli("config", "show", "trial.yaml", "--json", "--origin").json
    assert found["config"] == cli("config", "show", "trial.yaml", "--json").json
    assert (found["origins"]["grace_ms"], found["origins"]["compare.rules[0].path"]) == (
        "trial.yaml:9",
        "preset debezium:5",
    )
    assert "correctable_ms" not in found["origins"]


def test_a_comment_without_room_is_in_the_line_above(cli: Cli, make_trial: MakeTrial) -> None:
    path = layered(make_trial)
    long = path.with_name(f"{'x' * 40}.yaml")
    long.write_text(path.read_text())
    out = cli("config", "show", long).out
    assert f"# {long}:9\ngrace_ms: 5\n" in out
    assert yaml.safe_load(out) == masked(load(long))


def test_each_overridden_value_is_a_note_and_no_problem(cli: Cli, make_trial: MakeTrial) -> None:
    path = layered(make_trial)
    result = cli("validate", path)
    assert (result.code, result.err) == (0, f"note: {path}:9: grace_ms: overrides {path.parent / 'org.yaml'}:1\n")
    (note,) = cli("validate", path, "--json").json["notes"]
    assert (note["line"], note["key"]) == (9, "grace_ms")


def test_the_page_on_shared_defaults_shows_what_its_files_give(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "shared-defaults.md"
    for text in blocks(page, "yaml")[:2]:
        (tmp_path / text.split()[1]).write_text(text)
    monkeypatch.chdir(tmp_path)
    shown = cli("config", "show", "trial.yaml").out.splitlines()
    notes = [f"note: {note}" for note in open_source("trial.yaml").overridden]
    note, excerpt = (text.splitlines() for text in blocks(page, "text"))
    assert notes == note
    assert [line for line in excerpt if line not in shown] == []


def test_the_path_of_an_answer_is_checked_by_schemas_of_inputs(
    cli: Cli, problem_of: Callable[[Path], Problem], make_trial: MakeTrial
) -> None:
    trial = make_trial(replaced=("{outputs: [scores], group: scorer}", "{answer: user.zip}"))
    (trial.parent / "schemas" / "90.payments-value.avsc").write_text(SCORES)
    result = cli("validate", trial)
    assert result.code == 0, result.out
    assert "the candidate gets each input without user.zip" in result.err
    trial.write_text(trial.read_text().replace("user.zip", "user.zpi"))
    problem = problem_of(trial)
    assert (problem["key"], problem["line"]) == ("production.answer", 5)
    assert problem["message"] == "no schema of payments has a field 'user.zpi'; did you mean 'user.zip'?"


def test_paths_of_rules_begin_at_the_answer(
    problem_of: Callable[[Path], Problem], cli: Cli, make_trial: MakeTrial
) -> None:
    checks = "compare:\n  checks: [{path: zip, type: string}]\n"
    trial = make_trial(replaced=("{outputs: [scores], group: scorer}", "{answer: user}"), extra=checks)
    (trial.parent / "schemas" / "90.payments-value.avsc").write_text(SCORES)
    assert cli("validate", trial).code == 0
    trial.write_text(trial.read_text().replace("path: zip", "path: user.zip"))
    assert problem_of(trial)["key"] == "compare.checks[0].path"
