"""`compare --report` on a real broker: the page has the result and its terms; a page that cannot be is refused."""

import json
import sys
from pathlib import Path

import pytest

from shadowstream.cli import run
from shadowstream.compare.redact import MARK
from shadowstream.extras import command
from shadowstream.testing import Broker
from shadowstream.testing.topics import Write
from tests.least_config import LEAST
from tests.report.test_comparison_page import Page
from tests.topic_pairs.test_compare_command import FIRST_MS, ask, written

SECRET = "planted-person"
NOWHERE = ["compare", "a", "b", "--bootstrap", "127.0.0.1:9"]


def test_the_page_has_the_result_and_how_to_repeat_it(kafka: Broker, topic_prefix: str, tmp_path: Path) -> None:
    a, b = f"{topic_prefix}a", f"{topic_prefix}b"
    first, second = (
        [
            Write(json.dumps({"score": n + shift * (n % 2)}).encode(), f"{SECRET}-{n}".encode(), 0, FIRST_MS)
            for n in range(7)
        ]
        for shift in (0, 1)
    )
    single = Write(json.dumps({"who": SECRET}).encode(), f"{SECRET}-of-b".encode(), 0, FIRST_MS)
    written(kafka.bootstrap, {a: first, b: [*second, single]}, partitions=1)
    config, report = tmp_path / "trial.yaml", tmp_path / "page.html"
    config.write_text(json.dumps({**LEAST, "kafka": {"bootstrap": kafka.bootstrap}}))
    report.write_text("an older page")
    begin = ["--from", "2023-11-14T22:00:00Z"]
    login = ["--registry", f"http://me:{SECRET}@localhost:1"]
    code, found = ask(a, b, "--config", str(config), "--id", "key", *begin, *login, "--report", str(report))
    assert (code, found["pairs"]) == (3, {"match": 4, "mismatch": 3})
    text = report.read_text("utf-8")
    assert SECRET not in text
    shown = Page(text).text
    assert f"{a} and {b}: differ the topics differ: 3 of 7 pairs" in shown
    for one in found["examples"]:
        assert one["key"].startswith(MARK)
        assert all(part in shown for part in (one["key"], *one["places"]))
    assert f"score {found['fields']['score']} 42.86 % typically +1 by 3 differences" in shown
    assert "range from 2023-11-14 22:00:00 UTC, to the end at the start" in shown
    assert f"repeat it by shadowstream compare {a} {b} --config {config} --id key --from" in shown
    assert f"{a}/0 [0, 7)" in shown
    assert f"{b}/0 [0, 8)" in shown


def test_a_path_that_cannot_be_written_is_refused_before_any_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no-folder" / "page.html"):
        code, found = ask(*NOWHERE[1:], "--report", str(path))
        assert code == 2
        assert found["error"]["message"].startswith(f"--report: cannot write {path}: ")


def test_a_comparison_that_fails_leaves_the_older_page(tmp_path: Path) -> None:
    older, new = tmp_path / "older.html", tmp_path / "new.html"
    older.write_text("an older page")
    for path in (older, new):
        assert run([*NOWHERE[:3], "--id", "field:x", "--report", str(path)]) == 2
    assert older.read_text() == "an older page"
    assert not new.exists()


def test_without_its_extra_the_page_is_refused_before_any_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run([*NOWHERE, "--report", str(tmp_path / "page.html")]) == 2
    needs = "`compare --report` needs jinja2 of the extra `report`, which is not installed here: "
    assert capsys.readouterr().err == f"error: {needs}{command('report')}\n"
    assert list(tmp_path.iterdir()) == []
