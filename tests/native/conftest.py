"""The kernel of this process, and one that is built anew."""

from pathlib import Path

import pytest

from shadowstream.native import library
from shadowstream.native.build import NotBuiltError, build
from shadowstream.native.library import Kernel


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """The kernel as roles load it."""
    if (kernel := library.state().kernel) is None:
        pytest.skip(library.state().reason)
    return kernel


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of the kernel, built anew."""
    try:
        return build(tmp_path_factory.mktemp("kernel"))
    except NotBuiltError as error:
        pytest.skip(f"no kernel can be built: {error}")
