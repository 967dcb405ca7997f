"""Pages made from code are those of today, and hold every command, option, key and name."""

import re
from types import ModuleType

import pytest

import shadowstream
from shadowstream.configschema import json_schema
from tests.docs import api_page, cli_page, config_page


@pytest.mark.parametrize("made", [api_page, cli_page, config_page], ids=lambda module: module.PAGE.name)
def test_a_page_made_from_code_is_the_page_of_today(made: ModuleType) -> None:
    assert made.page() == made.PAGE.read_text("utf-8"), "run: make docs"


def test_each_command_and_option_has_a_meaning() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", cli_page.page(), re.MULTILINE | re.DOTALL))
    found = list(cli_page.commands())
    assert list(sections) == [name for name, _ in found]
    options = {(name, word) for name, command in found for one in command.params for word in one.opts if word[0] == "-"}
    shown = {(name, word) for name, text in sections.items() for word in re.findall(r"`(-[\w-]+)", text)}
    assert {(name, word) for name, word in options if word != "--help"} <= shown
    assert re.findall(r"^\| .* \|  \|$", cli_page.page(), re.MULTILINE) == []


def keys_without_meaning() -> list[str]:
    """Keys of the config that neither a description nor a section of their own explains."""
    found = []
    for path, model in config_page.sections(json_schema()):
        for name, part in model["properties"].items():
            refs = [ref for ref in config_page.refs_in(part) if ref != "Variable"]
            if not part.get("description") and not refs:
                found.append(f"{path}.{name}".lstrip("."))
    return found


def test_each_key_of_the_config_has_a_meaning() -> None:
    assert keys_without_meaning() == []


def test_each_public_name_and_each_of_its_fields_has_a_meaning() -> None:
    page = api_page.page()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == shadowstream.__all__
    assert re.findall(r"^\| `(\w+)` \| .* \|  \|$", page, re.MULTILINE) == []
