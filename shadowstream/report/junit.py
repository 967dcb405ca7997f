"""JUnit XML for pipelines that show test results: one case per criterion, and cases of the whole verdict.

A criterion that is not shown good fails. A skipped case would pass as green, and missing data is no pass.
"""

from xml.etree import ElementTree as xml

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.verdict.verdict_notes import notes_of
from shadowstream.report.facts import Facts
from shadowstream.status.words import printable


def junit(facts: Facts) -> str:
    suite = xml.Element("testsuite", name=f"shadowstream.{facts.name}")
    for outlook in facts.explanation.outlooks:
        case = _case(suite, "criteria", outlook.criterion)
        if not outlook.passed:
            _failure(case, outlook.state, "\n".join([outlook.sentence, *outlook.why]))
    if facts.verdict is not None:
        ledgers = _case(suite, "verdict", "conservation")
        if facts.verdict["remainder"]:
            _failure(ledgers, "remainder", f"{facts.verdict['remainder']} records are unaccounted for")
        incidents = _case(suite, "verdict", "incidents")
        if facts.verdict["incidents_open"]:
            _failure(incidents, "open", "\n".join(facts.verdict["incidents_open"]))
        covered = _case(suite, "verdict", "coverage")
        blocking = [reason for reason in facts.verdict["reasons"] if reason.startswith("coverage: ")]
        if blocking:
            _failure(covered, "not covered", "\n".join(blocking))
        xml.SubElement(covered, "system-out").text = printable("\n".join(notes_of(facts.verdict)))
    decision = _case(suite, "verdict", "decision")
    if facts.explanation.decision != "promote":
        _failure(decision, facts.decision, "\n".join(facts.reasons))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    suite.set("skipped", "0")
    properties = xml.Element("properties")
    named = [("revision", facts.revision), ("decision", facts.explanation.decision)]
    named += [(title.replace(" ", "_"), printable(text)) for title, text in facts.about.items()]
    if facts.verdict is not None:
        coverage = facts.verdict["coverage"]
        named.append(("coverage", "unknown" if coverage is None else percent(coverage)))
        named.append(("candidate_isolation", facts.verdict["candidate_isolation"]))
    for name, value in named:
        xml.SubElement(properties, "property", name=name, value=value)
    suite.insert(0, properties)
    xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suite, encoding="unicode") + "\n"


def _case(suite: xml.Element, group: str, name: str) -> xml.Element:
    return xml.SubElement(suite, "testcase", classname=f"{suite.get('name')}.{group}", name=printable(name))


def _failure(case: xml.Element, kind: str, text: str) -> None:
    failure = xml.SubElement(case, "failure", type=kind, message=printable(text.partition("\n")[0]))
    failure.text = printable(text)
