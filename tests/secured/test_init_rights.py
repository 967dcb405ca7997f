"""`init` on a cluster that shows a topic and refuses its records: the file says so, and is written."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # public, not in __all__

from shadowstream.cli import run
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.secured.secured_kafka import SecuredKafka, right


def test_a_topic_that_may_not_be_read_is_named_in_the_file(
    secured: SecuredKafka, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, outputs = f"{topic_prefix}in", f"{topic_prefix}out"
    create_topics(secured.bootstrap, {inputs: 1, outputs: 1})
    for topic in (inputs, outputs):
        produce_all(secured.bootstrap, topic, [Write(b"{}", b"key-%d" % n) for n in range(30)])
    secured.allow([right("reader", AclOperation.READ, ResourceType.TOPIC, outputs)])
    secured.allow([right("reader", AclOperation.DESCRIBE, ResourceType.TOPIC, inputs)])
    properties = tmp_path / "client.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in secured.client("reader").items()))
    out = tmp_path / "trial.yaml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "candidate.py").write_text("def score(value):\n    return value\n")
    words = ["init", "--bootstrap", secured.login, "--inputs", inputs, "--outputs", outputs, "--yes"]
    assert run([*words, "--candidate", "candidate:score", "--client-config", str(properties)]) == 0
    text = " ".join(out.read_text().replace("#", " ").split())
    assert "Not sampled, so nothing below rests on it: this login may not read it (TOPIC_AUTHORIZATION_FAILED)" in text
    assert "no input was sampled, so it is not checked against inputs" in text
    password = secured.client("reader")["sasl.password"]
    assert password not in out.read_text()
    assert 'sasl.password: "${SASL_PASSWORD:-}"' in text
    monkeypatch.setenv("SASL_PASSWORD", password)
    assert run(["validate", str(out)]) == 0
