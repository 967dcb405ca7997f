"""Log lines as another program or a person sees them: of a process of their own, since logging is global."""

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from shadowstream.masking import is_secret, masked
from tests import forked

SPEAK = """
import logging
from shadowstream.logs import configure_logging, get_logger
configure_logging(LEVEL)
configure_logging(LEVEL)
log = get_logger("kafka")
log.debug("quiet_one")
log.info("client_made", settings={"sasl.password": "hunter2", "deep": [{"ssl.key.pem": "hunter2"}]}, raw=b"x\\xff")
log.warning("url_used", url="http://me:hunter2@host/", token="hunter2")
logging.getLogger("library").info("chatter")
logging.getLogger("library").warning("library says %s", "this")
password = "hunter2"
try:
    {}[password[:0]]
except KeyError:
    log.exception("broke")
"""


def spoken(level: str = "json=None", **environ: str) -> tuple[str, str]:
    done = forked.python("-c", SPEAK.replace("LEVEL", level), **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def on_a_terminal(**environ: str) -> str:
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(forked.ROOT), "TERM": "xterm", **environ}
    command = [sys.executable, "-c", SPEAK.replace("LEVEL", "json=None")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        while True:
            try:
                read = os.read(master, 65536)
            except OSError:  # Linux says so when the last writer has closed a terminal
                break
            if not read:
                break
            seen += read
        assert process.wait(60) == 0
    os.close(master)
    return seen.decode()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    stdout, stderr = spoken()
    assert stdout == "", "talk goes to stderr"
    return [json.loads(line) for line in stderr.splitlines()]


def test_outside_a_terminal_each_event_is_a_json_line(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines] == ["client_made", "url_used", "library says this", "broke"]
    assert [line["level"] for line in lines] == ["info", "warning", "warning", "error"]
    assert [line["room"] for line in lines] == ["kafka", "kafka", "library", "kafka"]


def test_times_are_utc_and_iso(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert line["timestamp"].endswith("Z")
        assert line["timestamp"][10] == "T"


def test_secrets_are_masked_at_any_depth_and_bytes_are_readable(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["settings"] == {"sasl.password": "***", "deep": [{"ssl.key.pem": "***"}]}
    assert lines[0]["raw"] == "x\\xff"
    assert (lines[1]["url"], lines[1]["token"]) == ("http://***@host/", "***")


def test_an_exception_is_data_without_local_variables(lines: list[dict[str, Any]]) -> None:
    assert lines[3]["exception"][0]["exc_type"] == "KeyError"
    assert "hunter2" not in json.dumps(lines)


def test_the_level_is_the_least_that_is_logged() -> None:
    assert "client_made" not in spoken("level='warning'")[1]
    debug = spoken("level='debug'")[1]
    assert "quiet_one" in debug
    assert "chatter" in debug


def test_readable_lines_can_be_asked_for_off_a_terminal() -> None:
    stderr = spoken("json=False")[1]
    assert "client_made" in stderr
    assert "\x1b" not in stderr
    assert "hunter2" not in stderr
    with pytest.raises(json.JSONDecodeError):
        json.loads(stderr.splitlines()[0])


def test_terminal_lines_are_readable_and_coloured_unless_no_color() -> None:
    coloured = on_a_terminal(NO_COLOR="")
    assert "\x1b[" in coloured
    assert "client_made" in coloured
    plain = on_a_terminal(NO_COLOR="1")
    assert "\x1b[" not in plain
    assert "client_made" in plain
    assert "hunter2" not in coloured + plain


@pytest.mark.parametrize(
    "name",
    [
        *("sasl.password", "sasl.username", "sasl_password", "sasl.oauthbearer.client.secret", "ssl.key.pem"),
        *("ssl.key.password", "ssl.keystore.password", "basic.auth.user.info", "api_key", "Authorization"),
        "GITHUB_TOKEN",
    ],
)
def test_a_secrets_name_is_known(name: str) -> None:
    assert is_secret(name)
    assert masked({"a": [{name: "hunter2"}]}) == {"a": [{name: "***"}]}


@pytest.mark.parametrize("name", ["key", "keys", "bootstrap.servers", "ssl.ca.location", "partition.key", "passed"])
def test_other_names_stay_unmasked(name: str) -> None:
    assert not is_secret(name)


def test_an_absent_secret_is_shown_as_absent_and_depth_is_bounded() -> None:
    absent: dict[str, Any] = {"sasl.password": None, "signing_keys": [], "secrets": {}}
    assert masked(absent) == absent
    deep: list[Any] = []
    deep.append(deep)
    assert "***" in json.dumps(masked(deep))
