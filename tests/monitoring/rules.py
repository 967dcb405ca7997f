"""Alerting rules: one row for each, with its words for people. docs/operations.md has a section on each."""

import re
from typing import Any, Literal, NamedTuple

from shadowstream.protocol.outcomes import FAILED_CAUSES
from tests.monitoring.expressions import metric, new_events

PAGE = "docs/operations.md"
_TOKEN = re.compile(r"\{(\w+)(?::(\w+))?\}")
_FORMS = {None: "$value", "n": "$value | humanize", "share": "$value | humanizePercentage"}
_FORMS["time"] = "$value | humanizeDuration"


class Rule(NamedTuple):
    """One alert. It fires once `expr` has had a result for the time `lasting`; `command` follows `shadowstream`.

    In the words `{trial}`, `{role}` and other names stand for labels, `{value}` for the value, `{value:n}`,
    `{value:share}` and `{value:time}` for the value as people write it.
    """

    name: str
    severity: Literal["critical", "warning"]
    expr: str
    lasting: str
    summary: str
    description: str
    command: str

    def record(self) -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        description = f"{templated(self.description)} Next: `shadowstream {self.command} trial.yaml`"
        url = f"{PAGE}#{self.name.lower()}"
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {"summary": templated(self.summary), "description": description, "runbook_url": url},
        }


def templated(words: str) -> str:
    """Put Prometheus' templates in the place of tokens.

    >>> templated("{trial}: {value:share} of the inputs")
    '{{ $labels.shadow }}: {{ $value | humanizePercentage }} of the inputs'
    """

    def template(token: re.Match[str]) -> str:
        name, form = token.groups()
        what = _FORMS[form] if name == "value" else f"$labels.{'shadow' if name == 'trial' else name}"
        return f"{{{{ {what} }}}}"

    return _TOKEN.sub(template, words)


BUILD = metric("build_info")
LAG = metric("lag_records")
INPUTS = ('role="runner"', 'side="input"')
FAILED = f'outcome=~"{"|".join(sorted(cause for cause in FAILED_CAUSES if cause))}"'
COUNTED = 'side=~"input|production|shadow|twin"'
READ = metric("records_total", COUNTED)
JOINER_LAG = metric("lag_records", 'role="joiner"')
BY_SIDE = "on (shadow, role, side)"
LOST = 'result=~"too_large|failed|refused|restore_failed"'
UNDECODABLE = 'outcome=~"undecodable|undecodable_(production|shadow|twin)"'
EVICTED, UNDELIVERED = 'outcome="evicted"', 'result="failed"'
REJECT = 'decision="reject"'

OF_VERDICT = (
    Rule(
        "ShadowstreamRejected",
        "critical",
        f"{metric('verdict', REJECT)} == 1",
        "0m",
        "Trial {trial} rejects the candidate",
        "Trial {trial}: the candidate is shown to break a limit. Do not release it.",
        "explain",
    ),
    Rule(
        "ShadowstreamIncidentOpen",
        "warning",
        f"{metric('incidents_open')} > 0",
        "0m",
        "Trial {trial}: open incidents: {value}",
        "Trial {trial}: a rate has changed for the worse; open incidents: {value}. "
        "The command names the criterion or slice, and since when.",
        "explain",
    ),
    Rule(
        "ShadowstreamVerdictStale",
        "warning",
        f"time() - {metric('last_verdict_timestamp_seconds')} > 300",
        "1m",
        "Trial {trial}: the verdict is {value:time} old",
        "Trial {trial}: the judge at {instance} wrote its last verdict {value:time} ago; it writes one every 30 s. "
        "The gate answers not yet once a verdict is older than an hour.",
        "status",
    ),
    Rule(
        "ShadowstreamCoverageLow",
        "warning",
        f"{metric('coverage')} < on (shadow, job, instance) group_left () {metric('coverage_minimum')}",
        "15m",
        "Trial {trial} compares only {value:share} of side {side}",
        "Trial {trial}: {value:share} of the records of side {side} were compared or judged. "
        "The verdict is not yet while this is below judge.min_coverage.",
        "explain",
    ),
    Rule(
        "ShadowstreamLedgerRemainder",
        "critical",
        f"{metric('conservation_remainder')} != 0",
        "10m",
        "Trial {trial}: records not accounted for: {value}",
        "Trial {trial}: two counts of the same records differ by {value}. The verdict is not yet until they agree.",
        "explain",
    ),
    Rule(
        "ShadowstreamDeliveryFails",
        "warning",
        f"sum by (shadow, target) ({new_events(metric('deliveries_total', UNDELIVERED))}) > 0",
        "10m",
        "Trial {trial}: alerts do not reach {target}",
        "Trial {trial}: attempts to deliver alerts to {target} that failed within 15 minutes: {value:n}. "
        "They are repeated until one succeeds.",
        "alerts list",
    ),
)
OF_CANDIDATE = (
    Rule(
        "ShadowstreamCandidateFails",
        "critical",
        f"sum by (shadow) (rate({metric('records_total', *INPUTS, FAILED)}[10m]))"
        f" / sum by (shadow) (rate({metric('records_total', *INPUTS)}[10m])) > 0.05",
        "10m",
        "Trial {trial}: the candidate fails on {value:share} of the inputs",
        "Trial {trial}: the candidate failed on {value:share} of the inputs of the last 10 minutes. It raises, does "
        "not answer in time, ends its process, or its output is refused. Production is not affected.",
        "diff",
    ),
    Rule(
        "ShadowstreamSnapshotsFail",
        "warning",
        f"sum by (shadow, result) ({new_events(metric('snapshots_total', LOST))}) > 0",
        "0m",
        "Trial {trial}: snapshots of the candidate's state fail ({result})",
        "Trial {trial}: snapshots of the candidate's state that ended as {result} within 15 minutes: {value:n}. "
        "After a restart of the runner the state warms up again.",
        "status",
    ),
)
OF_READING = (
    Rule(
        "ShadowstreamLagGrows",
        "warning",
        f"min_over_time({LAG}[10m]) > max_over_time({LAG}[10m] offset 11m) and {LAG} > 1000",
        "10m",
        "Trial {trial}: the {role} falls behind on side {side}",
        "Trial {trial}: the {role} at {instance} is at least {value:n} records behind on side {side}. "
        "The lag has grown for 20 minutes: the role is slower than the traffic.",
        "status",
    ),
    Rule(
        "ShadowstreamSideNotRead",
        "critical",
        f"min_over_time({metric('lag_records', COUNTED)}[10m]) > 0 and {BY_SIDE} ({READ} or {JOINER_LAG})"
        f" unless {BY_SIDE} (sum by (shadow, role, side) ({new_events(READ, '10m')}) > 0)",
        "10m",
        "Trial {trial}: the {role} gets no further on side {side}",
        "Trial {trial}: before the {role} at {instance} wait {value:n} or more records of side {side}. "
        "No record of this side has got an outcome for 10 minutes.",
        "status",
    ),
    Rule(
        "ShadowstreamDeadLetters",
        "warning",
        f"sum by (shadow, role, side, outcome) ({new_events(metric('records_total', UNDECODABLE))}) > 0",
        "0m",
        "Trial {trial}: the {role} cannot decode records of side {side}",
        "Trial {trial}: records of side {side} that the {role} could not decode within 15 minutes: {value:n}. "
        "They are kept as dead letters, are not compared and lower the coverage.",
        "diff",
    ),
    Rule(
        "ShadowstreamEvictions",
        "warning",
        f"sum by (shadow, side) ({new_events(metric('records_total', EVICTED))}) > 0",
        "0m",
        "Trial {trial} gives up records of side {side}",
        "Trial {trial}: records of side {side} evicted within 15 minutes: {value:n}. "
        "They were not compared and lower the coverage.",
        "explain",
    ),
    Rule(
        "ShadowstreamMemoryFull",
        "warning",
        f"{metric('shed_level')} > 0 or {metric('spill_full')} > 0",
        "5m",
        "Trial {trial}: the joiner has no room for waiting records",
        "Trial {trial}: the joiner at {instance} sheds a share of the identities, or its spill file is full.",
        "explain",
    ),
)
OF_ROLES = (
    Rule(
        "ShadowstreamRoleDown",
        "critical",
        f"max by (shadow, role) (last_over_time({BUILD}[6h])) unless max by (shadow, role) ({BUILD})",
        "3m",
        "Trial {trial}: no {role} answers",
        "Trial {trial}: a {role} answered Prometheus within the last 6 hours, and now none does. "
        "Its work waits in Kafka and is not lost. Read the end of its log and start it again.",
        "status",
    ),
    Rule(
        "ShadowstreamRoleStuck",
        "critical",
        f"time() - {metric('heartbeat_timestamp_seconds')} > 120",
        "1m",
        "Trial {trial}: the {role} at {instance} does not turn",
        "Trial {trial}: the {role} at {instance} runs, and its loop has not turned for {value:time}. "
        "It reads and commits nothing. Restart it if it does not recover.",
        "status",
    ),
    Rule(
        "ShadowstreamRoleNotReady",
        "warning",
        f"{metric('ready')} == 0",
        "15m",
        "Trial {trial}: the {role} at {instance} is not ready",
        "Trial {trial}: the {role} at {instance} has been without its partitions or their state for 15 minutes. "
        "Its log shows the reason for the wait.",
        "status",
    ),
    Rule(
        "ShadowstreamRoleRestarts",
        "warning",
        "changes(process_start_time_seconds[30m])"
        f" * on (job, instance) group_left (shadow, role) max by (job, instance, shadow, role) ({BUILD}) > 2",
        "0m",
        "Trial {trial}: the {role} at {instance} restarts repeatedly",
        "Trial {trial}: restarts of the {role} at {instance} within 30 minutes: {value}. "
        "Read the end of its log before each start.",
        "status",
    ),
    Rule(
        "ShadowstreamBrokersUnreachable",
        "critical",
        f"{metric('brokers_up')} == 0",
        "2m",
        "Trial {trial}: the {role} at {instance} reaches no broker",
        "Trial {trial}: the {role} at {instance} has no connection to a broker of Kafka. "
        "It resumes by itself once one answers. Check the brokers and the network.",
        "status",
    ),
    Rule(
        "ShadowstreamThrottled",
        "warning",
        f"avg_over_time({metric('throttled_seconds')}[10m]) > 0.5",
        "5m",
        "Trial {trial}: a quota slows the {role} at {instance}",
        "Trial {trial}: brokers delay answers to the {role} at {instance} by {value:time}, because of a quota. "
        "Its lag grows if the quota is below the traffic.",
        "status",
    ),
    Rule(
        "ShadowstreamCommitsFail",
        "warning",
        f"sum by (shadow, role) ({new_events(metric('aborts_total'))}) > 3",
        "0m",
        "Trial {trial}: commits of the {role} fail",
        "Trial {trial}: transactions of the {role} aborted within 15 minutes: {value:n}. "
        "Their records are read again; none is lost or counted twice.",
        "status",
    ),
)
RULES = (*OF_VERDICT, *OF_CANDIDATE, *OF_READING, *OF_ROLES)


def groups() -> dict[str, Any]:
    """Return the content of a file of rules."""
    return {"groups": [{"name": "shadowstream", "rules": [rule.record() for rule in RULES]}]}
