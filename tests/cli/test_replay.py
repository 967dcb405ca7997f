"""`replay` on a broker whose topics the test fills: at which attempt at a release it judges."""

import math

from shadowstream.codecs import own
from shadowstream.configfile import load
from shadowstream.revision import revision_of
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import verdict
from tests.judge.stats_records import HOUR_MS, cell, stats


def test_a_replay_judges_at_the_attempt_of_its_release(
    kafka: Broker, name: str, make_trial: MakeTrial, cli: Cli
) -> None:
    scores = f"{name}-scores"
    replaced = "outputs: [scores]", f"outputs: [{scores}]"
    path = make_trial(name=name, bootstrap=kafka.bootstrap, extra="release: r1\n", replaced=replaced)
    trial = load(path)
    revision, topics = revision_of(trial), {kind: trial.plan.of(kind) for kind in ("stats", "audit")}
    create_topics(kafka.bootstrap, {scores: 1, topics["stats"]: 1, topics["audit"]: 1})
    found = stats(f"{scores}/0", 1, cell(0, revision, match=500), watermark_ms=HOUR_MS, revision=revision)
    produce_all(kafka.bootstrap, topics["stats"], [Write(own.encode("stats", found), b"k")])
    assert cli("replay", path, "--json").json["attempt"] == 1
    judged = (("aa", "r1", 1), ("bb", "r1", 2), ("cc", "r0", 1))
    verdicts = [verdict("reject", who * 32, name=name, release=one, attempt=n) for who, one, n in judged]
    written = [Write(own.encode("verdict", one), b"k") for one in verdicts]
    produce_all(kafka.bootstrap, topics["audit"], written)
    third = cli("replay", path, "--json").json
    assert (third["attempt"], third["release"]) == (3, "r1")
    assert math.isclose(third["criteria"][0]["alpha"], 0.05 * 6 / (9 * math.pi**2), rel_tol=1e-9)
