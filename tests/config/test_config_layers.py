"""Layers of a config: what is merged, what is replaced, and where each value comes from."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from shadowstream.cli.report import digests
from shadowstream.config_layers import FILES_MAX, PRESETS
from shadowstream.configfile import ConfigFileError, ConfigSource, load, masked, open_source
from shadowstream.revision import revision_of
from tests.config.test_configfile import GOOD

Write = Callable[..., Path]
ORG = """\
judge:
  alpha: 0.01
  criteria:
    - {rate: mismatch, limit: 0.01}
    - {rate: missing, limit: 0.001}
compare:
  redact: {paths: [email], how: drop}
  rules: [{path: score, atol: 0.1}]
limits: {records_per_s: 500}
candidate: {env: [REGION, TZ]}
"""
TRIAL = """\
judge:
  criteria:
    - {rate: mismatch, limit: 0.02}
    - {rate: extra, limit: 0.02}
compare:
  redact: {paths: [phone]}
  rules: [{path: noise, ignore: true}, {path: $.score, atol: 0.2}]
candidate: {call: "fraud_model.score:score", env: [HOME]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files by name; return the path of `trial.yaml`."""

    def to_files(trial: str, **others: str) -> Path:
        for name, text in {"trial": trial, **others}.items():
            path = tmp_path / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "trial.yaml"

    return to_files


def trial(first: str) -> str:
    """The trial's own file behind the line(s) `first`."""
    return first + "\n" + "".join(GOOD.splitlines(keepends=True)[:3]) + TRIAL


def problems_of(path: Path) -> list[tuple[str, int, str, str]]:
    with pytest.raises(ConfigFileError) as caught:
        load(path, {})
    return [(Path(one.file).name, one.line, one.key, one.message) for one in caught.value.problems]


def origins(source: ConfigSource, *keys: str) -> list[str]:
    """The places of values at dotted keys, without their folder; empty for a default."""
    wheres = [tuple(int(part) if part.isdigit() else part for part in key.split(".")) for key in keys]
    return [str(place).rpartition("/")[2] if (place := source.origin(where)) else "" for where in wheres]


def test_maps_are_merged_and_the_trials_own_value_wins(write: Write) -> None:
    config = load(write(trial("extends: org.yaml"), org=ORG + "name: other\n"), {})
    assert (config.name, config.judge.alpha, config.limits.records_per_s) == ("fraud", 0.01, 500)
    assert config.candidate.env == ["HOME"]  # a list without names is replaced


def test_named_items_of_both_hold_and_the_trials_replaces_its_namesake(write: Write) -> None:
    config = load(write(trial("extends: org.yaml"), org=ORG), {})
    assert [(one.id, one.limit) for one in config.judge.criteria] == [
        ("mismatch", 0.02),
        ("missing", 0.001),
        ("extra", 0.02),
    ]
    assert [(one.path, str(one.atol)) for one in config.compare.rules] == [("$.score", "0.2"), ("noise", "0")]


def test_redaction_of_an_extended_file_is_added_to_and_never_replaced(write: Write) -> None:
    redact = load(write(trial("extends: org.yaml"), org=ORG), {}).compare.redact
    assert redact is not None
    assert (redact.paths, redact.how) == (["email", "phone"], "drop")


def test_every_overridden_value_is_noted_with_both_places(write: Write) -> None:
    source = open_source(write(trial("extends: org.yaml"), org=ORG), {})
    notes = [(Path(one.file).name, one.line, one.key, Path(one.message).name) for one in source.overridden]
    assert notes == [
        ("trial.yaml", 7, "judge.criteria[0]", "org.yaml:4"),
        ("trial.yaml", 11, "compare.rules[0]", "org.yaml:8"),
        ("trial.yaml", 12, "candidate.env", "org.yaml:10"),
    ]
    weakened = trial("extends: org.yaml").replace("{paths: [phone]}", "{how: hash}")
    assert "compare.redact.how" in [one.key for one in open_source(write(weakened, org=ORG), {}).overridden]
    removed = trial("extends: org.yaml").replace("{paths: [phone]}", "")
    assert "compare.redact" in [one.key for one in open_source(write(removed, org=ORG), {}).overridden]


def test_each_value_has_the_place_it_comes_from(write: Write) -> None:
    source = open_source(write(trial("extends: org.yaml\npreset: debezium"), org=ORG), {})
    keys = ("name", "judge.alpha", "judge.criteria.1.limit", "judge.criteria.2.rate", "compare.redact.paths.0")
    assert origins(source, *keys) == ["trial.yaml:3", "org.yaml:2", "org.yaml:5", "trial.yaml:9", "org.yaml:7"]
    assert origins(source, "identity.kind", "judge.window_ms", "judge.criteria.0.alpha") == [
        "preset debezium:2",
        "",
        "",
    ]


def test_a_short_form_and_a_renamed_key_have_their_place(write: Write) -> None:
    client = "kafka: {client: {sasl.mechanism: PLAIN}, roles: {}}\n"
    source = open_source(write(GOOD + "compare: {examples: 5}\n" + client), {})
    assert origins(source, "compare.examples.count", "kafka.client.sasl.mechanisms") == ["trial.yaml:5", "trial.yaml:6"]
    assert origins(source, "kafka.bootstrap", "compare.match_sample") == ["", ""]


@pytest.mark.parametrize(
    ("org", "line", "key", "message"),
    [
        ("judge: {alhpa: 0.01}\n", 1, "judge.alhpa", "unknown key; did you mean 'alpha'?"),
        ("limits: {}\ngrace_ms: soon\n", 2, "grace_ms", "expected a whole number, found 'soon'"),
        ("grace_ms: ${NOPE}\n", 1, "grace_ms", "variable NOPE is not set"),
        ("grace_ms: 1\ngrace_ms: 2\n", 2, "grace_ms", "occurs twice, first in line 1"),
        ("- a\n", 1, "", "expected keys with values"),
        ("a: [\n", 2, "", "is not YAML"),
    ],
)
def test_an_error_in_an_extended_file_names_its_file_line_and_key(
    write: Write, org: str, line: int, key: str, message: str
) -> None:
    found = problems_of(write(trial("extends: org.yaml"), org=org))
    assert found[0][:3] == ("org.yaml", line, key)
    assert found[0][3].startswith(message)
    assert {one[0] for one in found} == {"org.yaml"}  # no consequences in the trial's own file


@pytest.mark.parametrize(
    ("first", "key", "message"),
    [
        ("extends: gone.yaml", "extends", "there is no file"),
        ("extends: [org.yaml, gone.yaml]", "extends[1]", "there is no file"),
        ("extends: round.yaml", "extends", "there is no file"),
        (f"extends: {'x' * 300}", "extends", "there is no file"),
        ('extends: "a\\0b"', "extends", "there is no file"),
        ("extends: {a: 1}", "extends", "expected a file, or a list of files"),
        ("extends:", "extends", "expected a file, or a list of files"),
        ("extends: [5]", "extends[0]", "expected a file, or a list of files"),
        ("preset: debezum", "preset", "there is no preset 'debezum'; known are debezium"),
        ("preset: [debezium, 7]", "preset[1]", "expected one of debezium"),
        ("extends: trial.yaml", "extends", "goes round in a circle"),
        ("extend: org.yaml", "extend", "unknown key; did you mean 'extends'?"),
    ],
)
def test_a_layer_that_cannot_be_used_is_reported_in_its_line(write: Write, first: str, key: str, message: str) -> None:
    path = write(trial(first), org=ORG)
    (path.parent / "round.yaml").symlink_to("round.yaml")
    ((file, line, where, found),) = problems_of(path)
    assert (file, line, where) == ("trial.yaml", 1, key)
    assert found.startswith(message)


def test_a_circle_names_its_files_in_order(write: Write) -> None:
    path = write(trial("extends: org.yaml"), org="extends: team.yaml\n", team="extends: ./org.yaml\n")
    ((file, line, key, message),) = problems_of(path)
    assert (file, line, key) == ("team.yaml", 1, "extends")
    names = [Path(part).name for part in message.partition(": ")[2].partition(";")[0].split(" extends ")]
    assert names == ["org.yaml", "team.yaml", "org.yaml"]


def test_a_long_chain_ends_with_an_error_at_its_bound(write: Write) -> None:
    chain = {f"l{i}": f"extends: l{i + 1}.yaml\n" for i in range(FILES_MAX + 1)}
    chain[f"l{FILES_MAX}"] = "grace_ms: 5\n"
    assert f"more than {FILES_MAX} files" in problems_of(write(trial("extends: l0.yaml"), **chain))[0][3]
    chain[f"l{FILES_MAX - 1}"] = "grace_ms: 6\n"
    assert load(write(trial("extends: l0.yaml"), **chain), {}).grace_ms == 6


def test_later_files_win_and_a_shared_one_stays_the_lowest(write: Write) -> None:
    org = "grace_ms: 1\nidle_ms: 1\nfuture_ms_max: 1\n"
    a, b = "extends: org.yaml\ngrace_ms: 2\nidle_ms: 2\n", "extends: org.yaml\ngrace_ms: 3\n"
    config = load(write(trial("extends: [a.yaml, b.yaml]"), org=org, a=a, b=b), {})
    assert (config.grace_ms, config.idle_ms, config.future_ms_max) == (3, 2, 1)


def test_files_win_over_presets_wherever_these_are_named(write: Write) -> None:
    org = "preset: debezium\nidentity: {tolerance_ms: 5}\n"
    config = load(write(trial("extends: org.yaml") + "identity: {kind: key}\n", org=org), {})
    assert (config.identity.kind, config.identity.tolerance_ms) == ("key", 5)


def test_paths_and_variables_of_an_extended_file_are_its_own(write: Write, tmp_path: Path) -> None:
    org = "schemas: {dir: avro}\ncandidate: {files: [model.bin]}\ngrace_ms: ${G}\n"
    path = write(trial("extends: ${TEAM}/org.yaml"), **{"team/org": org})
    config = load(path, {"G": "7", "TEAM": "team"})
    assert (config.schemas.dir, config.candidate.files) == (
        str(tmp_path / "team/avro"),
        [str(tmp_path / "team/model.bin")],
    )
    assert config.grace_ms == 7


def test_secrets_of_an_extended_file_are_masked_and_keep_their_digits(write: Write) -> None:
    config = load(write(trial("extends: org.yaml"), org="kafka:\n  client: {sasl.password: 0123}\n"), {})
    assert config.kafka.client == {"sasl.password": "0123"}
    assert "0123" not in str(masked(config))


def test_the_revision_is_that_of_the_merged_config(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(trial("extends: org.yaml"), org=ORG)
    (path.parent / "fraud_model").mkdir()
    (path.parent / "fraud_model" / "score.py").write_text("def score(value):\n    return value\n")
    monkeypatch.syspath_prepend(str(path.parent))
    extended = revision_of(load(path, {}))
    own = GOOD.replace('score"}', 'score", env: [HOME]}')
    criteria = "[{rate: mismatch, limit: 0.02}, {rate: missing, limit: 0.001}, {rate: extra, limit: 0.02}]"
    rules = "[{path: $.score, atol: 0.2}, {path: noise, ignore: true}]"
    by_hand = f"{own}judge: {{alpha: 0.01, criteria: {criteria}}}\ncompare: {{rules: {rules}}}\n"
    assert revision_of(load(write(by_hand), {})) == extended
    assert revision_of(load(write(trial("extends: org.yaml"), org=ORG.replace("0.001", "0.002")), {})) != extended


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_valid_part_of_a_config(write: Write, preset: str) -> None:
    source = open_source(write(trial(f"preset: {preset}")), {})
    assert source.config.compare.rules
    assert origins(source, "compare.rules.0.path")[0].startswith(f"preset {preset}:")


def test_the_folder_of_presets_holds_exactly_the_known_ones() -> None:
    folder = Path(__file__).parents[2] / "shadowstream" / "presets"
    assert sorted(file.stem for file in folder.iterdir()) == sorted(PRESETS)


def test_a_report_names_the_files_that_its_config_extends(write: Write) -> None:
    path = write(trial("extends: org.yaml\npreset: debezium"), org=ORG)
    own, extended = (
        hashlib.sha256(path.with_name(file).read_bytes()).hexdigest() for file in ("trial.yaml", "org.yaml")
    )
    assert digests(str(path)) == f"{own}; extends org.yaml, SHA-256 {extended}"
