"""The six answers that a gate can give to a release, on trials whose verdicts a test writes to a real broker."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from shadowstream.configfile import load
from shadowstream.revision import revision_of
from shadowstream.testing.ports import free_port
from tests import forked
from tests.cli.verdict_topic import Judged
from tests.pipeline.trial_fixture import ROOT

CONFIG = """\
name: {name}
kafka: {{bootstrap: "{bootstrap}"}}
inputs: [payments]
production: {{outputs: [scores], group: scorer}}
candidate: {{trusted: true, call: "rollout_candidate:score"}}
"""
FOREIGN = "cd" * 32
TOKEN = "gate-token-of-the-tests"
STALE_S = 7_200.0


class Case(NamedTuple):
    """A case: its kind of verdict, a revision to ask for (None: the trial's own), and the decision that is right."""

    verdict: str
    revision: str | None
    decision: str
    exit_code: int
    status: int = 200


CASES = {
    "promote": Case("promote", None, "promote", 0),
    "reject": Case("reject", None, "reject", 3),
    "not yet": Case("not_yet", None, "not_yet", 4),
    "stale promote": Case("stale_promote", None, "not_yet", 4),
    "stale reject": Case("stale_reject", None, "not_yet", 4),
    "promote of a foreign revision": Case("promote", FOREIGN, "not_yet", 4),
    "reject of a foreign revision": Case("reject", FOREIGN, "not_yet", 4),
    "unreachable": Case("unreachable", None, "not_yet", 1, 503),
}
VERDICTS = sorted({case.verdict for case in CASES.values()})


class Answer(NamedTuple):
    """An answer to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Site:
    """A page with a trial for each kind of verdict. By kind: `configs` are the files, `names` those of the trials."""

    url: str
    configs: dict[str, Path]
    names: dict[str, str]

    def trial(self, case: Case) -> str:
        return self.names[case.verdict]

    @cached_property
    def own(self) -> str:
        """The revision of every trial here: they have the same candidate and rules."""
        (revision,) = {revision_of(load(path)) for path in self.configs.values()}
        return revision

    def revision(self, case: Case) -> str:
        return case.revision or self.own

    def query(self, case: Case) -> str:
        """The query for a case."""
        revision = "" if case.revision is None else f"&revision={case.revision}"
        return f"?trial={self.trial(case)}{revision}"

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `shadowstream` with these words to its end."""
        folder = next(iter(self.configs.values())).parent
        command = [sys.executable, "-m", "shadowstream", *words]
        return forked.run(command, 120, cwd=folder, env=environment(folder))

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask with the gate's token, unless `headers` have an authorization."""
        given = {"authorization": f"Bearer {TOKEN}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return fetch(urllib.request.Request(self.url + path, headers=given, method=method))

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        given = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"} | headers
        return fetch(urllib.request.Request(self.url + path, data=body, headers=given, method="POST"))


def fetch(request: urllib.request.Request) -> Answer:
    """Send a request; an error status is an answer as well."""
    try:
        with urllib.request.urlopen(request, timeout=30) as found:
            return Answer(found.status, found.headers, found.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def write_trials(bootstrap: str, folder: Path, suffix: str) -> tuple[dict[str, Path], dict[str, str]]:
    """Write a config and a verdict for each kind, and return configs and names; no broker answers `unreachable`."""
    (folder / "rollout_candidate.py").write_text("def score(value):\n    return value\n", "utf-8")
    paths, names = {}, {}
    for kind in VERDICTS:
        path, name = folder / f"{kind}.yaml", f"{kind}-{suffix}".replace("_", "-")
        address = f"127.0.0.1:{free_port()}" if kind == "unreachable" else bootstrap
        path.write_text(CONFIG.format(name=name, bootstrap=address), "utf-8")
        paths[kind], names[kind] = path, name
        if kind != "unreachable":
            judged = Judged(path, bootstrap)
            judged.create()
            judged.say(kind.removeprefix("stale_"), age_s=STALE_S if kind.startswith("stale_") else 0)
    return paths, names


def environment(folder: Path) -> dict[str, str]:
    """Variables of a process that finds the candidate, with the gate's token."""
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return {**os.environ, "PYTHONPATH": paths, "SHADOWSTREAM_GATE_TOKEN": TOKEN}
