"""From YAML to a config: each error with file, line, key and what to do; secrets never shown."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadowstream.configfile import ConfigFileError, load, masked, open_source
from shadowstream.errors import ConfigError, IsolationError

GOOD = """\
name: fraud
inputs: [payments]
production: {outputs: [scores], group: scorer}
candidate: {call: "fraud_model.score:score"}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "trial.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def errors_of(path: Path, **environ: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigFileError) as caught:
        load(path, environ)
    assert all(problem.file == str(path) for problem in caught.value.problems)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [(problem.line, problem.key, problem.message) for problem in caught.value.problems]


WITH_AN_ID = "goes with identity.kind key, coordinate or id"


def judged(*rates: str) -> str:
    """A line with criteria for these rates."""
    return f"judge: {{criteria: [{', '.join(f'{{rate: {one}}}' for one in rates)}]}}"


def the_message(path: Path, line: int, key: str, **environ: str) -> str:
    found = errors_of(path, **environ)
    assert [(one[0], one[1]) for one in found] == [(line, key)], found
    return found[0][2]


def test_four_keys_are_enough(write: Write) -> None:
    config = load(write(GOOD), {})
    assert (config.name, config.inputs, config.grace_ms) == ("fraud", ["payments"], 60_000)


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        (GOOD + "kafka:\n  boostrap: a:1\n", 6, "kafka.boostrap", "unknown key; did you mean 'bootstrap'?"),
        (
            GOOD + "kafka:\n  zzz: 1\n",
            6,
            "kafka.zzz",
            "unknown key; known are bootstrap, client, group_protocol, msk, roles",
        ),
        (
            "name: a\ninputs: [b]\nproduction:\n  group: x\ncandidate: {call: 'a:b'}\n",
            *(3, "production.outputs", "is missing; add it (topics that production writes)"),
        ),
        ("- a\n", 1, "", "expected keys with values, found a list; write {key: value}"),
    ],
    ids=["a misspelt key", "a key unlike any other", "a missing key inside another", "the root"],
)
def test_a_wrong_key_is_reported_in_its_line(write: Write, text: str, line: int, key: str, message: str) -> None:
    assert the_message(write(text), line, key) == message


@pytest.mark.parametrize("key", ["name", "inputs", "production", "candidate"])
def test_a_missing_key_is_named_in_the_line_of_what_lacks_it(write: Write, key: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(key)]
    assert the_message(write("\n".join(lines)), 1, key).startswith("is missing; add it")


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("grace_ms: '5'", "grace_ms", "expected a whole number, found '5'; write one, without quotes (event time"),
        ("grace_ms: 1.5", "grace_ms", "expected a whole number, found '1.5'"),
        ("grace_ms: -1", "grace_ms", "must be greater than or equal to 0, found '-1'"),
        ("grace_ms:", "grace_ms", "expected a whole number, found nothing"),
        ("bounded: yes", "bounded", "expected true or false, found 'yes'; write one of them, without quotes"),
        ("start: latst", "start", "'latst' is not one of production-group, latest, earliest; did you mean 'latest'?"),
        ("identity: key", "identity", "expected keys with values, found 'key'; write {key: value}"),
        ("compare: {rules: {path: a}}", "compare.rules", "expected a list, found keys with values; write [a, b]"),
        ("schemas: {dir: 5}", "schemas.dir", "expected a text, found '5'; put it in quotes"),
        ("schemas: {dir: a, registry: b}", "schemas", "give either dir or registry, not both"),
        ("identity: {header: h}", "identity", "header goes with kind: coordinate or id"),
        ("identity: {path: a}", "identity", "path goes with kind: id"),
        ("identity: {kind: id}", "identity.kind", "id needs either header or path"),
        ("identity: {kind: id, header: h, path: p}", "identity.kind", "id needs either header or path"),
        ("identity: {kind: occurrence, outputs: many}", "identity.outputs", "many needs an id of the input"),
        ("twin: {topic: scores}", "", "a topic is named more than once"),
        ("twin: {topic: again}\nidentity: {kind: occurrence}", "", f"twin {WITH_AN_ID}"),
        ("limits: {overflow: spill}\nidentity: {kind: occurrence}", "limits.overflow", f"spill {WITH_AN_ID}"),
        (
            "limits: {overflow: spill}\nidentity: {kind: id, header: h, outputs: many}",
            *("limits.overflow", f"spill {WITH_AN_ID}"),
        ),
        ("kafka: {client: {a.b: [1]}}", "kafka.client.a.b", "expected a text, a number or true/false, found a list"),
        ("kafka: {client: {a.b: }}", "kafka.client.a.b", "expected a text, a number or true/false, found nothing"),
        ("compare: {rules: [{path: a}]}", "compare.rules[0]", "the rule has no effect; give ignore, atol or rtol"),
        ("judge: {alpha: 0.999}", "judge.alpha", "must be less than or equal to 0.25, found '0.999'"),
        ("judge: {min_coverage: 1.1}", "judge.min_coverage", "must be less than or equal to 1, found '1.1'"),
        ("judge: {drift: {min_effect: .inf}}", "judge.drift.min_effect", ".inf is not a finite number; give one"),
        (judged("extra, limit: 1"), "judge.criteria[0].limit", "must be less than 1, found '1'"),
        (judged("extra, limit: 0.1", "extra, limit: 0.2"), "judge.criteria", "extra is judged more than once"),
        (
            judged("cost, ratio: 1.5, limit: 0.01"),
            "judge.criteria[0].rate",
            "cost needs reference_ms: shadowstream cannot measure production, so measure its CPU time there",
        ),
        (judged("cost, reference_ms: 2, limit: 0.01"), "judge.criteria[0].rate", "cost needs ratio"),
        (
            judged("extra, reference_ms: 2, limit: 0.01"),
            *("judge.criteria[0]", "reference_ms does not go with rate: extra"),
        ),
        ("judge: {alpha: .nan}", "judge.alpha", ".nan is not a finite number; give one"),
    ],
)
def test_a_wrong_value_is_reported_with_its_text_and_a_remedy(write: Write, line: str, key: str, message: str) -> None:
    found = the_message(write(GOOD + line + "\n"), 5 if key else 1, key)
    assert found.startswith(message)


def test_an_address_of_the_candidate_needs_a_port_that_exists(write: Write) -> None:
    text = GOOD.replace(':score"}', ':score", network: ["a:65535", "b:65536"]}')
    assert the_message(write(text), 4, "candidate.network[1]") == "b:65536 names no port; ports end at 65535"


def test_a_wrong_value_of_a_header_is_not_shown(write: Write) -> None:
    text = GOOD + 'alerts: {channels: [{webhook: "https://a.example", headers: {X-Hook: 8675309}}]}\n'
    found = the_message(write(text), 5, "alerts.channels[0].headers.X-Hook")
    assert found.startswith("expected a text, found a value that is not shown")


COST = judged("cost, reference_ms: 2, ratio: 1.5, limit: 0.01")
ADOPTED = "candidate: {topic: next, group: next-scorer, version: '7'}"


@pytest.mark.parametrize(
    ("candidate", "line", "key", "message"),
    [
        ("candidate: {trusted: true}", 4, "candidate", "give either call (the runner calls it) or topic"),
        ("candidate: {call: 'a:b', topic: next}", 4, "candidate", "give either call (the runner calls it) or topic"),
        ("candidate: {call: 'a:b', version: '7'}", 4, "candidate.version", "goes with http or topic, and this"),
        ("candidate: {topic: next, group: g}", 4, "candidate", "topic needs group (its commits say how far it is)"),
        (ADOPTED + "\nbounded: true", 5, "bounded", "needs candidate.call"),
        (ADOPTED + f"\n{COST}", 5, "judge.criteria", "cost needs candidate.call"),
        (
            f"candidate: {{call: 'a:b', takes: batch}}\n{COST}",
            *(5, "judge.criteria", "cost of a candidate that takes batches needs unit: block"),
        ),
        (ADOPTED.replace("next,", "payments,"), 1, "", "a topic is named more than once"),
        (ADOPTED + "\ntwin: {topic: next}", 1, "", "a topic is named more than once"),
    ],
)
def test_a_candidate_is_either_called_or_a_job_of_its_own(
    write: Write, candidate: str, line: int, key: str, message: str
) -> None:
    text = "\n".join([*GOOD.splitlines()[:-1], candidate])
    assert the_message(write(text), line, key).startswith(message)


def test_an_external_candidate_must_not_use_the_trials_topics(write: Write) -> None:
    text = "\n".join([*GOOD.splitlines()[:-1], ADOPTED])
    config = load(write(text), {})
    assert (config.candidate.call, config.candidate.topic, config.candidate.commits) == (None, "next", "unknown")
    for old, new in (("topic: next", "topic: shadow.fraud.out.scores"), ("next-", "shadow.fraud.")):
        with pytest.raises(IsolationError, match="shadow"):
            load(write(text.replace(old, new)), {})


def test_all_problems_of_a_file_are_reported_in_line_order(write: Write) -> None:
    lines = "nam: a", "name: b", "name: c", "inputs: []", "production: {outputs: 1}", "candidate: {call: x}"
    path = write("\n".join([*lines, "grace_ms: ${G}\n"]))
    keys = {1: "nam", 3: "name", 4: "inputs", 5: "production.outputs", 6: "candidate.call", 7: "grace_ms"}
    assert [(line, key) for line, key, _ in errors_of(path)] == list(keys.items())


def test_a_name_that_makes_no_prefix_is_reported_in_its_line(write: Write) -> None:
    message = the_message(write("\n" + GOOD.replace("fraud\n", "a.b\n")), 2, "name")
    assert message.startswith("'a.b' is not usable; use 1-64 of a-z")


@pytest.mark.parametrize(
    ("change", "line", "key"),
    [
        (("group: scorer", "commits: after_output"), 3, "production.commits"),
        ((", group: scorer}", "}\nbounded: true"), 4, "bounded"),
        ((", group: scorer}", "}\nstart: production-group"), 4, "start"),
        ((", group: scorer}", ", group: scorer}\ntwin: {topic: again}\nbounded: true"), 5, "bounded"),
    ],
)
def test_a_rule_between_keys_is_reported_in_the_line_of_its_key(
    write: Write, change: tuple[str, str], line: int, key: str
) -> None:
    needed = "twin.group" if "twin" in change[1] else "production.group"
    assert f"needs {needed}" in the_message(write(GOOD.replace(*change)), line, key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[payments]", "[shadow.fraud.out.scores]"),
        ("[scores]", "[shadow.other.diff]"),
        ("group: scorer", "group: shadow.fraud.runner"),
    ],
)
def test_a_trials_topics_as_productions_are_an_isolation_error(write: Write, old: str, new: str) -> None:
    with pytest.raises(IsolationError, match="shadow"):
        load(write(GOOD.replace(old, new)), {})


def test_problems_and_an_absent_file_are_one_config_error(write: Write, tmp_path: Path) -> None:
    assert the_message(tmp_path / "trial.yaml", 1, "").startswith("cannot be read: No such file or directory")
    with pytest.raises(ConfigError):
        load(write("a: 1"), {})


def test_values_come_from_the_given_environment_only(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(GOOD + "grace_ms: ${G}\nkafka: {bootstrap: '${B:-b:1}'}\n")
    monkeypatch.setenv("G", "7")
    assert load(path).grace_ms == 7
    assert load(path, {"G": "8"}).grace_ms == 8
    assert load(path, {"G": "8"}).kafka.bootstrap == "b:1"
    assert the_message(path, 5, "grace_ms").startswith("variable G is not set")


def test_below_kafka_client_values_are_taken_as_written(write: Write) -> None:
    names = ("sasl.password", "sasl.username", "check.crcs", "client.id", "client.rack")
    client = "{" + ", ".join(map("{}: {}".format, names, ("0123", "'${U}'", "True", "1e3", "'${P}'"))) + "}"
    client = f"{client}\n  roles: {{runner: {{client: {client}}}}}"
    config = load(write(GOOD + f"kafka:\n  client: {client}\n"), {"U": "0x1F", "P": "1.50"})
    written = dict(zip(names, ("0123", "0x1F", "True", "1e3", "1.50"), strict=True))
    assert config.kafka.client == config.kafka.roles["runner"].client == written


def test_a_plain_variable_below_kafka_client_keeps_its_digits(write: Write) -> None:
    config = load(write(GOOD + "kafka:\n  client:\n    sasl.password: ${PW}\n"), {"PW": "007"})
    assert config.kafka.client == {"sasl.password": "007"}


@pytest.mark.parametrize("quote", ["", "'"])
def test_an_empty_variable_of_a_secret_is_an_empty_text(write: Write, quote: str) -> None:
    client = f"\n  client:\n    sasl.password: {quote}${{PW:-}}{quote}\n"
    config = load(write(GOOD + f"judge:\n  commands_key: {quote}${{KEY:-}}{quote}\nkafka:{client}"), {})
    assert config.kafka.client == {"sasl.password": ""}
    with pytest.raises(ConfigError, match=r"judge\.commands_key: is empty here"):
        _ = config.commands_key


def test_paths_are_relative_to_the_config_file_and_come_out_absolute(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GOOD.replace('score:score"}', 'score:score", files: [m/a.bin, /abs/b.bin]}')
    path = write(text + "schemas: {dir: ../schemas}\n")
    monkeypatch.chdir(tmp_path)
    for given in (path, Path("trial.yaml")):
        config = load(given, {})
        assert config.schemas.dir == str(tmp_path.parent / "schemas")
        assert config.candidate.files == [str(tmp_path / "m/a.bin"), "/abs/b.bin"]


def test_no_problem_shows_a_password_or_what_a_variable_holds(write: Write) -> None:
    path = write(
        GOOD.replace("payments", "payments, 5")
        + "grace_ms: ${GRACE}\nstart: ${START}\nkafka:\n  client:\n    sasl.password: [hunter2]\n"
    )
    text = str(errors_of(path, GRACE="hunter3", START="hunter4"))
    assert "hunter" not in text
    assert "${GRACE}" in text


def test_the_shown_config_masks_secrets_and_nothing_else(write: Write) -> None:
    config = load(
        write(
            GOOD + "alerts: {webhook: 'https://h/hunter2'}\n"
            "schemas: {registry: 'http://u:hunter2@r:8081'}\nkafka:\n  client:\n    sasl.username: hunter2\n"
            "    sasl.mechanism: hunter2\n    ssl.key.pem: hunter2\n    ssl.keystore.password: hunter2\n"
            "    client.id: me\n"
        ),
        {},
    )
    shown = masked(config)
    assert "hunter2" not in str(shown)
    assert shown["schemas"]["registry"] == "http://***@r:8081"
    assert shown["kafka"]["client"]["client.id"] == "me"
    assert shown["kafka"]["client"]["sasl.mechanisms"] == "***"
    assert shown["alerts"]["webhook"] == "***"
    del shown["kafka"], shown["schemas"], shown["alerts"]
    expected = config.model_dump(mode="json")
    del expected["kafka"], expected["schemas"], expected["alerts"]
    assert shown == expected


def test_a_problem_found_later_is_placed_by_its_key(write: Write) -> None:
    source = open_source(write(GOOD), {})
    assert source.problem("candidate.call: is gone")[1:] == (4, "candidate.call", "is gone")
    assert source.problem("x/y: is broken", ("schemas", "dir"))[1:] == (1, "schemas.dir", "x/y: is broken")
    assert source.problem("http: no key at all")[1:] == (1, "", "http: no key at all")


UNTIL = f"{GOOD}compare:\n  expected:\n    - {{name: renamed, paths: [state], rate_max: 0.05, until: %s}}\n"


def test_the_end_of_a_declared_change_is_read_with_its_offset(write: Write) -> None:
    for text in ("2027-01-31T00:00:00Z", "2027-01-31T01:00:00+01:00", '"2027-01-31T00:00:00Z"'):
        (declared,) = load(write(UNTIL % text), {}).compare.expected
        assert declared.until == datetime(2027, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "part"), [("soon", "'soon' is no ISO 8601 time"), ("2027-01-31T00:00:00", "give the offset from UTC")]
)
def test_an_end_that_is_no_time_is_reported_with_an_example(text: str, part: str, write: Write) -> None:
    message = the_message(write(UNTIL % text), 7, "compare.expected[0].until")
    assert part in message
    assert "for example 2027-01-31T00:00:00Z" in message
