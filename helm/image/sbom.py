"""Software bill of materials of the image, as CycloneDX 1.6 in JSON, from the lock and the installed packages.

    python helm/image/sbom.py [EXTRA ...] > sbom.cdx.json        default: the extras of the image

Names, versions and who asked for what are the lock's, licences those of the installed packages. It has no time and no
random number: equal locks give equal files.
"""

import hashlib
import json
import re
import sys
import tomllib
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from runtime_lock import name_of, parts_of, roots_of, subset

ROOT = Path(__file__).resolve().parents[2]
IMAGE_EXTRAS = ("all",)
_VERSION = re.compile(r"==([^\s;\\]+)")


def version_of(entry: str) -> str:
    """The pinned version of an entry of the lock; raises `ValueError` for one without."""
    found = _VERSION.search(entry)
    if found is None:
        raise ValueError(f"{entry.splitlines()[0]!r} has no pin")
    return found.group(1)


def licence_of(name: str) -> str | None:
    """What an installed package says of its licence: the SPDX expression, else the classifiers, else the field."""
    try:
        declared = metadata(name)
    except PackageNotFoundError:
        return None
    if expression := declared.get("License-Expression"):
        return str(expression)
    classifiers = [
        one.rpartition(" :: ")[2] for one in declared.get_all("Classifier") or () if one.startswith("License ::")
    ]
    field = (declared.get("License") or "").strip().partition("\n")[0]
    return " AND ".join(one for one in classifiers if one != "OSI Approved") or field or None


def _component(name: str, entry: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version_of(entry)}"
    component: dict[str, Any] = {
        "type": "library", "bom-ref": purl, "name": name, "version": version_of(entry), "purl": purl,
    }  # fmt: skip
    if licence := licence_of(name):
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def bill(lock: str, pyproject: str, extras: tuple[str, ...]) -> dict[str, Any]:
    """The bill of what these extras install."""
    wanted = subset(lock, roots_of(pyproject, extras))
    parts = [(name, entry, askers) for name, entry, askers in parts_of(wanted)]
    components = [_component(name, entry) for name, entry, _ in parts]
    refs = {one["name"]: one["bom-ref"] for one in components}
    project = tomllib.loads(pyproject)["project"]
    top = f"pkg:pypi/{project['name']}@{project['version']}"
    asked: dict[str, set[str]] = {top: {refs[name_of(root)] for root in roots_of(pyproject, extras)}}
    for name, _, askers in parts:
        for asker in askers & refs.keys():
            asked.setdefault(refs[asker], set()).add(refs[name])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.UUID(bytes=hashlib.sha256(wanted.encode()).digest()[:16], version=4).urn,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": top, "name": project["name"], "version": project["version"],
                "purl": top, "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(asked.get(ref, ()))} for ref in (top, *sorted(refs.values()))
        ],
    }  # fmt: skip


if __name__ == "__main__":
    texts = [(ROOT / name).read_text("utf-8") for name in ("requirements.lock", "pyproject.toml")]
    print(json.dumps(bill(*texts, tuple(sys.argv[1:]) or IMAGE_EXTRAS), indent=1))
