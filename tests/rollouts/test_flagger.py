"""The webhooks of the guide, held against what Flagger makes of each answer.

Flagger's contract, by `pkg/controller/webhook.go` and `CanaryWebhookPayload` of release 1.36: it sends a POST with JSON
(name, namespace, phase, checksum, metadata) and takes a status up to 202 for a yes, after redirects. The default suite
sends such a body; the long test compiles that file of Flagger as it is, and has it call.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadowstream.testing.ports import free_port
from shadowstream.web.release_gate import BODY_BYTES_MAX, HOOKS
from tests.docs.markdown import blocks
from tests.rollouts import go_programs
from tests.rollouts.cases import CASES, TOKEN, Answer, Case, Site
from tests.rollouts.test_argo import ADDRESS, GUIDE

YES_MAX = 202


def payload(**metadata: str) -> bytes:
    """A body as Flagger writes it."""
    named = {"name": "scorer", "namespace": "fraud", "phase": "Progressing", "checksum": "5d5f6b8f94"}
    return json.dumps(named | ({"metadata": metadata} if metadata else {})).encode()


def webhooks() -> list[dict[str, Any]]:
    """The webhooks of the guide's Canary."""
    (found,) = [one["analysis"]["webhooks"] for one in map(yaml.safe_load, blocks(GUIDE, "yaml")) if "analysis" in one]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_hook_is_answered_yes_to_its_decision_only(site: Site, case: Case) -> None:
    body = payload(trial=site.trial(case), revision=site.revision(case))

    def call(hook: str) -> Answer:
        return site.post(f"/hooks/flagger/{hook}", body)

    with ThreadPoolExecutor(len(HOOKS)) as pool:  # one read of the cluster serves them all
        found = dict(zip(HOOKS, pool.map(call, HOOKS), strict=True))
    proven = case.decision if case.status == 200 else None
    for hook, answer in found.items():
        assert (answer.status <= YES_MAX) == (HOOKS[hook] == proven), (hook, answer)
        assert answer.status in (200, 409)
        assert answer.body.decode().splitlines()[0] == case.decision.replace("_", " ")


def test_the_hooks_are_those_that_flagger_has() -> None:
    assert HOOKS == {"confirm-rollout": "promote", "confirm-promotion": "promote", "rollback": "reject"}
    assert [(one["type"], one["url"].rpartition("/")[2]) for one in webhooks()] == [
        ("confirm-promotion", "confirm-promotion"),
        ("rollback", "rollback"),
    ]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"promote", 400),
        (b"[]", 400),
        (b'{"metadata": []}', 400),
        (b'{"metadata": {"trial": 7}}', 400),
        (payload(trial="absent"), 404),
        (payload(revison="ab" * 32), 400),
        (payload(), 400),
        (b" " * (BODY_BYTES_MAX + 1), 413),
    ],
)
def test_a_body_that_asks_nothing_is_never_a_yes(site: Site, hook: str, body: bytes, status: int) -> None:
    refused = site.post(f"/hooks/flagger/{hook}", body)
    assert (refused.status, refused.body.split(b"\n")[0]) == (status, b"not yet")


def test_a_hook_answers_neither_get_nor_other_names(site: Site) -> None:
    # Flagger's client follows a redirect by GET, so an answer to GET could be taken for a yes.
    for hook in HOOKS:
        assert site.get(f"/hooks/flagger/{hook}?trial={site.names['reject']}").status == 405
    body = payload(trial=site.names["reject"])
    for path in ("rollback/", "Rollback", "pre-rollout", "../flagger/rollbacks"):
        assert site.post(f"/hooks/flagger/{path}", body).status in (404, 307)


@pytest.mark.long
def test_flaggers_own_caller_takes_each_answer_so(site: Site, tmp_path: Path) -> None:
    nobody = f"http://gate:{TOKEN}@127.0.0.1:{free_port()}"
    page = site.url.replace("http://", f"http://gate:{TOKEN}@")
    asked, yes = [], []
    for case in CASES.values():
        for hook in webhooks():
            url = hook["url"].replace(ADDRESS.replace("http://", "http://gate:TOKEN@"), page)
            metadata = {"trial": site.trial(case), "revision": site.revision(case)}
            asked.append({**hook, "url": url, "metadata": metadata})
            yes.append(HOOKS[hook["type"]] == case.decision and case.status == 200)
    for hook in webhooks():
        asked.append({**hook, "url": hook["url"].replace(ADDRESS.replace("http://", "http://gate:TOKEN@"), nobody)})
        asked.append({**asked[0], "type": hook["type"], "url": site.url + "/hooks/flagger/" + hook["type"]})
        yes += [False, False]
    errors = go_programs.call("flagger", asked, tmp_path, ("github.com/fluxcd/flagger", "pkg/controller/webhook.go"))
    assert [error == "" for error in errors] == yes
    assert sum(yes) == 2
    # Where nobody listens, the client of Flagger 1.36 does write the address: so the guide gives it the gate's token.
    assert not [error for error in errors[:-4] if TOKEN in error]
    unreachable = [error for error in errors[:-4] if "cannot read" in error]
    assert len(unreachable) == len(webhooks()), "the reason reaches Flagger"
