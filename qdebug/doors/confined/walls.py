"""The walls that the child builds around itself before it opens a stranger's file. Standard library only.

What a system does not have (limits on Windows, namespaces and filters outside Linux or where they are forbidden) is
left out: every wall is one more, none is needed by the others.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

from qdebug.doors.confined.limits import Limits
from qdebug.doors.confined.syscalls import install_filter

# linux/prctl.h, linux/sched.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIGKILL = 9


def confine(limits: Limits, parent: int, *, threads: bool = False) -> None:
    """Give up what reading a file, or running a model, does not need. There is no way back.

    Args:
        limits: what may be used beyond what this process has used already.
        parent: the process whose end is this one's end too.
        threads: whether threads may be started.
    """
    if sys.platform != "win32":
        _limit(limits, threads=threads)
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before this process asked to be told
            os._exit(1)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # a network namespace of its own has no way out
        install_filter(libc, threads=threads)


def _limit(limits: Limits, *, threads: bool) -> None:
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_CPU, seconds, grace=1)  # the soft limit's signal tells what happened, the hard one's kills
    _set(resource.RLIMIT_FSIZE, limits.result)
    _set(resource.RLIMIT_NOFILE, limits.files)
    _set(resource.RLIMIT_AS, _address_space() + limits.memory)
    if not threads:  # to the kernel, a thread is a process here
        _set(resource.RLIMIT_NPROC, 0)


def _set(which: int, most: int, grace: int = 0) -> None:
    """Set soft and hard limit, the hard one higher by ``grace``; never above what the system has set already."""
    import resource

    hard = resource.getrlimit(which)[1]
    ceiling = most + grace if hard == resource.RLIM_INFINITY else min(most + grace, hard)
    with contextlib.suppress(OSError, ValueError):  # not every system knows every limit
        resource.setrlimit(which, (min(most, ceiling), ceiling))


def _address_space() -> int:
    """Bytes that this process has mapped by now; 4 GiB where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 4 * 2**30
