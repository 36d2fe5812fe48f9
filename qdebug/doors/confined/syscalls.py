"""A filter of system calls (seccomp): the child starts no process and makes no socket, whoever it runs as.

It starts no thread either, unless what it runs is a runtime, which needs some.

Limits on processes do not hold for root, and a network namespace cannot be had everywhere; this holds for both.
"""

from __future__ import annotations

import ctypes
import platform
import struct

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""``AUDIT_ARCH_*`` of linux/audit.h."""

_FORBIDDEN = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
        "mount": 165, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "bpf": 321, "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425,
        "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    },
    "aarch64": {
        "mount": 40, "unshare": 97, "ptrace": 117, "kill": 129, "socket": 198, "socketpair": 199, "keyctl": 219,
        "clone": 220, "execve": 221, "perf_event_open": 241, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "bpf": 280, "execveat": 281, "userfaultfd": 282, "io_uring_setup": 425,
        "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    },
}  # fmt: skip
"""Numbers of the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h)."""

# linux/bpf_common.h, linux/seccomp.h, linux/prctl.h
_LOAD_WORD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # the call fails with EPERM
_UNKNOWN = 0x00050000 | 38  # it fails with ENOSYS, as on a system that does not have it
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x00010000  # linux/sched.h; the first argument of clone holds it
_X32 = 0x40000000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def install_filter(libc: ctypes.CDLL, *, threads: bool = False) -> bool:
    """Refuse the calls above from now on; whether the system has taken the filter.

    Args:
        libc: the C library.
        threads: let threads be started. Their flags are read, so clone3, which hides them behind a pointer, is said to
            be unknown; C libraries then call clone.

    Needs ``PR_SET_NO_NEW_PRIVS``. Where the machine is of another kind, nothing is done.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    forbidden = _FORBIDDEN[machine]
    clones = (forbidden["clone"], forbidden["clone3"]) if threads else None
    code = assemble(_ARCHITECTURES[machine], tuple(forbidden.values()), clones)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    return libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0


def assemble(architecture: int, forbidden: tuple[int, ...], clones: tuple[int, int] | None = None) -> bytes:
    """The filter as classic BPF: another architecture's calls and those of the list are refused, all others pass.

    Args:
        architecture: whose calls are let through.
        forbidden: numbers of calls.
        clones: those of clone, which passes where it starts a thread, and of clone3, which is unknown; None where both
            are as the list says.
    """
    # A jump skips so many lines. The last ones are: allow, refuse, unknown, and the look at what clone is to make.
    numbers = [one for one in forbidden if not clones or one not in clones]
    special = [(clones[0], 3), (clones[1], 2)] if clones else []
    targets = [*special, *((number, 1) for number in numbers)]
    count = len(targets)
    lines = [
        (_LOAD_WORD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, count + 3, architecture),
        (_LOAD_WORD, 0, 0, _AT_NUMBER),
        (_JUMP_IF_AT_LEAST, count + 1, 0, _X32),
        *((_JUMP_IF_EQUAL, count - at - 1 + line, 0, number) for at, (number, line) in enumerate(targets)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _UNKNOWN),
        (_LOAD_WORD, 0, 0, _AT_FIRST_ARGUMENT),
        (_JUMP_IF_BIT, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
