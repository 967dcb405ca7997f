"""The bill of materials and the audit: complete, the same each time, and with an answer to each offence."""

import json
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.helm.test_runtime_lock import LOCK, PYPROJECT, ROOT, by_path, runtime_lock

IMAGE = ROOT / "helm" / "image"
sys.path.insert(0, str(IMAGE))
audit, sbom = (by_path(IMAGE / f"{name}.py") for name in ("audit", "sbom"))


def test_the_bill_names_each_package_of_the_image_once() -> None:
    bill = sbom.bill(LOCK, PYPROJECT, sbom.IMAGE_EXTRAS)
    wanted = runtime_lock.subset(LOCK, runtime_lock.roots_of(PYPROJECT, sbom.IMAGE_EXTRAS))
    names = [one["name"] for one in bill["components"]]
    assert names == [name for name, _, _ in runtime_lock.parts_of(wanted)]
    assert {one["name"]: one["version"] for one in bill["components"]}["fastavro"] in wanted
    refs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert {ref for used in refs.values() for ref in used} == set(refs) - {bill["metadata"]["component"]["bom-ref"]}
    installed = {runtime_lock.name_of(one.name) for one in distributions()} - audit.EXCEPTIONS.keys()
    assert all(one.get("licenses") for one in bill["components"] if one["name"] in installed)
    assert json.dumps(bill) == json.dumps(sbom.bill(LOCK, PYPROJECT, sbom.IMAGE_EXTRAS))


def test_the_lock_pins_and_hashes_each_package_its_writer_too() -> None:
    assert list(audit.of_lock(LOCK)) == []
    assert "uv" in {name for name, _, _ in runtime_lock.parts_of(LOCK)}
    assert "install uv" not in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize(
    ("entry", "word"),
    [("odd>=1 \\\n    --hash=sha256:" + "0" * 64 + "\n", "does not pin it"), ("odd==1\n", "has no hash of it")],
)
def test_an_entry_without_pin_or_hash_is_an_offence(entry: str, word: str) -> None:
    (offence,) = audit.of_lock(entry)
    assert word in offence


def test_what_is_installed_beside_the_lock_is_an_offence() -> None:
    without = "".join(entry for name, entry, _ in runtime_lock.parts_of(LOCK) if name != "fastavro")
    assert any(one.startswith("fastavro ") and "not in requirements.lock" in one for one in audit.of_installed(without))


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [("MIT", True), ("GPL-3.0-only", False), ("LGPL-2.1-or-later", False), ("AGPL", False), ("Proprietary", False),
     ("MIT AND GPL-2.0-only", False), ("GPL-2.0-only OR BSD-3-Clause", True), (None, False), ("", False)],
)  # fmt: skip
def test_a_licence_is_allowed_by_all_parts_of_one_alternative(licence: str | None, allowed: bool) -> None:
    assert audit.is_allowed(licence) is allowed


def test_the_image_has_no_pip_and_no_way_to_make_one() -> None:
    text = Path(IMAGE / "Dockerfile").read_text("utf-8")
    build, runtime = text.split("FROM ${BASE}\n")
    assert "venv --without-pip /opt/shadowstream" in build
    assert "ensurepip.__file__" in runtime
    assert "! python3 -m pip --version" in runtime
