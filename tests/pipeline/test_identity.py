"""An identity that does not fit production's records, on the real broker: not yet, with its share and a way out."""

import json
from typing import Any

import pytest

from shadowstream.testing.topics import Write, produce_all
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import commit
from tests.pipeline.trial_fixture import PARTITIONS, STEP_MS, Trial, below, time_ms

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


def judged(trial: Trial, keys: Any) -> tuple[str, str, str]:
    """The first reason of gate, which says not yet, its text, and the text of explain, after the whole trial."""
    trial.write_config(judge={"window_ms": 60 * STEP_MS, "min_duration_ms": STEP_MS})
    inputs, outputs = [], []
    for n in range(ORDERS):
        key, step = keys(n)
        amount = n * 37 % 1_000
        at = {"key": key, "partition": n % PARTITIONS, "timestamp_ms": time_ms(n)}
        inputs.append(Write(json.dumps({"n": n, "step": step, "amount": amount}).encode(), **at))
        outputs.append(Write(json.dumps({"score": amount / 1000}).encode(), **at))
    produce_all(trial.bootstrap, trial.input, inputs)
    produce_all(trial.bootstrap, trial.output, outputs)
    commit(trial, trial.group, below(ORDERS))
    trial.play("run", "join", "judge")
    gate, explained = trial.ask("gate"), trial.ask("explain")
    print(gate.stdout, gate.stderr, explained.stdout, sep="\n")
    assert gate.returncode == 4
    answer: dict[str, Any] = json.loads(trial.ask("gate", "--json").stdout)
    return answer["reasons"][0], plain(gate.stdout + gate.stderr), plain(explained.stdout)


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(of_step, id="each key four times"),
        pytest.param(of_few, id="a few keys", marks=pytest.mark.long),
    ],
)
def test_a_key_that_repeats_promotes_nobody_whose_repeats_are_wrong(keys: Any, make_trial: MakeTrial) -> None:
    trial = make_trial(f"repeats-{keys.__name__}".replace("_", "-"), CANDIDATES, "right_in_the_first_step")
    reason, gate, explained = judged(trial, keys)
    share, whole = ("75 %", "(900 of 1,200)") if keys is of_step else ("95.75 %", "(1,149 of 1,200)")
    sentence = f"{share} of production's records {whole} repeat a key; use identity: occurrence or coordinate"
    assert reason == sentence
    assert sentence in gate
    assert sentence in explained
    assert any(one["event"] == "identity_repeats" for one in trial.logged("run"))


IDENTITIES: dict[str, tuple[dict[str, Any], str]] = {
    "coordinate": ({"kind": "coordinate"}, "no usable header 's'; set identity.header to the one by which"),
    "path": ({"kind": "id", "path": "order.id"}, "no field 'order.id'; set identity.path to a field that every output"),
}  # fmt: skip


@pytest.mark.parametrize("name", ["coordinate", pytest.param("path", marks=pytest.mark.long)])
def test_an_identity_that_finds_nothing_rejects_no_good_candidate(name: str, make_trial: MakeTrial) -> None:
    identity, sentence = IDENTITIES[name]
    trial = make_trial(f"finds-{name}", CANDIDATES, "right", identity=identity)
    reason, gate, explained = judged(trial, of_one)
    assert reason.startswith("100 % of production's records (1,200 of 1,200) have " + sentence)
    assert sentence in gate
    assert sentence in explained
    assert any(one["event"] == "identity_finds_nothing" for one in trial.logged("run"))
