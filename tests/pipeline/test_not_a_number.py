"""On the broker: where production's JSON holds NaN, the few records that can be read promote nobody."""

import json

from shadowstream.testing.topics import Write, produce_all
from tests.conftest import Say
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.role_processes import commit
from tests.pipeline.trial_fixture import PARTITIONS, below, time_ms

ORDERS = 3_000
NOT_YET = 4
RIGHT_ON_ONE_IN_TEN = 'def judge(o): return {"id": o["n"], "score": 1.0 if o["n"] % 10 == 0 else 77.0}\n'


def test_a_candidate_wrong_at_productions_nan_is_not_yet_by_coverage(make_trial: MakeTrial, say: Say) -> None:
    trial = make_trial("nan", RIGHT_ON_ONE_IN_TEN)

    def written(n: int, value: object) -> Write:
        return Write(json.dumps(value).encode(), b"k%d" % n, n % PARTITIONS, time_ms(n))

    scores = [1.0 if n % 10 == 0 else float("nan") for n in range(ORDERS)]
    outputs = [written(n, {"id": n, "score": score}) for n, score in enumerate(scores)]
    produce_all(trial.bootstrap, trial.input, [written(n, {"n": n}) for n in range(ORDERS)])
    produce_all(trial.bootstrap, trial.output, outputs)
    commit(trial, trial.group, below(ORDERS))
    trial.play("run", "join", "judge")
    assert trial.outcomes() == {"match": ORDERS // 10, "undecodable_production": ORDERS * 9 // 10}
    gate, explained = trial.ask("gate"), trial.ask("explain")
    say(f"gate:\n{gate.stdout}\nexplain:\n{explained.stdout}")
    assert gate.returncode == NOT_YET
    for text in (gate.stdout, explained.stdout):
        assert "coverage: 10 % of production's records (300 of 3,000) were compared or judged" in text
        assert "judge.min_coverage asks for 99 %" in text
        assert "90 % undecodable_production" in text
