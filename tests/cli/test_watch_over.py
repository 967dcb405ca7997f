"""`watch-over`: a file that validates, with its reasons as comments, and the variables of the file before."""

from pathlib import Path

import pytest

from shadowstream.configfile import load
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import Judged

OLD = "def score(value):\n    return value\n"


@pytest.fixture
def before(make_trial: MakeTrial, tmp_path: Path) -> Path:
    (tmp_path / "old_version.py").write_text(OLD)
    return make_trial(extra="judge: {criteria: [{rate: mismatch, limit: 0.02}, {rate: missing, limit: 0.003}]}\n")


def turn(cli: Cli, before: Path, *more: str | Path, old: str = "old_version:score") -> Path:
    out = before.parent / "back.yaml"
    result = cli("watch-over", before, "--candidate", old, "--out", out, *more)
    assert result.code == 0, result.err
    return out


def test_the_written_config_validates_and_names_what_a_reject_means(cli: Cli, before: Path) -> None:
    out = turn(cli, before)
    assert cli("validate", out).code == 0
    config, text = load(out), out.read_text()
    assert (config.name, config.candidate.call, config.watch_over) == ("fraud-back", "old_version:score", True)
    assert (config.inputs, config.production, config.starts) == (
        *(load(before).inputs, load(before).production),
        "production-group",
    )
    assert {one.rate: one.limit for one in config.judge.criteria if not one.muted} == {
        "mismatch": 0.02,
        "extra": 0.003,
        "missing": 0.01,
    }
    assert "# reject means: roll back." in text
    assert "# - criterion missing is now extra" in text
    unwrapped = text.replace("\n#   ", " ")
    assert "wait until group scorer is empty, then start the old one." in unwrapped


def test_variables_and_secrets_stay_variables(
    cli: Cli, before: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = before.read_text()
    before.write_text(
        text.replace(
            'bootstrap: "localhost:1"', 'bootstrap: "${BROKER:-localhost:1}", client: {sasl.password: "${PASSWORD}"}'
        )
    )
    monkeypatch.setenv("PASSWORD", "0123")
    out = turn(cli, before)
    written = out.read_text()
    assert "0123" not in written
    assert 'bootstrap: "${BROKER:-localhost:1}"' in written
    assert load(out).kafka == load(before).kafka


def test_an_old_version_of_another_kind_is_a_section_of_a_file(cli: Cli, before: Path, tmp_path: Path) -> None:
    section = tmp_path / "old.yaml"
    section.write_text('candidate: {topic: scores-old, group: old-job, version: "3"}\n')
    config = load(turn(cli, before, "--name", "again", "--group", "next", old=str(section)))
    assert (config.name, config.candidate.topic, config.candidate.version) == ("again", "scores-old", "3")
    assert config.production.group == "next"
    unwrapped = (before.parent / "back.yaml").read_text().replace("\n#   ", " ")
    assert "wait until group next is empty, give group scorer the commits of group next, then start" in unwrapped


def test_gate_says_roll_back_where_it_would_say_reject(cli: Cli, judged: Judged) -> None:
    (judged.path.parent / "old_version.py").write_text(OLD)
    back = Judged(turn(cli, judged.path), judged.bootstrap)
    back.create()
    for decision, part, code in (("reject", "roll back: ", 3), ("promote", "keep it: ", 0), ("not_yet", "", 4)):
        back.say(decision)
        result = cli("gate", back.path)
        assert (result.code, result.out.splitlines()[1].startswith(f"  {part}")) == (code, True)
        judged.say(decision)
        assert not part or part not in cli("gate", judged.path).out


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (("--candidate", "absent.yaml", "--out", "back.yaml"), "--candidate absent.yaml"),
        (("--candidate", "old_version:score", "--out", "../back.yaml"), "write it beside"),
        (("--candidate", "old_version:score", "--out", "trial.yaml"), "exists already"),
        (("--candidate", "old_version:gone", "--out", "back.yaml"), "candidate.call"),
        (("--candidate", "old_version:score", "--out", "back.yaml", "--name", "a.b"), "is not usable"),
        (("--candidate", "old_version:score", "--out", "back.yaml", "--name", "fraud"), "a name of its own"),
    ],
)
def test_what_cannot_be_turned_leaves_no_file(
    given: tuple[str, ...], part: str, cli: Cli, before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(before.parent)
    text = before.read_text()
    result = cli("watch-over", before.name, *given)
    assert (result.code, part in result.err) == (2, True), result.err
    assert not Path("back.yaml").exists()
    assert before.read_text() == text


def test_a_config_in_layers_turns_as_one(
    cli: Cli, before: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    whole, lines = load(before), before.read_text().replace("dir: schemas", "dir: ../schemas").splitlines(keepends=True)
    (shared / "base.yaml").write_text(
        "".join(line for line in lines if not line.startswith("name:"))
        + "compare: {rules: [{path: score, atol: 0.5}], redact: {paths: [mail], secret: '${HASH:-}'}}\n"
    )
    monkeypatch.setenv("HASH", "a secret of the hashes")
    before.write_text("extends: shared/base.yaml\nname: fraud\ncompare: {rules: [{path: state, ignore: true}]}\n")
    config = load(turn(cli, before))
    assert (config.inputs, config.production, config.name) == (whole.inputs, whole.production, "fraud-back")
    assert [rule.path for rule in config.compare.rules] == ["score", "state"]
    assert config.compare.redact == load(before).compare.redact
    assert config.schemas == load(before).schemas
    text = (tmp_path / "back.yaml").read_text()
    assert "${HASH:-}" in text
    assert "secret of the hashes" not in text
    assert "base.yaml, and does not follow later changes" in " ".join(text.replace("\n#", "").split())


def test_paths_of_the_old_version_stay_those_of_its_file(cli: Cli, before: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "base.yaml").write_text("candidate: {files: [weights.bin]}\n")
    (old / "weights.bin").write_bytes(b"1")
    (old / "old.yaml").write_text("extends: base.yaml\ncandidate: {call: old_version:score}\n")
    config = load(turn(cli, before, old=str(old / "old.yaml")))
    assert config.candidate.files == [str(old / "weights.bin")]
