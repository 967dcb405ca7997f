"""Secrets planted in values, keys, headers, names, exceptions, labels and settings: none is in a sink that must not
hold it."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shadowstream.cli import run
from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, create_topics, produce_all
from tests.alerts.webhook import Webhook
from tests.pipeline.leak_search import committed_under, family, files_below, found_in, of_process, topics_under
from tests.pipeline.trial_fixture import PARTITIONS, Production, Trial, time_ms
from tests.pipeline.written_records import await_markers, await_that
from tests.web.chromium import chromium, is_served, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ORDERS = 240
ROLES = ("run", "join", "judge", "labels", "alerts run")
PLANTED = {
    "value": "ada.lovelace@planted-example",
    "map key": "zoe.map@planted-example",
    "name": "field.of.max@planted-example",
    "key": "key-of-tim@planted-example",
    "header": "header-of-liz@planted-example",
    "exception": "raised-for-ben@planted-example",
    "printed": "printed-for-amy@planted-example",
    "broken input": "qvx-broken-input@planted-example",
    "broken output": "jwz-broken-output@planted-example",
    "broken label": "wkq-broken-label@planted-example",
    "answer": "answer-of-kim@planted-example",
    "truth": "truth-of-kim@planted-example",
}
SETTINGS = {
    "PLANTED_WEBHOOK": "webhook-token-planted",
    "PLANTED_HEADER": "header-token-planted",
    "PLANTED_SIGN": "signing-secret-planted",
    "PLANTED_COMMANDS": "commands-key-planted-32-characters",
    "PLANTED_HASH": "hash-key-planted",
    "PLANTED_KEY": "verdicts-key-planted",
    "PLANTED_FORMER": "former-secret-planted",
}
MODES: dict[str, dict[str, Any]] = {
    "numbers": {"examples": {"values": "numbers"}},
    "hashed": {"examples": {"values": "hashed", "secret": "${PLANTED_HASH}"}},
    "none": {"examples": {"values": "none"}},
    "redact": {
        "examples": {"values": "shown"},
        "redact": {"paths": ["email", "balances", "answer"], "keys": True, "secret": "${PLANTED_HASH}"},
    },
    "redact and drop": {
        "examples": {"values": "shown"},
        "redact": {"paths": ["email", "balances", "answer"], "keys": True, "how": "drop"},
    },
}
CANDIDATE = f"""
PLANTED = {PLANTED!r}

def judge(value):
    n = value["n"]
    if n % 10 == 3:
        raise ValueError(PLANTED["exception"])
    if n % 10 == 5:
        print(PLANTED["printed"], flush=True)
    same = {{"n": n, "answer": PLANTED["answer"]}}
    return {{**same, "mail": value["email"], "balances": {{PLANTED["map key"]: 2}}, PLANTED["name"]: 1}}
"""


def order(n: int) -> bytes:
    if n % 10 == 7:
        return PLANTED["broken input"].encode()
    return json.dumps({"n": n, "email": PLANTED["value"]}).encode()


def production(n: int) -> bytes:
    if n % 10 == 9:
        return b'{"broken": ' + PLANTED["broken output"].encode()
    answer = {"n": n, "email": PLANTED["value"], "balances": {PLANTED["map key"]: 1}, "answer": PLANTED["truth"]}
    return json.dumps(answer).encode()


def label(n: int) -> bytes:
    return PLANTED["broken label"].encode() if n == 11 else json.dumps({"answer": PLANTED["truth"]}).encode()


def planted_trial(kafka: Broker, folder: Path, mode: str, webhook: Webhook, suffix: str) -> Trial:
    """A trial whose production has answered and whose labels have come."""
    name = f"planted-{suffix}"
    channel = {"webhook": f"{webhook.url}?token=${{PLANTED_WEBHOOK}}", "secret": "${PLANTED_SIGN}"}
    channel["previous_secret"] = "${PLANTED_FORMER}"
    settings: dict[str, Any] = {
        "start": "earliest",
        "judge": {"window_ms": 3_600_000, "commands_key": "${PLANTED_COMMANDS}", "signing_keys": ["${PLANTED_KEY}"]},
        "alerts": {"channels": [{**channel, "headers": {"X-Token": "${PLANTED_HEADER}"}}]},
        "compare": {"match_sample": 1, "diff_json": True, **MODES[mode]},
    }
    if "redact" not in mode:  # answers that must be covered cannot be labelled
        settings["labels"] = {"topic": f"{name}-truth", "path": "answer", "horizon_ms": 86_400_000}
        settings["labels"]["store_dir"] = str(folder / "store")
    trial = Trial(kafka.bootstrap, name, folder, CANDIDATE, settings=settings)
    trial.create_topics()
    create_topics(kafka.bootstrap, {f"{name}-truth": PARTITIONS})
    header = [("x-person", PLANTED["header"].encode())]
    keys = [f"{PLANTED['key']}-{n}".encode() for n in range(ORDERS)]
    for topic, value_of in ((trial.input, order), (trial.output, production), (f"{name}-truth", label)):
        writes = [Write(value_of(n), keys[n], n % PARTITIONS, time_ms(n), header) for n in range(ORDERS)]
        produce_all(kafka.bootstrap, topic, writes)
    Production(trial, say=lambda _: None).work(ORDERS)  # it only commits: its outputs are there
    return trial


def printed_by_commands(trial: Trial, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, bytes]]:
    """Each command that shows a trial, with what it prints."""
    path = str(trial.config_path)
    pair = trial.records("diff")[0]["pair_id"]
    report = str(trial.folder / "report")
    for words in (
        ["config", "show"],
        ["diff", "--json"],
        ["diff", "--summary"],
        ["diff", "--show", pair, "--json"],
        ["dlq", "--json"],
        ["explain"],
        ["status"],
        ["gate", "--json"],
        ["verify", "--json"],
        ["suggest", "--no-replay"],
        ["suggest", "--no-replay", "--json"],
        ["approve", "--by", "ana", "--reason", "fine"],
        ["handover", "--by", "ana", "--json"],
        *(["report", "--out", f"{report}.{kind}", "--format", kind] for kind in ("html", "markdown", "junit")),
    ):
        capsys.readouterr()
        code = run([*words[: 1 + (words[0] == "config")], path, *words[1 + (words[0] == "config") :]])
        out, err = capsys.readouterr()
        refused = 2 if words[0] == "approve" else 0  # nothing is promoted
        assert code in (0, 3, 4, refused), f"{words}: {code} {err}"
        yield " ".join(words[:2]), f"{out}\n{err}".encode()
    # The file that it writes is among the files of the trial.
    topics = ["--bootstrap", trial.bootstrap, "--inputs", trial.input, "--outputs", trial.output]
    made = ["init", *topics, "--candidate", trial.call, "--yes", "--out", str(trial.folder / "first.yaml")]
    assert run(made) == 0
    yield "init", "\n".join(capsys.readouterr()).encode()


def of_processes(processes: list[subprocess.Popen[str]]) -> Iterator[tuple[str, bytes]]:
    """The arguments of each role and its children, and the environments of those that run code of the user."""
    workers = 0
    for process in processes:
        pids = family(process.pid)
        for pid in pids:
            yield f"arguments of {pid}", of_process(pid, "cmdline")
        for pid in pids[1:]:
            workers += 1
            yield f"environment of {pid}", of_process(pid, "environ")
    assert workers, "the candidate has a process of its own"


def page_of(trial: Trial, browser: "Browser") -> str:
    """The live page with the first differing record open: both values, and its input."""
    address = f"127.0.0.1:{free_port()}"
    web = trial.start("web", "--listen", address)
    try:
        await_that("the page is served", lambda: is_served(f"http://{address}", web))
        with opened(browser, f"http://{address}/") as page:
            page.get_by_role("button", name="redacted:").first.click()
            page.get_by_role("region", name="one pair").wait_for()
            page.wait_for_function("!document.body.innerText.includes('reading the records')")
            return page.content() + page.inner_text("body")
    finally:
        web.terminate()
        web.communicate(timeout=30)


def metrics(ports: list[int]) -> Iterator[tuple[str, bytes]]:
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            yield f"metrics at {port}", answer.read()


@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=[pytest.mark.long] if mode != "numbers" else []) for mode in MODES]
)
def test_no_sink_holds_a_planted_secret(
    kafka: Broker,
    topic_prefix: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    (tmp_path / "tmp").mkdir()
    for name, secret in {**SETTINGS, "TMPDIR": str(tmp_path / "tmp")}.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.syspath_prepend(str(tmp_path))
    with ExitStack() as stack:
        webhook = stack.enter_context(Webhook(keyed=False))
        webhook.up()
        trial = planted_trial(kafka, tmp_path, mode, webhook, topic_prefix[-9:-1])
        roles = [role for role in ROLES if role != "labels" or "redact" not in mode]
        ports = [free_port() for _ in roles]
        started = [
            trial.start(role, "--listen", f"127.0.0.1:{port}", log=role.replace(" ", "-"))
            for role, port in zip(roles, ports, strict=True)
        ]
        stack.callback(lambda: [process.kill() for process in started if process.poll() is None])
        await_that("all orders are judged", lambda: sum(trial.outcomes().values()) >= ORDERS, 90.0)
        await_that("an alert has come", lambda: bool(webhook.bodies), 60.0)
        sinks = dict([*of_processes(started), *metrics(ports)])
        for process in started:
            process.terminate()
        prints = [process.communicate(timeout=60)[0] for process in started]
        sinks |= {f"stdout of {role}": text.encode() for role, text in zip(roles, prints, strict=True)}
        await_markers(kafka.bootstrap, trial.topic(""))
        sinks |= dict(printed_by_commands(trial, capsys))
        if mode != "numbers":  # a browser costs more than all roles
            monkeypatch.delenv("TMPDIR")  # its sockets need a short path
            sinks |= {"page": page_of(trial, stack.enter_context(chromium())).encode()}
        sinks |= dict(committed_under(kafka.bootstrap, trial.topic("")))
        topics = dict(topics_under(kafka.bootstrap, trial.topic("")))
        of_candidate = {name: topics.pop(name) for name in list(topics) if name == trial.topic(f"out.{trial.output}")}
        left_out = [trial.config_path, *tmp_path.glob("*.py"), *tmp_path.rglob("*.pyc")]
        sinks |= {**topics, **dict(files_below(tmp_path, left_out))}
        sinks |= {"webhook": b"\n".join(webhook.bodies)}
        secrets = PLANTED | SETTINGS
        leaks = {sink: sorted(found) for sink, data in sinks.items() if (found := found_in(data, secrets))}
        assert leaks == {}
        # The search finds what is there.
        assert found_in(b"".join(of_candidate.values()), secrets) >= {"value", "map key", "name", "key"}
        assert len(topics) > 8
