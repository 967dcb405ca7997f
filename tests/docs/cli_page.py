"""docs/cli.md: every command with its arguments and options, from the program itself.

`make docs` writes it (`python -m tests.docs.cli_page`); `tests/docs/test_generated_pages.py` compares.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer

from shadowstream import cli
from shadowstream.cli.commands import COMMANDS
from tests.docs.markdown import ROOT, escaped

PAGE = ROOT / "docs" / "cli.md"
HEAD = """\
# Commands

Made from the program by `python -m tests.docs.cli_page`; a test compares. `--help` behind a command prints the
same. CONFIG is the trial's YAML file: [config](config.md). [Exit codes](exit-codes.md) lists how each command ends.

Before the command, `shadowstream --log-level debug|info|warning|error` sets the least level of log lines, as
`SHADOWSTREAM_LOG_LEVEL` does. `shadowstream --version` shows the versions, and `shadowstream --install-completion` lets
your shell complete commands, options and values.
"""


_KINDS = {int: "NUMBER", float: "NUMBER", Path: "FILE"}


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command with its full name, those of groups too."""
    for name in COMMANDS:
        command = vars(typer.main.get_command(cli.app([name])))["commands"][name]
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {word}", one) for word, one in inner.items()) if inner else [(name, command)]


def page() -> str:
    """Return the page."""
    return HEAD + "".join(section(name, command) for name, command in commands())


def section(name: str, command: Any) -> str:
    """Return the section of one command."""
    shown = [one for one in command.params if one.name != "help" and not getattr(one, "hidden", False)]
    arguments = " ".join(_argument(one) for one in shown if one.param_type_name == "argument")
    needed = [f"{one.opts[0]} {_kind(one)}" for one in shown if one.param_type_name == "option" and one.required]
    arguments = " ".join(filter(None, [arguments, *needed])).replace("\\|", "|")
    head = f"\n## {name}\n\n`{f'shadowstream {name} {arguments}'.strip()}`\n\n{_paragraphs(command.help)}\n"
    rows = "".join(_row(one) for one in shown)
    return head + (f"\n| option | default | meaning |\n|---|---|---|\n{rows}" if rows else "")


def _argument(one: Any) -> str:
    name = (one.metavar or one.name.upper()).strip("[].…")
    return f"{name if one.required else f'[{name}]'}{'...' if one.nargs == -1 else ''}"


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in escaped(text or "").split("\n\n"))


def _row(one: Any) -> str:
    names = [*one.opts, *one.secondary_opts] if one.param_type_name == "option" else [_argument(one)]
    is_flag = getattr(one, "is_flag", False)
    kind = "" if is_flag or one.param_type_name == "argument" else f" {_kind(one)}"
    has_default = one.default not in (None, ()) and one.default is not False and not callable(one.default)
    default = f"`{_value(one.default)}`" if has_default else ""
    variable = f" (variable `{one.envvar}`)" if getattr(one, "envvar", None) else ""
    required = " (required)" if one.required and one.param_type_name == "option" else ""
    shown = ", ".join(f"`{name}{kind}`" for name in names)
    return f"| {shown} | {default} | {escaped(one.help or '')}{variable}{required} |\n"


def _kind(one: Any) -> str:
    if one.metavar:
        return str(one.metavar)
    annotation = one.type_descriptor.annotation
    words = [word for inner in (annotation, *get_args(annotation)) for word in get_args(inner) if isinstance(word, str)]
    plain = [inner for inner in (annotation, *get_args(annotation)) if isinstance(inner, type)]
    return "\\|".join(dict.fromkeys(words)) or _KINDS.get(plain[0] if plain else str, "TEXT")


def _value(default: Any) -> str:
    return ", ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
