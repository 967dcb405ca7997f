"""The supervisor: a child that fails waits longer each time and leaves the others alone; a stop ends all, in order
where they let it; and none outlives its supervisor."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shadowstream.kafka import supervisor
from shadowstream.kafka.role_report import VARIABLE
from shadowstream.kafka.supervisor import Supervisor
from shadowstream.testing.home import alive


def starts(code: str, restarts: int) -> list[float]:
    """Run a child that fails until it was restarted so often; seconds between an end and the next start."""
    roles = Supervisor({"child": [sys.executable, "-c", code]})
    child = roles.children["child"]
    waits: list[float] = []

    def turn() -> None:
        if len(waits) < child.restarts:
            waits.append(child.next_start - time.monotonic())

    roles.run(lambda: child.restarts >= restarts, turn)
    return waits


def are(waits: list[float], meant: list[float]) -> bool:
    """What is read of a wait is a moment too little, on a busy machine a longer one."""
    return len(waits) == len(meant) and all(0 <= long - read < 0.09 for read, long in zip(waits, meant, strict=True))


def test_the_waits_of_a_child_that_fails_at_once_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.1, 0.2, 0.4))
    waits = starts("raise SystemExit(1)", 4)
    assert are(waits, [0.1, 0.2, 0.4, 0.4])


def test_the_waits_of_a_child_that_has_worked_in_between_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STEADY_S", 0.3)
    waits = starts(f"{CATCHES_UP}; time.sleep(1); raise SystemExit(1)", 3)
    assert are(waits, [supervisor.BACK_OFF_S[0]] * 3)


def test_waits_grow_with_what_a_start_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.01,))
    monkeypatch.setattr(supervisor, "CHEAP_START_S", 0.3)
    monkeypatch.setattr(supervisor, "STEADY_S", 0.1)
    first, *later = starts("import time; time.sleep(0.5)", 3)
    assert first < 0.5 <= later[0] < later[1]
    # The start takes as long, and the child works for less than that before it ends: no steady child.
    first, *later = starts(f"import time; time.sleep(0.5); {CATCHES_UP}; time.sleep(0.2)", 3)
    assert first < 0.5 <= later[0] < later[1]
    monkeypatch.setattr(supervisor, "COST_WAIT_MAX_S", 0.1)
    assert max(starts("import time; time.sleep(0.5)", 3)) <= 0.1


def test_cheap_failures_do_not_lengthen_the_wait_for_a_costly_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.01,))
    monkeypatch.setattr(supervisor, "CHEAP_START_S", 1.0)
    begun = f"from pathlib import Path; begun = Path({str(tmp_path / 'begun')!r}).open('a'); begun.write('.')"
    waits = starts(f"import time; {begun}; time.sleep(1.5 * (begun.tell() > 5))", 6)
    assert max(waits) < 1


CATCHES_UP = f"import os, time; os.write(int(os.environ['{VARIABLE}']), b'caught_up\\n')"
WORKS = "import time; time.sleep(60)"
ENDS_WELL = """
import signal, sys, time
from pathlib import Path

def end(*_):
    Path(sys.argv[1]).write_text("the last commit is done")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
Path(sys.argv[1]).write_text("works")
time.sleep(60)
"""
HOLDS_OUT = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def test_crash_loops_and_children_that_cannot_start_stop_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.05,))
    commands = {"works": python(WORKS), "crashes": python("raise SystemExit(9)"), "lacks": ["/no/such/program"]}
    roles = Supervisor(commands)
    works, crashes, lacks = roles.children.values()
    pids: set[int | None] = set()
    roles.run(lambda: crashes.restarts >= 5 and lacks.restarts >= 5, lambda: pids.add(works.pid))
    assert len(pids) == 1
    assert works.restarts == 0
    assert set(crashes.exit_codes) == {9}


def test_an_optional_child_ends_for_good_and_the_others_continue() -> None:
    commands = {"works": python("import time; time.sleep(0.5)"), "alerts": python("raise SystemExit(2)")}
    roles = Supervisor(commands, spared=["alerts"], silent=list(commands))
    works, alerts = roles.children.values()
    assert roles.run(lambda: False), "all that is needed has ended well"
    assert (works.done, alerts.failed, alerts.exit_codes) == (True, True, [2])
    needed = Supervisor(commands, silent=list(commands))
    assert not needed.run(lambda: False)
    assert needed.children["works"].exit_codes == [], "it was stopped"


def test_a_child_that_cannot_be_started_now_is_started_once_it_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.05,))
    program = tmp_path / "program"
    text = f"#!{sys.executable}\nimport os\nos.write(int(os.environ[{VARIABLE!r}]), b'finished\\n')\n"
    roles = Supervisor({"late": [str(program)]})
    late = roles.children["late"]

    def install() -> None:
        if late.restarts == 3 and not program.exists():
            program.write_text(text)
            program.chmod(0o755)

    assert roles.run(lambda: late.restarts > 30, install)
    assert late.exit_codes == [0]


def test_a_stop_waits_for_last_work_and_kills_children_that_hang(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "STOP_S", 1.0)
    last = tmp_path / "last"
    roles = Supervisor({"holds out": python(HOLDS_OUT), "ends well": python(ENDS_WELL, str(last))}, None, tmp_path)
    holds_out, ends_well = roles.children.values()
    ready = [last, tmp_path / "holds out.out"]
    roles.run(lambda: all(path.exists() and path.read_text() for path in ready))
    began = time.monotonic()
    roles.stop()
    assert time.monotonic() - began < 0.5, "stopped already, and a second time is no error"
    assert last.read_text() == "the last commit is done"
    assert ends_well.done
    assert not holds_out.done
    assert holds_out.pid is None


LIVES_ON_IT = """
import sys, time
from shadowstream.kafka.supervisor import end_with_supervisor

end_with_supervisor()
print("up", flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.mark.parametrize("named", [None, "", "no number", "0", "987654"])
def test_a_process_without_a_supervisor_keeps_running_whatever_the_variable_holds(named: str | None) -> None:
    environment = {**os.environ, **({} if named is None else {supervisor.LIFELINE: named})}
    done = subprocess.run(
        python(LIVES_ON_IT, "0.3"), env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"up\n")


HOLDS_OUT_UNSUPERVISED = """
import os, signal, time
from shadowstream.kafka import supervisor

supervisor.STOP_S = 0.2
signal.signal(signal.SIGTERM, signal.SIG_IGN)
supervisor.end_with_supervisor()
print(os.getpid(), flush=True)
time.sleep(60)
"""
STARTS_IT = f"""
import sys
from pathlib import Path
from shadowstream.kafka.supervisor import Supervisor

Supervisor({{"child": [sys.executable, "-c", {HOLDS_OUT_UNSUPERVISED!r}]}}, None, Path(sys.argv[1])).run(lambda: False)
"""


def test_a_child_that_holds_out_when_its_supervisor_is_gone_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(python(STARTS_IT, str(tmp_path)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out = tmp_path / "child.out"
    deadline = time.monotonic() + 30
    while not (out.exists() and out.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the child was not started"
        time.sleep(0.05)
    pid = int(out.read_text())
    assert alive(pid)
    parent.kill()
    parent.wait()
    while alive(pid):
        assert time.monotonic() < deadline, "it outlived its supervisor"
        time.sleep(0.05)


def test_a_child_beside_the_others_is_neither_waited_for_nor_missed() -> None:
    for code in (WORKS, "raise SystemExit(2)", "raise SystemExit(1)"):
        commands = {"works": python("import time; time.sleep(0.5)"), "web": python(code)}
        roles = Supervisor(commands, silent=list(commands), beside=["web"])
        assert roles.run(lambda: False), "all that is waited for has ended well"
        assert roles.children["works"].done
        assert roles.children["web"].pid is None, "it ends with the others"
