"""`override`: a name, a reason, one revision; the gate answers it and says what it would have said without."""

import time

import pytest

from shadowstream.cli.answer import Answer, overridden
from shadowstream.cli.report import facts_of
from shadowstream.codecs import own
from shadowstream.judge.utc_text import utc_text
from shadowstream.report.markdown import markdown
from shadowstream.report.page import page
from shadowstream.testing.topics import Write, produce_all, read_all
from tests.cli.conftest import Cli, MakeTrial
from tests.cli.verdict_topic import NOT_GIVEN, REVISION, Judged, verdict

OTHER = "cd" * 32
WHO = ("--by", "ana", "--reason", "the mismatches are the fix we ship")


def test_the_gate_honours_it_and_says_so(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    assert cli("gate", judged.path).code == 4
    assert cli("override", judged.path, "--decision", "promote", *WHO).code == 0
    result = cli("gate", judged.path)
    assert result.code == 0
    first, *rest = result.out.splitlines()
    assert first == "promote"
    assert "overridden to promote by ana at 20" in rest[0]
    assert "the mismatches are the fix we ship" in rest[0]
    assert rest[1] == "  without it: not yet: because not_yet"
    answer = cli("gate", judged.path, "--json").json
    gate = answer["gate"]
    assert (answer["decision"], gate["judged"], gate["override"]["by"]) == ("promote", "not_yet", "ana")


def test_another_revision_is_not_touched(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    judged.say("not_yet", OTHER)
    cli("override", judged.path, "--decision", "promote", *WHO, "--revision", OTHER[:8])
    assert cli("gate", judged.path).code == 4
    assert cli("gate", judged.path, "--revision", OTHER).code == 0
    cli("override", judged.path, "--decision", "promote", *WHO)
    assert cli("gate", judged.path).code == 0
    with (judged.path.parent / "fraud_candidate.py").open("a") as file:
        file.write("# changed\n")
    assert cli("gate", judged.path).code == 4


def test_the_last_word_counts_and_none_takes_it_back(cli: Cli, judged: Judged) -> None:
    judged.say("promote")
    cli("override", judged.path, "--decision", "reject", *WHO)
    assert cli("gate", judged.path).code == 3
    cli("override", judged.path, "--decision", "none", *WHO)
    assert cli("gate", judged.path).code == 0


def test_it_is_a_record_of_commands_under_the_whole_revision(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    answer = cli("override", judged.path, "--decision", "reject", *WHO, "--json").json
    (found,) = read_all(judged.bootstrap, judged.config.plan.of("commands"))
    kind, record = own.decode(found.value or b"")
    assert (kind, found.key) == ("command", judged.revision.encode())
    assert record == answer | NOT_GIVEN
    assert record["until_ms"] is None
    assert (record["command"], record["subject"], record["decision"]) == ("override", judged.revision, "reject")


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (("--decision", "promote", "--by", "ana"), "Missing option '--reason'"),
        (("--decision", "promote", "--reason", "x"), "Missing option '--by'"),
        (("--decision", "promote", "--by", " ", "--reason", "x"), "--by: must not be empty"),
        (("--decision", "promote", "--by", "ana", "--reason", " "), "--reason: must not be empty"),
        (("--decision", "maybe", *WHO), "Invalid value for '--decision'"),
    ],
)
def test_without_a_name_and_a_reason_it_is_none(
    given: tuple[str, ...], part: str, cli: Cli, make_trial: MakeTrial
) -> None:
    result = cli("override", make_trial(), *given)
    assert result.code == 2
    assert part in result.err


def test_what_nobody_has_judged_cannot_be_overridden(cli: Cli, judged: Judged) -> None:
    result = cli("override", judged.path, "--decision", "promote", *WHO)
    assert result.code == 2
    assert "there is nothing to override" in result.err
    command = {"command": "override", "subject": REVISION, "by": "ana", "decision": "promote", "until_ms": None}
    without = Answer("not_yet", ["no verdict"], REVISION)
    assert overridden(without, {REVISION: command}, 0) is without


def test_it_ends_by_itself_and_the_gate_says_that_it_has(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    answer = cli("override", judged.path, "--decision", "promote", *WHO, "--for", "8s", "--json").json
    assert answer["until_ms"] == answer["at_ms"] + 8_000
    result = cli("gate", judged.path)
    assert (result.code, time.time() * 1000 < answer["until_ms"]) == (0, True), "a slow machine"
    assert (
        f"overridden to promote by ana at {utc_text(answer['at_ms'])} until {utc_text(answer['until_ms'])}: "
        in result.out
    )
    time.sleep(max(0.0, answer["until_ms"] / 1000 - time.time()))
    result = cli("gate", judged.path)
    assert result.code == 4
    assert result.out.startswith("not yet\n  because not_yet\n  the override to promote by ana ended at 20")
    assert "ended at" in cli("explain", judged.path).out
    cli("override", judged.path, "--decision", "promote", *WHO, "--for", "1h")
    assert cli("gate", judged.path).code == 0


def test_a_length_that_cannot_be_one_overrides_nothing(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    result = cli("override", judged.path, "--decision", "promote", *WHO, "--for", "a while")
    assert (result.code, "--for 'a while'" in result.err) == (2, True)
    assert cli("gate", judged.path).code == 4


def test_bytes_in_commands_from_elsewhere_open_no_gate(cli: Cli, judged: Judged) -> None:
    judged.say("not_yet")
    odd = {"command": "override", "subject": judged.revision, "by": "x", "reason": "y", "at_ms": 1, "decision": "go"}
    values = [Write(b"promote", judged.revision.encode()), Write(None), Write(own.encode("command", odd))]
    produce_all(judged.bootstrap, judged.config.plan.of("commands"), values)
    assert cli("gate", judged.path).code == 4


def test_explain_and_report_say_who_and_what_the_evidence_says(cli: Cli, judged: Judged) -> None:
    from shadowstream.cli.answer import question

    judged.write(verdict("not_yet", judged.revision, 0, name=judged.config.name))
    cli("override", judged.path, "--decision", "promote", *WHO)
    result = cli("explain", judged.path).out
    assert result.startswith("promote\n")
    assert "overridden to promote by ana" in result
    assert "because not_yet" in result
    assert "takes the override back" in result
    facts = facts_of(question(str(judged.path), None, "1h"), 0, str(judged.path))
    assert "<b>Overridden</b> to promote by\nana" in page(facts)
    assert "**Overridden** to promote by `ana`" in markdown(facts)
