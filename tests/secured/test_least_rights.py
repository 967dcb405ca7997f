"""The rights that `topics acls` prints run every role and command, end to end to a webhook."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # public, not in __all__

from shadowstream.config import PRINCIPALS, Principal
from shadowstream.errors import ConfigError
from shadowstream.kafka.client.offsets import existing
from shadowstream.kafka.doctor.finding import Finding, Severity
from shadowstream.kafka.doctor.proof_of_rights import rights_findings, user_of
from shadowstream.kafka.doctor.start_check import ensure_topics
from shadowstream.kafka.doctor.transaction_checks import TRANSACTIONAL, right_findings
from tests.alerts.webhook import Webhook
from tests.secured.granted_rights import bindings, run_line
from tests.secured.secured_kafka import SecuredKafka, right
from tests.secured.secured_trial import ROLES, SecuredTrial, secured_trial


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as one:
        one.up()
        yield one


@pytest.fixture
def one(secured: SecuredKafka, topic_prefix: str, tmp_path: Path, webhook: Webhook) -> SecuredTrial:
    return secured_trial(secured, tmp_path, topic_prefix[-9:-1], webhook)


def test_exactly_the_printed_rights_run_every_role_and_command(one: SecuredTrial, webhook: Webhook) -> None:
    trial = one.trial
    one.allow()
    one.apply()
    trial.play(*ROLES)
    assert trial.outcomes()["mismatch"] == 200
    verdict = trial.records("verdict")[-1]
    assert (verdict["decision"], verdict["remainder"]) == ("reject", 0)
    assert [call["kind"] for call in webhook.calls].count("reject") == 1
    for words, code in (("gate", 3), ("explain", 0), ("status", 0), ("diff", 0), ("report --format markdown", 0)):
        done = trial.ask(words, *(["--out", "r.md"] if "report" in words else []))
        assert done.returncode == code, f"{words}: {done.stderr}"
    decided = trial.ask("override", "--decision", "promote", "--by", "ana", "--reason", "known", "--json")
    assert decided.returncode == 0, decided.stderr
    gate = json.loads(trial.ask("gate", "--json").stdout)
    assert gate["gate"]["override"]["by"] == "ana"
    doctor = trial.ask("doctor", "--json")
    found = [(one["role"], one["check"]) for one in map(json.loads, doctor.stdout.splitlines())]
    assert (doctor.returncode, found) == (0, [("operator", "groups")]), "only production runs no more"


def refused(one: SecuredTrial, principal: Principal) -> list[Finding]:
    """Findings that refuse the start of a principal, by its own credentials."""
    acting, client = one.access(principal)
    found = rights_findings(client, acting, principal, existing(client))
    return [finding for finding in found if finding.severity == Severity.REFUSE]


@pytest.mark.parametrize("each", [9, pytest.param(1, marks=pytest.mark.long)])
def test_a_right_that_lacks_is_named_and_its_printed_line_mends_it(one: SecuredTrial, each: int) -> None:
    one.allow()
    one.apply()
    for principal in PRINCIPALS:
        assert refused(one, principal) == []
    # Who may read may describe; no principal sees the rights of a transactional id.
    transactional = ResourceType.TRANSACTIONAL_ID
    lacking = [right for right in one.rights if right.restype != transactional]
    assert len(lacking) > 50
    for lacks in lacking[::each]:
        principal = next(name for name in PRINCIPALS if lacks.principal == f"User:{name}")
        is_source = lacks.restype == ResourceType.TOPIC and not lacks.name.startswith("shadow.")
        if lacks.restype == ResourceType.TOPIC and ".repartition." in lacks.name:
            continue  # not there, so it has no rights yet
        if lacks.operation == AclOperation.DESCRIBE and not (is_source or lacks.restype == ResourceType.GROUP):
            continue
        one.secured.withdraw(lacks)
        fixes = [finding.fix for finding in refused(one, principal)]
        assert fixes, f"{principal} lacks {lacks.operation} on {lacks.name}"
        for fix in fixes:
            run_line(one.secured, fix)
        assert refused(one, principal) == [], f"{principal} lacks {lacks.operation} on {lacks.name}"


def test_a_lacking_right_to_begin_transactions_is_named_and_mended(one: SecuredTrial) -> None:
    one.allow()
    transactional = [right for right in one.rights if right.restype == ResourceType.TRANSACTIONAL_ID]
    assert {lacks.principal for lacks in transactional} == {f"User:{name}" for name in TRANSACTIONAL}
    for lacks in transactional:
        principal = next(name for name in PRINCIPALS if lacks.principal == f"User:{name}")
        acting, _ = one.access(principal)
        user = user_of(acting)
        one.secured.withdraw(lacks)
        (found,) = right_findings(acting, principal, user)
        assert found.text.startswith(f"the {principal} cannot begin transactions")
        run_line(one.secured, found.fix)
        assert [*right_findings(acting, principal, user)] == []


HARM = [
    (AclOperation.WRITE, ResourceType.TOPIC, "{output}", "Write on topic {output} is allowed"),
    (AclOperation.DELETE, ResourceType.TOPIC, "{input}", "Delete on topic {input} is allowed"),
    (AclOperation.WRITE, ResourceType.TOPIC, "shadow.{name}.dlq.other", "Write on topic shadow.{name}.dlq.other"),
    (AclOperation.READ, ResourceType.GROUP, "{group}", "Read on group {group} is allowed"),
    (AclOperation.CREATE, ResourceType.BROKER, "kafka-cluster", "Create on cluster kafka-cluster is allowed"),
]
"""One right too many: on production's topics, on another role's, on production's group and on the cluster."""
OTHERS = {"runner": "commands", "joiner": "verdict", "judge": "commands", "labels": "verdict", "alerts": "commands"}


@pytest.mark.parametrize("words", ROLES)
def test_with_one_right_more_a_role_refuses_to_start_and_names_it(one: SecuredTrial, words: str) -> None:
    trial, principal = one.trial, ROLES[words]
    one.allow()
    one.apply()
    names = {"name": trial.name, "input": trial.input, "output": trial.output, "group": trial.group}
    other = f"shadow.{trial.name}.{OTHERS[principal]}"
    for operation, kind, name, text in HARM:
        named, expected = name.format(**names), text.format(**names)
        named, expected = (part.replace(f"shadow.{trial.name}.dlq.other", other) for part in (named, expected))
        more = right(principal, operation, kind, named)
        one.allow([more])
        found = refused(one, principal)
        assert len(found) == 1, f"{more}: {found}"
        (finding,) = found
        assert finding.text.startswith(expected)
        run_line(one.secured, finding.fix)
        assert refused(one, principal) == [], "the printed line takes it away"
    one.allow([right(principal, AclOperation.WRITE, ResourceType.TOPIC, other)])
    done = trial.ask(words)
    assert (done.returncode, f"Write on topic {other} is allowed" in done.stderr) == (2, True), done.stderr
    doctor = trial.ask("doctor", "--role", principal, "--json")
    assert (doctor.returncode, other in doctor.stdout) == (2, True), doctor.stderr


def test_a_refused_start_creates_no_topic_whatever_the_role_may_create(one: SecuredTrial) -> None:
    one.allow()
    before = existing(one.secured.admin)
    for principal in ROLES.values():
        acting, client = one.access(principal)
        creates = right(principal, AclOperation.CREATE, ResourceType.TOPIC, f"shadow.{one.trial.name}.", prefixed=True)
        harms = right(principal, AclOperation.WRITE, ResourceType.TOPIC, one.trial.output)
        one.allow([creates, harms])
        with pytest.raises(ConfigError, match=f"Write on topic {one.trial.output} is allowed"):
            ensure_topics(client, acting, principal)
        one.secured.withdraw(harms)
        with pytest.raises(ConfigError, match=r"may not create them; run `shadowstream topics apply`"):
            ensure_topics(client, acting, principal)
        one.secured.withdraw(creates)
    assert existing(one.secured.admin) == before


def test_one_principal_for_all_roles_must_be_accepted_by_the_config(one: SecuredTrial) -> None:
    trial = one.trial
    shared = {"bootstrap": one.secured.login, "client": one.secured.client("shared")}
    without = {"kafka": shared, "alerts": {}, "labels": None}
    trial.write_config(**without)
    options = json.loads(trial.ask("topics acls", "--principal", "User:shared", "--json").stdout)
    one.allow(list(bindings(options["principals"][0]["commands"])))
    refusal = trial.ask("run")
    assert (refusal.returncode, "may not create them; run `shadowstream topics apply`" in refusal.stderr) == (2, True)
    trial.write_config(**without, isolation={"roles": "shared"})
    trial.play("run", "join", "judge")
    verdict = trial.records("verdict")[-1]
    assert any("isolation.roles is shared" in caveat for caveat in verdict["caveats"])
