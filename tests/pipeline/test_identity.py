"""An identity that does not fit production's records, on the real broker: not yet, with its share and a way out."""

import json
from pathlib import Path
from typing import Any

import pytest

from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, produce_all
from tests.pipeline.role_processes import commit
from tests.pipeline.trial_fixture import PARTITIONS, STEP_MS, Trial, time_ms

ORDERS = 1_200

CANDIDATES = """
def right(order):
    return {"score": order["amount"] / 1000}


def right_in_the_first_step(order):
    return {"score": order["amount"] / 1000 if order["step"] == 0 else 99.0}
"""


def of_step(n: int) -> tuple[bytes, int]:
    """Key and step: each key four times in a row within its partition."""
    of_partition = n // PARTITIONS
    return b"order-%d-%d" % (n % PARTITIONS, of_partition // 4), of_partition % 4


def of_few(n: int) -> tuple[bytes, int]:
    """Key and step of one of 50 keys."""
    return b"order-%d" % (n % 51), n // 51


def of_one(n: int) -> tuple[bytes, int]:
    return b"order-%d" % n, 0


def judged(trial: Trial, keys: Any) -> tuple[int, str, dict[str, Any], str]:
    """Exit code and text of gate, what it says as JSON, and the text of explain, after the whole trial."""
    trial.write_config(judge={"window_ms": 60 * STEP_MS, "min_duration_ms": STEP_MS})
    trial.create_topics()
    inputs, outputs = [], []
    for n in range(ORDERS):
        key, step = keys(n)
        amount = n * 37 % 1_000
        at = {"key": key, "partition": n % PARTITIONS, "timestamp_ms": time_ms(n)}
        inputs.append(Write(json.dumps({"n": n, "step": step, "amount": amount}).encode(), **at))
        outputs.append(Write(json.dumps({"score": amount / 1000}).encode(), **at))
    produce_all(trial.bootstrap, trial.input, inputs)
    produce_all(trial.bootstrap, trial.output, outputs)
    commit(trial, trial.group, dict.fromkeys(range(PARTITIONS), ORDERS // PARTITIONS))
    trial.play("run", "join", "judge")
    path = str(trial.config_path)
    gate, explained = trial.ask("gate", path), trial.ask("explain", path)
    print(gate.stdout, gate.stderr, explained.stdout, sep="\n")
    return (
        gate.returncode,
        gate.stdout + gate.stderr,
        json.loads(trial.ask("gate", path, "--json").stdout),
        (explained.stdout),
    )


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("keys", [of_step, of_few], ids=["each key four times", "a few keys"])
def test_a_key_that_repeats_promotes_nobody_whose_repeats_are_wrong(keys: Any, kafka: Broker, tmp_path: Path) -> None:
    call = "trial_candidate:right_in_the_first_step"
    trial = Trial(kafka.bootstrap, f"repeats-{keys.__name__}".replace("_", "-"), tmp_path, CANDIDATES, call)
    code, gate, answer, explained = judged(trial, keys)
    assert code == 4
    share, whole = ("75 %", "(900 of 1,200)") if keys is of_step else ("95.75 %", "(1,149 of 1,200)")
    sentence = f"{share} of production's records {whole} repeat a key; use identity: occurrence or coordinate"
    assert answer["reasons"][0] == sentence
    assert sentence in plain(gate)
    assert sentence in plain(explained)
    assert any(one["event"] == "identity_repeats" for one in trial.logged("run"))


IDENTITIES: dict[str, tuple[dict[str, Any], str]] = {
    "coordinate": ({"kind": "coordinate"}, "no usable header 's'; set identity.header to the one by which"),
    "path": ({"kind": "id", "path": "order.id"}, "no field 'order.id'; set identity.path to a field that every output"),
}  # fmt: skip


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_that_finds_nothing_rejects_no_good_candidate(name: str, kafka: Broker, tmp_path: Path) -> None:
    identity, sentence = IDENTITIES[name]
    trial = Trial(kafka.bootstrap, f"finds-{name}", tmp_path, CANDIDATES, "trial_candidate:right", identity)
    code, gate, answer, explained = judged(trial, of_one)
    assert code == 4
    assert answer["reasons"][0].startswith("100 % of production's records (1,200 of 1,200) have " + sentence)
    assert sentence in plain(gate)
    assert sentence in plain(explained)
    assert any(one["event"] == "identity_finds_nothing" for one in trial.logged("run"))
