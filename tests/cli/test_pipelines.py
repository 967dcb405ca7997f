"""The step for GitHub and the job for GitLab of `examples/ci`, run by bash as their runners do, and their schemas.

Each of the six cases leaves exit code, outputs, a summary for people and JUnit XML.
"""

import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from tests.cli.conftest import MakeTrial
from tests.cli.verdict_topic import Judged
from tests.docs.markdown import ROOT

CI = ROOT / "examples" / "ci"
FOREIGN = "cd" * 32
INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


class Case(NamedTuple):
    """A case: the verdict that was written and when, and what the pipeline gets."""

    decision: str | None
    exit_code: int
    output: str
    part: str
    age_s: float = 0
    revision: str = ""


CASES = {
    "promote": Case("promote", 0, "promote", "promote"),
    "reject": Case("reject", 3, "reject", "because reject"),
    "not yet": Case("not_yet", 4, "not_yet", "because not"),
    "stale": Case("promote", 4, "not_yet", "s old; at most 3600 s count", age_s=7_200),
    "foreign revision": Case("promote", 4, "not_yet", f"no verdict for revision {FOREIGN[:16]}", revision=FOREIGN),
    "unreachable": Case(None, 1, "error", "check the address, the network"),
}
SHORT = {"github": "reject", "gitlab": "not yet"}
RUNS = [
    pytest.param(system, case, id=f"{system}: {case}", marks=[] if SHORT[system] == case else pytest.mark.long)
    for system in SHORT
    for case in CASES
]


def schema(name: str) -> dict[str, Any]:
    """A published schema, as the package check-jsonschema bears it."""
    file = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content


def document(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CI / name).read_text("utf-8"))
    return content


@pytest.mark.parametrize(
    ("name", "published", "broken"),
    [
        ("action.yml", "github-actions", {"runs": {"using": "composite", "steps": [{"run": "true"}]}}),
        ("gitlab-ci.yml", "gitlab-ci", {"shadowstream-gate": {"script": ["true"], "artifacts": {"when": "maybe"}}}),
    ],
)
def test_each_file_fits_its_published_schema(name: str, published: str, broken: dict[str, Any]) -> None:
    checker = jsonschema.validators.validator_for(schema(published))(schema(published))
    assert list(checker.iter_errors(document(name))) == []
    assert list(checker.iter_errors(document(name) | broken)) != [], "a schema that takes anything shows nothing"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a runner gives: the program on the path, and nothing of this trial."""
    program = folder / "bin" / "shadowstream"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shadowstream "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHADOWSTREAM_")}
    return {**kept, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": f"{folder}:{ROOT}", **more}


def step(folder: Path, inputs: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Run the step as GitHub documents it for `shell: bash`; return exit code, outputs and summary."""
    action = document("action.yml")
    given = {name: inputs.get(name, one.get("default")) for name, one in action["inputs"].items()}
    (run,) = action["runs"]["steps"]
    variables = {name: INPUT.sub(lambda found: given[found[1]], text) for name, text in run["env"].items()}
    output, summary = folder / "output", folder / "summary"
    for file in (output, summary):
        file.touch()
    settings = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTION_PATH": str(CI)}
    script = folder / "script.sh"
    script.write_text(run["run"])
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    done = subprocess.run(command, cwd=folder, env=environment(folder, **settings, **variables), check=False)
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    declared = {name: one["value"] for name, one in action["outputs"].items()}
    assert declared == {name: f"${{{{ steps.{run['id']}.outputs.{name} }}}}" for name in outputs}
    return done.returncode, outputs, summary.read_text()


def job(folder: Path, variables: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Run the job as a GitLab runner does with bash; return exit code, variables for later jobs and summary."""
    (one,) = document("gitlab-ci.yml").values()
    shutil.copytree(CI, folder / "ci")
    script = "set -eo pipefail\n" + "\n".join(one["script"])
    settings = environment(folder, **{**one["variables"], **variables})
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=settings, check=False)
    assert [folder / path for path in one["artifacts"]["paths"]] == [folder / "shadow-gate"]
    assert (folder / one["artifacts"]["reports"]["junit"]).is_file()
    lines = (folder / one["artifacts"]["reports"]["dotenv"]).read_text().splitlines()
    names = {"decision": "DECISION", "exit-code": "EXIT_CODE", "revision": "REVISION"}
    found = dict(line.split("=", 1) for line in lines)
    outputs = {name: found[f"SHADOWSTREAM_{short}"] for name, short in names.items()}
    return done.returncode, outputs, (folder / "shadow-gate" / "summary.md").read_text()


@pytest.mark.parametrize(("system", "case"), RUNS)
def test_a_pipeline_gets_decision_summary_and_junit(system: str, case: str, judged: Judged, tmp_path: Path) -> None:
    wanted = CASES[case]
    if wanted.decision is None:
        judged.path.write_text(judged.path.read_text().replace(judged.bootstrap, "127.0.0.1:1"))
    else:
        judged.say(wanted.decision, age_s=wanted.age_s)
    if system == "github":
        code, outputs, summary = step(tmp_path, {"config": "trial.yaml", "revision": wanted.revision})
    else:
        code, outputs, summary = job(tmp_path, {"SHADOWSTREAM_REVISION": wanted.revision})
    assert (code, outputs["decision"], outputs["exit-code"]) == (wanted.exit_code, wanted.output, str(wanted.exit_code))
    assert outputs["revision"] == ("" if wanted.decision is None else wanted.revision or judged.revision)
    first = f"`shadowstream gate`: **{wanted.output.replace('_', ' ')}**, exit code {wanted.exit_code}"
    assert (summary.splitlines()[0], wanted.part in summary.replace("\\", "")) == (first, True)
    suite = ElementTree.parse(tmp_path / "shadow-gate" / "junit.xml").getroot()
    bad = [*suite.iter("failure"), *suite.iter("error")]
    assert (suite.tag, int(suite.attrib["tests"]) > 0, bool(bad)) == ("testsuite", True, wanted.exit_code != 0)
    counted = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    assert (counted, int(suite.attrib["tests"])) == (len(bad), len(suite.findall("testcase")))


def test_no_input_becomes_a_part_of_the_script(make_trial: MakeTrial, tmp_path: Path) -> None:
    make_trial()
    odd = "$(touch made); `touch made` '\"; touch made #"
    code, outputs, _ = step(tmp_path, {"config": odd, "revision": odd, "max-age": odd, "options": odd})
    assert (code, outputs["decision"], (tmp_path / "made").exists()) == (2, "error", False)


def test_an_earlier_answer_goes_before_the_gate_can_fail(tmp_path: Path) -> None:
    out = tmp_path / "shadow-gate"
    out.mkdir()
    for name in ("gate.env", "junit.xml", "answer.json", "summary.md"):
        (out / name).write_text("SHADOWSTREAM_DECISION=promote\n")
    settings = environment(tmp_path, SHADOWSTREAM_OUT=str(out), SHADOWSTREAM_CONFIG="")
    done = subprocess.run(["bash", str(CI / "gate.sh")], cwd=tmp_path, env=settings, check=False)
    assert (done.returncode, list(out.iterdir())) == (1, [])
