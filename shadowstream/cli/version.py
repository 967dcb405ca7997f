"""`--version`: what is installed here, for a report of a fault."""

import json
import platform
import subprocess
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shadowstream.kafka.client.version import client_version

_GIT_S = 5.0


def version_text() -> str:
    """The versions of shadowstream, of Python and of Kafka's client; the commit where the installation knows it."""
    installed = distribution("shadowstream")
    commit = _commit(installed)
    of = f" (commit {commit})" if commit else ""
    return (
        f"shadowstream {installed.version}{of}\n"
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}\n"
        f"{client_version()}"
    )


def _commit(installed: Distribution) -> str | None:
    """The commit by the record of the installation (PEP 610): of a version control system, or of an editable clone."""
    record = json.loads(installed.read_text("direct_url.json") or "{}")
    if commit := record.get("vcs_info", {}).get("commit_id"):
        return str(commit)
    if not record.get("dir_info", {}).get("editable"):
        return None
    clone = Path(unquote(urlsplit(record["url"]).path))
    # Beside its own clone's, git would find the commit of a repository around it.
    return _git(clone, "describe", "--always", "--dirty", "--abbrev=12") if (clone / ".git").exists() else None


def _git(clone: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(clone), *words], capture_output=True, text=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
