"""Wheel and sdist of the tree, made by the locked hatchling as `pip` does."""

import tarfile
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]


def wheel_of(tree: Path, folder: Path) -> Path:
    """Build the wheel of a tree into a folder; return its path."""
    return Path(next(iter(WheelBuilder(str(tree)).build(directory=str(folder), versions=["standard"]))))


def unpacked_sdist(folder: Path) -> Path:
    """Build the sdist of the repository and unpack it; return the tree."""
    sdist = Path(next(iter(SdistBuilder(str(ROOT)).build(directory=str(folder)))))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")
