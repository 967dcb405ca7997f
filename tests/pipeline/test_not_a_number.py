"""On the broker: where production's JSON holds NaN, the few records that can be read promote nobody."""

import json
from pathlib import Path

from shadowstream.testing import Broker
from shadowstream.testing.topics import Write, produce_all
from tests.conftest import Say
from tests.pipeline.role_processes import commit
from tests.pipeline.trial_fixture import PARTITIONS, Trial, time_ms
from tests.pipeline.written_records import ended, records

ORDERS = 3_000
NOT_YET = 4
RIGHT_ON_ONE_IN_TEN = 'def judge(o): return {"id": o["n"], "score": 1.0 if o["n"] % 10 == 0 else 77.0}\n'


def test_a_candidate_wrong_at_productions_nan_is_not_yet_by_coverage(kafka: Broker, tmp_path: Path, say: Say) -> None:
    trial = Trial(kafka.bootstrap, "nan", tmp_path, RIGHT_ON_ONE_IN_TEN)
    trial.create_topics()

    def written(n: int, value: object) -> Write:
        return Write(json.dumps(value).encode(), b"k%d" % n, n % PARTITIONS, time_ms(n))

    scores = [1.0 if n % 10 == 0 else float("nan") for n in range(ORDERS)]
    produce_all(kafka.bootstrap, trial.input, [written(n, {"n": n}) for n in range(ORDERS)])
    produce_all(
        kafka.bootstrap, trial.output, [written(n, {"id": n, "score": score}) for n, score in enumerate(scores)]
    )
    commit(trial, trial.group, dict.fromkeys(range(PARTITIONS), ORDERS // PARTITIONS))
    trial.play("run", "join", "judge")
    assert ended(records(kafka.bootstrap, trial.topic("stats"))) == {
        "match": ORDERS // 10,
        "undecodable_production": ORDERS * 9 // 10,
    }
    gate, explained = trial.ask("gate", str(trial.config_path)), trial.ask("explain", str(trial.config_path))
    say(f"gate:\n{gate.stdout}\nexplain:\n{explained.stdout}")
    assert gate.returncode == NOT_YET
    for text in (gate.stdout, explained.stdout):
        assert "coverage: 10 % of production's records (300 of 3,000) were compared or judged" in text
        assert "judge.min_coverage asks for 99 %" in text
        assert "90 % undecodable_production" in text
