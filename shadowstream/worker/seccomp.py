"""Filter of system calls for the candidate's process: no sockets, no further processes, no signals to others.

The filter needs no right and works in containers, where network namespaces mostly do not. It is a program of classic
BPF, which the kernel runs at each system call and which no later code can remove. Numbers of system calls differ
between machines, so it exists for x86_64 and aarch64 only.
"""

import ctypes
import os
import platform
import struct
from typing import NamedTuple

PR_SET_SECCOMP = 22
_PR_SET_PDEATHSIG = 1
_FILTER = 2
_LOAD, _AND, _EQUAL, _GREATER_OR_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _EACCES, _ENOSYS = 1, 13, 38
_NUMBER_AT, _MACHINE_AT = 0, 4
_ARGUMENT_AT, _SECOND_AT, _THIRD_AT, _FOURTH_AT = 16, 24, 32, 40
_CLONE_THREAD = 0x00010000
_INTERNET = (2, 10)  # AF_INET, AF_INET6
_KIND, _KINDS = 0xF, (1, 2)  # SOCK_STREAM, SOCK_DGRAM
_PROTOCOLS = (0, 6, 17)  # the default one, TCP, UDP: Landlock knows the ports of no other, such as multipath TCP
_FAST_OPEN = 0x20000000  # MSG_FASTOPEN connects without a call that Landlock checks
_X32 = 0x40000000


class _Machine(NamedTuple):
    """Numbers of system calls of one machine."""

    audit: int
    socket: int
    clone: int
    forks: tuple[int, ...]
    signals: tuple[int, ...]  # to the process that the first argument names
    limits: int
    prctl: int
    sends: tuple[int, int, int]  # sendto, sendmsg, sendmmsg
    others: tuple[int, ...]  # tkill, rt_sigqueueinfo, ptrace, process_vm_readv, process_vm_writev, unshare, setns


_ANYWHERE = (424, 425, 434, 438)  # pidfd_send_signal, io_uring_setup (it opens sockets), pidfd_open, pidfd_getfd
_CLONE3 = 435
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, 41, 56, (57, 58), (62, 234), 302, 157, (44, 46, 307), (200, 129, 297, 101, 310, 311, 272, 308)
    ),
    "aarch64": _Machine(
        0xC00000B7, 198, 220, (), (129, 131), 261, 167, (206, 211, 269), (130, 138, 240, 117, 270, 271, 97, 268)
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int, error: int) -> list[bytes]:
    return [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | error)]


def _unless(load: list[bytes], values: tuple[int, ...], error: int) -> list[bytes]:
    """Refuse the call unless what is loaded is one of these values; continue behind these steps if it is."""
    equals = [_step(_EQUAL, value & 0xFFFFFFFF, len(values) - i) for i, value in enumerate(values)]
    return [*load, *equals, _step(_RETURN, _ERRNO | error)]


def _of_call(number: int, body: list[bytes]) -> list[bytes]:
    """Take these steps for a call, which is allowed at their end."""
    body = [*body, _step(_RETURN, _ALLOW)]
    return [_step(_EQUAL, number, 0, len(body)), *body]


def _unless_first_argument(number: int, values: tuple[int, ...], error: int) -> list[bytes]:
    """Refuse a call unless its first argument (the low 32 bits) is one of these values."""
    return _of_call(number, _unless([_step(_LOAD, _ARGUMENT_AT)], values, error))


def _internet_only(calls: _Machine) -> list[bytes]:
    """Allow sockets of TCP and UDP, and connections by `connect` only."""
    body = _unless([_step(_LOAD, _ARGUMENT_AT)], _INTERNET, _EACCES)
    body += _unless([_step(_LOAD, _SECOND_AT), _step(_AND, _KIND)], _KINDS, _EACCES)
    body += _unless([_step(_LOAD, _THIRD_AT)], _PROTOCOLS, _EACCES)
    steps = _of_call(calls.socket, body)
    for number, flags_at in zip(calls.sends, (_FOURTH_AT, _THIRD_AT, _FOURTH_AT), strict=True):
        refused = [_step(_ANY_BIT, _FAST_OPEN, 0, 1), _step(_RETURN, _ERRNO | _EACCES)]
        steps += _of_call(number, [_step(_LOAD, flags_at), *refused])
    return steps


def program(machine: str, pid: int, *, internet: bool, processes: bool) -> bytes | None:
    """Return the filter; None for an unknown machine. `internet`: sockets of TCP and UDP; `processes`: children."""
    calls = _MACHINES.get(machine)
    if calls is None:
        return None
    steps = [_step(_LOAD, _MACHINE_AT), _step(_EQUAL, calls.audit, 1), _step(_RETURN, _KILL)]
    steps += [_step(_LOAD, _NUMBER_AT)]
    if machine == "x86_64":
        steps += [_step(_GREATER_OR_EQUAL, _X32, 0, 1), _step(_RETURN, _KILL)]
    steps += _internet_only(calls) if internet else _refuse(calls.socket, _EACCES)
    for number in (*calls.others, *_ANYWHERE):
        steps += _refuse(number, _EPERM)
    steps += _unless_first_argument(calls.limits, (0, pid), _EPERM)
    # It must not outlive the runner.
    steps += _of_call(calls.prctl, [_step(_LOAD, _ARGUMENT_AT), *_refuse(_PR_SET_PDEATHSIG, _EPERM)])
    if not processes:
        for number in calls.signals:
            steps += _unless_first_argument(number, (pid,), _EPERM)
        for number in calls.forks:
            steps += _refuse(number, _EPERM)
        steps += _refuse(_CLONE3, _ENOSYS)  # its flags are in memory, out of reach; the C library then calls clone
        thread = [_step(_ANY_BIT, _CLONE_THREAD, 1), _step(_RETURN, _ERRNO | _EPERM)]
        steps += _of_call(calls.clone, [_step(_LOAD, _ARGUMENT_AT), *thread])
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def confine(libc: ctypes.CDLL, *, internet: bool, processes: bool) -> str | None:
    """Install the filter in this process, for ever; return the reason if that is impossible."""
    code = program(platform.machine(), os.getpid(), internet=internet, processes=processes)
    if code is None:
        return f"the machine is {platform.machine()}"
    buffer = ctypes.create_string_buffer(code, len(code))
    made = _Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_SECCOMP, _FILTER, ctypes.byref(made), 0, 0):
        return f"the kernel refuses a filter of system calls: {os.strerror(ctypes.get_errno())}"
    return None
