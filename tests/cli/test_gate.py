"""`gate`: 0 promote, 3 reject, 4 not yet, 1 unreachable, 2 bad config; each on a real broker with real records."""

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.cli.answer import Answer, decide
from shadowstream.cli.gate import lines
from shadowstream.codecs import own
from shadowstream.errors import ConfigError, ShadowstreamBug
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, produce_all
from tests import forked
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import NOW_MS, REVISION, Judged, verdict

OTHER = "cd" * 32
HOUR_MS = 3_600_000
CODES = {"promote": 0, "reject": 3, "not_yet": 4}


def encoded(*verdicts: dict[str, Any]) -> dict[str, bytes]:
    return {one["revision"]: own.encode("verdict", one) for one in verdicts}


# The rules, without a broker.


@pytest.mark.parametrize("decision", CODES)
def test_a_fresh_verdict_of_the_revision_is_passed_on(decision: str) -> None:
    answer = decide(encoded(verdict(decision)), REVISION, NOW_MS + 1, HOUR_MS)
    assert (answer.decision, answer.reasons) == (decision, [f"because {decision}"])
    assert int(answer.exit_code) == CODES[decision]


@pytest.mark.parametrize("outcome", ["candidate_error", "timeout", "crashed"])
@pytest.mark.parametrize("decision", CODES)
def test_the_commonest_errors_of_the_candidate_stand_after_the_reasons(decision: str, outcome: str) -> None:
    reasons = {f"{outcome}: TypeError: no q": 4_000, f"{outcome}: KeyError: 'a'": 2}
    failed = verdict(decision) | {"outcomes": {"match": 9, outcome: 4_002}, "outcome_reasons": reasons}
    entry = lines(decide(encoded(failed), REVISION, NOW_MS + 1, HOUR_MS))
    (named,) = [line for line in entry if line.startswith("top errors: ")]
    assert named.startswith("top errors: 4,000 x ")
    assert entry.index(f"because {decision}") < entry.index(named)
    good = lines(decide(encoded(verdict(decision)), REVISION, NOW_MS + 1, HOUR_MS))
    assert not any(line.startswith("top errors: ") for line in good)


@pytest.mark.parametrize("verdicts", [None, {}], ids=["no topic", "empty topic"])
def test_no_verdict_at_all_is_not_yet(verdicts: dict[str, bytes] | None) -> None:
    answer = decide(verdicts, REVISION, NOW_MS, HOUR_MS)
    assert (answer.decision, answer.verdict) == ("not_yet", None)
    assert "no window has been judged" in answer.reasons[0]


def test_a_foreign_promote_is_not_yet_and_names_whose_it_is() -> None:
    answer = decide(encoded(verdict("promote", OTHER)), REVISION, NOW_MS, HOUR_MS)
    assert answer.decision == "not_yet"
    assert OTHER[:16] in answer.reasons[0]


@pytest.mark.parametrize("decision", CODES)
@pytest.mark.parametrize("age_ms", [HOUR_MS + 1, -HOUR_MS - 1], ids=["stale", "of the future"])
def test_a_verdict_that_is_not_of_now_is_not_yet(decision: str, age_ms: int) -> None:
    answer = decide(encoded(verdict(decision)), REVISION, NOW_MS + age_ms, HOUR_MS)
    assert (answer.decision, int(answer.exit_code)) == ("not_yet", 4)
    assert f"the verdict ({decision})" in answer.reasons[0]


def test_a_verdict_exactly_at_the_age_still_counts() -> None:
    assert decide(encoded(verdict("promote")), REVISION, NOW_MS + HOUR_MS, HOUR_MS).decision == "promote"


def test_the_first_digits_of_a_revision_are_enough_if_they_fit_one() -> None:
    verdicts = encoded(verdict("promote"), verdict("reject", "ab" * 16 + "00" * 16))
    assert decide(verdicts, "ab" * 17, NOW_MS, HOUR_MS).decision == "promote"
    with pytest.raises(ConfigError, match="fits 2 revisions"):
        decide(verdicts, "ab" * 4, NOW_MS, HOUR_MS)


@pytest.mark.parametrize(
    "broken",
    [verdict("promote", OTHER), verdict("promoted"), verdict("")],
    ids=["of another revision", "unknown decision", "no decision"],
)
def test_a_record_that_contradicts_its_key_or_our_words_never_promotes(broken: dict[str, Any]) -> None:
    with pytest.raises(ShadowstreamBug):
        decide({REVISION: own.encode("verdict", broken)}, REVISION, NOW_MS, HOUR_MS)


@given(
    st.dictionaries(st.sampled_from([REVISION, OTHER]), st.tuples(st.sampled_from(sorted(CODES)), st.integers(0, 10))),
    st.integers(0, 10),
    st.integers(0, 10),
)
def test_only_a_fresh_promote_of_the_very_revision_promotes(
    found: dict[str, tuple[str, int]], now_ms: int, max_age_ms: int
) -> None:
    verdicts = encoded(*(verdict(decision, revision, at) for revision, (decision, at) in found.items()))
    decision, at = found.get(REVISION, ("", 0))
    expected = decision == "promote" and abs(now_ms - at) <= max_age_ms
    assert (int(decide(verdicts, REVISION, now_ms, max_age_ms).exit_code) == 0) == expected


@pytest.mark.parametrize(
    ("answer", "settled"),
    [
        (Answer("promote", [], REVISION), True),
        (Answer("reject", [], REVISION), True),
        (Answer("not_yet", [], REVISION), False),
        (Answer("not_yet", [], REVISION, verdict("not_yet")), False),
        (Answer("not_yet", [], REVISION, verdict("not_yet", final=True)), True),
        (Answer("not_yet", [], REVISION, verdict("promote", final=True)), False),
    ],
)
def test_waiting_ends_where_nothing_more_can_come(answer: Answer, settled: bool) -> None:
    assert answer.settled == settled


# The command, on a real broker.


@pytest.mark.parametrize("decision", CODES)
def test_the_exit_code_is_the_decision(decision: str, cli: Cli, judged: Judged) -> None:
    judged.say(decision)
    result = cli("gate", judged.path)
    assert result.code == CODES[decision]
    assert result.out.splitlines()[:2] == [decision.replace("_", " "), f"  because {decision}"]
    assert "  note: the candidate ran in-process (candidate.trusted: true)" in result.out
    result = cli("gate", judged.path, "--json")
    assert result.code == CODES[decision]
    assert (result.json["decision"], result.json["outcomes"]) == (decision, {"match": 10})
    assert result.json["revision"] == judged.revision
    assert result.json["gate"] == {"exit_code": CODES[decision], "judged": decision, "override": None}


def test_what_a_verdict_cannot_vouch_for_stands_beside_its_reasons(cli: Cli, judged: Judged) -> None:
    judged.say("promote", caveats=["extra is not exact"])
    result = cli("gate", judged.path)
    assert result.out.startswith("promote\n  because promote\n  note: ")
    assert result.out.endswith("  note: extra is not exact\n")
    assert cli("gate", judged.path, "--json").json["caveats"] == ["extra is not exact"]


def test_before_any_verdict_it_is_not_yet(cli: Cli, unjudged: Judged) -> None:
    result = cli("gate", unjudged.path, "--json")
    assert (result.code, result.json["decision"], result.json["gate"]["judged"]) == (4, "not_yet", None)
    assert "there is no verdict topic" in result.json["reasons"][0]
    unjudged.create()
    result = cli("gate", unjudged.path)
    assert result.code == 4
    assert "the verdict topic is empty" in result.out


def test_the_last_verdict_of_the_revision_counts(cli: Cli, judged: Judged) -> None:
    for decision in ("not_yet", "promote", "reject"):
        judged.say(decision)
    judged.say("promote", OTHER)
    assert cli("gate", judged.path).code == 3


def test_a_foreign_revision_is_not_yet_and_can_be_asked_for(cli: Cli, judged: Judged) -> None:
    judged.say("promote", OTHER)
    assert cli("gate", judged.path).code == 4
    assert cli("gate", judged.path, "--revision", OTHER).code == 0
    assert cli("gate", judged.path, "--revision", OTHER[:8]).code == 0
    assert cli("gate", judged.path, "--revision", "0" * 64).code == 4


def test_a_changed_candidate_loses_its_promote(cli: Cli, judged: Judged) -> None:
    judged.say("promote")
    assert cli("gate", judged.path).code == 0
    with (judged.path.parent / "fraud_candidate.py").open("a") as file:
        file.write("# changed\n")
    assert cli("gate", judged.path).code == 4


@pytest.mark.parametrize(
    ("max_age", "code"), [((), 4), (("--max-age", "9000"), 0), (("--max-age", "3h"), 0), (("--max-age", "0"), 4)]
)
def test_a_stale_verdict_is_not_yet_and_json_does_not_say_promote(
    max_age: tuple[str, ...], code: int, cli: Cli, judged: Judged
) -> None:
    judged.say("promote", age_s=7200)
    result = cli("gate", judged.path, "--json", *max_age)
    assert result.code == code
    assert result.json["decision"] == ("not_yet" if code else "promote")
    assert result.json["gate"]["judged"] == "promote"


def test_a_deleted_verdict_is_no_verdict(cli: Cli, judged: Judged) -> None:
    judged.say("promote")
    produce_all(judged.bootstrap, judged.topic, [Write(None, judged.revision.encode())])
    assert cli("gate", judged.path).code == 4


def test_foreign_bytes_break_the_gate_and_never_open_it(cli: Cli, judged: Judged) -> None:
    produce_all(judged.bootstrap, judged.topic, [Write(b"promote", judged.revision.encode())])
    result = cli("gate", judged.path, "--json")
    assert (result.code, result.json["error"]["kind"]) == (1, "RecordError")


def test_waiting_ends_with_the_decision(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    began = time.monotonic()
    later = threading.Timer(2, judged.say, ["reject"])
    later.start()
    assert cli("gate", judged.path, "--wait", "60").code == 3
    later.join()
    assert 2 <= time.monotonic() - began < 30


def test_a_stale_promote_is_waited_past_until_a_fresh_one_comes(cli: Cli, judged: Judged) -> None:
    judged.say("promote", age_s=120)
    began = time.monotonic()
    assert cli("gate", judged.path, "--max-age", "1m", "--wait", "2").code == 4
    assert 2 <= time.monotonic() - began < 15
    later = threading.Timer(2, judged.say, ["promote"])
    later.start()
    assert cli("gate", judged.path, "--max-age", "1m", "--wait", "60").code == 0
    later.join()


def test_a_wait_that_is_too_short_for_the_decision_is_not_yet(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    later = threading.Timer(8, judged.say, ["promote"])
    later.start()
    began = time.monotonic()
    assert cli("gate", judged.path, "--wait", "1.5s").code == 4
    assert time.monotonic() - began < 7
    later.cancel()


def test_waiting_in_vain_is_not_yet(cli: Cli, unjudged: Judged) -> None:
    began = time.monotonic()
    assert cli("gate", unjudged.path, "--wait", "2").code == 4
    assert 2 <= time.monotonic() - began < 15


def test_the_last_word_of_a_bounded_run_is_not_waited_out(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet", final=True)
    began = time.monotonic()
    assert cli("gate", judged.path, "--wait", "60").code == 4
    assert time.monotonic() - began < 15


@pytest.mark.long
def test_an_unreachable_cluster_is_1_and_says_what_to_look_at(cli: Cli, make_trial: MakeTrial) -> None:
    port = free_port()
    began = time.monotonic()
    result = cli("gate", make_trial(bootstrap=f"127.0.0.1:{port}"), "--json", "--wait", "60")
    assert time.monotonic() - began < 15
    assert (result.code, result.json["error"]["kind"]) == (1, "BrokerError")
    assert f"127.0.0.1:{port}" in result.err
    assert "refused" in result.err
    assert "check the address" in result.err


@pytest.mark.parametrize("option", ["--wait", "--max-age"])
@pytest.mark.parametrize("length", ["soon", "-1", "1w", ""])
def test_a_length_of_time_that_cannot_be_one_is_2(option: str, length: str, cli: Cli, make_trial: MakeTrial) -> None:
    result = cli("gate", make_trial(), f"{option}={length}")
    assert result.code == 2
    assert f"{option} {length!r}" in result.err


@pytest.mark.parametrize("revision", ["abc", "ABCDEF0123", "0" * 65, "latest"])
def test_a_revision_that_cannot_be_one_is_2(revision: str, cli: Cli, make_trial: MakeTrial) -> None:
    result = cli("gate", make_trial(), "--revision", revision)
    assert result.code == 2
    assert "8 to 64 digits" in result.err


def test_a_missing_candidate_is_2_unless_the_revision_is_given(cli: Cli, unjudged: Judged) -> None:
    (unjudged.path.parent / "fraud_candidate.py").unlink()
    result = cli("gate", unjudged.path)
    assert result.code == 2
    assert "there is no module 'fraud_candidate'" in result.err
    assert cli("gate", unjudged.path, "--revision", unjudged.revision).code == 4


def test_the_gate_never_imports_the_candidate(unjudged: Judged) -> None:
    (unjudged.path.parent / "fraud_candidate.py").write_text("raise SystemExit(77)\ndef score(value): ...\n")
    done = forked.python("-m", "shadowstream", "gate", str(unjudged.path), cwd=unjudged.path.parent)
    assert (done.returncode, done.stdout.splitlines()[0]) == (4, "not yet")
