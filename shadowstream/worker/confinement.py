"""Confinement of the candidate's process, by itself, before it loads any code of the user's.

=================  ========================================================================  =======================
what               by                                                                        where it is impossible
=================  ========================================================================  =======================
memory, CPU        resource limits; the limit of CPU time is set anew for each call          never on Linux
files: read-only   Landlock; the scratch folder is writable; files of secrets are hidden     Linux before 5.13;
                                                                                             emptying: before 6.2
scratch folder     a limit of each file; all together are measured by the role (`scratch`)   never
other processes    Landlock and the filter of system calls: no look, no signal, no trace     neither of them
network            the filter of system calls; with allowed ports, Landlock as well          other machines; TCP ports
                                                                                             need Linux 6.7
further processes  the filter of system calls                                                other machines
=================  ========================================================================  =======================

`confine` returns what is enforced in words. They are in every verdict, so they must never claim more than is true.
"""

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from shadowstream.worker import landlock, seccomp

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITIES_VERSION = 0x20080522


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the process: config `candidate.limits`, its folder, hidden files, and TCP ports it may connect to."""

    memory_bytes: int
    open_files: int
    file_bytes: int
    processes: int
    scratch: str
    hidden: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    parent: int = 0
    scratch_bytes: int = 0  # of all files in the folder together


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def hide_process() -> None:
    """Close this process's environment, memory and open files to other processes of its user (Linux)."""
    if sys.platform == "linux":
        _libc().prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def confine(bounds: Bounds) -> str:
    """Confine this process for ever; return what is enforced, in words."""
    _limit(bounds)
    if sys.platform != "linux":
        return "files, network and processes not restricted: only Linux can"
    libc = _libc()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != bounds.parent:  # the runner ended before the call above
        os._exit(1)
    _drop_rights(libc)
    words = []
    try:
        version = landlock.confine(libc, landlock.Files(bounds.scratch, bounds.hidden), bounds.ports or None)
        words.append(_files(version))
    except OSError as error:
        version = 0
        words.append(f"filesystem not restricted: {error.strerror or error}")
    reason = seccomp.confine(libc, internet=bool(bounds.ports), processes=bool(bounds.processes))
    words.append(_network(bounds.ports, reason, version))
    if reason is not None:
        words.append(f"further processes not restricted: {reason}")
    elif bounds.processes:
        words.append(f"up to {bounds.processes} processes")
    return ", ".join(words)


def _files(version: int) -> str:
    """Return what Landlock of this version enforces for files.

    >>> _files(3), _files(2)
    ('filesystem read-only', 'filesystem read-only, but files can be emptied')
    """
    lack = "" if version >= landlock.TRUNCATE_FROM else ", but files can be emptied"
    return f"filesystem read-only{lack}"


def _network(ports: tuple[int, ...], reason: str | None, version: int) -> str:
    """Return what is enforced for the network. `reason`: of the filter's absence, without which ports have ways around.

    >>> _network((), None, 0), _network((443,), None, 4)
    ('no network', 'TCP to port 443 of any host; UDP not restricted')
    >>> _network((443,), "the machine is riscv64", 4)
    'network not restricted to TCP port 443: the machine is riscv64'
    """
    named = ", ".join(map(str, ports))
    if not ports:
        return "no network" if reason is None else f"network not restricted: {reason}"
    if version < 4 or reason is not None:
        return f"network not restricted to TCP port {named}: {reason or 'the kernel has no Landlock for ports'}"
    return f"TCP to port {named} of any host; UDP not restricted"


def _limit(bounds: Bounds) -> None:
    limits = {
        resource.RLIMIT_DATA: bounds.memory_bytes,
        resource.RLIMIT_NOFILE: bounds.open_files,
        resource.RLIMIT_FSIZE: bounds.file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    if bounds.processes and hasattr(resource, "RLIMIT_NPROC"):
        limits[resource.RLIMIT_NPROC] = bounds.processes
    for name, value in limits.items():
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))


def limit_cpu(seconds: int) -> None:
    """Let this process, with all its threads, take so much more CPU time; beyond it the kernel ends it."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + 1 + seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _drop_rights(libc: ctypes.CDLL) -> None:
    """Give up every right beyond the user's own: as root, the process could undo its bounds otherwise."""
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text("ascii")) if os.geteuid() == 0 else -1
    for capability in range(last + 1):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    libc.capset(ctypes.byref(head), ctypes.byref((ctypes.c_uint32 * 6)()))
