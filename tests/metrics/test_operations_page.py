"""docs/operations.md: a section on each alert, and snippets that their programs accept."""

import json
import re
import shutil
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

from tests.helm import chart
from tests.metrics.test_rules import needs_promtool, promtool
from tests.monitoring.__main__ import FILES
from tests.monitoring.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.M | re.S)


def snippet(word: str) -> str:
    [found] = [text for text in SNIPPETS if word in text]
    return found


def test_the_page_has_one_section_for_each_alert() -> None:
    sections = re.findall(r"^### (Shadowstream\w+)\n\n(.+?)\n\n", PAGE + "\n\n", re.M | re.S)
    assert [name for name, _ in sections] == [rule.name for rule in RULES]
    assert all(len(text.split()) > 20 for _, text in sections)


@needs_promtool
def test_prometheus_accepts_the_config_of_the_page(tmp_path: Path) -> None:
    shutil.copy(FILES / "rules.yaml", tmp_path)
    (tmp_path / "prometheus.yml").write_text(snippet("scrape_configs"), "utf-8")
    done = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


@needs_promtool
def test_prometheus_parses_the_join_of_the_page(tmp_path: Path) -> None:
    rules = [{"record": "cpu", "expr": snippet("group_left")}]
    (tmp_path / "join.yaml").write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}), "utf-8")
    done = promtool("check", "rules", str(tmp_path / "join.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_accepts_the_values_of_the_page() -> None:
    values = yaml.safe_load(chart.MINIMAL.read_text("utf-8")) | yaml.safe_load(snippet("prometheusRule"))
    Draft7Validator(json.loads(chart.VALUES_SCHEMA.read_text("utf-8"))).validate(values)
