"""What a function does to the files below a folder, one system call after another: each is let through, fails, or is
the last thing that its process ever tries.

The function runs in a forked child under a filter of system calls (seccomp) that asks this process about each call that
changes files, and waits for the answer: https://docs.kernel.org/userspace-api/seccomp_filter.html. So what is written
by C and Rust (SQLite, torch, safetensors) fails and dies like what Python writes. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import platform
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (317, {
        "write": 1, "open": 2, "pwrite64": 18, "writev": 20, "sendfile": 40, "fsync": 74, "fdatasync": 75,
        "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "link": 86, "unlink": 87, "openat": 257,
        "mkdirat": 258, "unlinkat": 263, "renameat": 264, "linkat": 265, "fallocate": 285, "pwritev": 296,
        "renameat2": 316, "copy_file_range": 326,
    }),
    "aarch64": (277, {
        "mkdirat": 34, "unlinkat": 35, "linkat": 37, "renameat": 38, "ftruncate": 46, "fallocate": 47, "openat": 56,
        "write": 64, "writev": 66, "pwrite64": 68, "pwritev": 70, "sendfile": 71, "fsync": 82, "fdatasync": 83,
        "renameat2": 276, "copy_file_range": 285,
    }),
}  # fmt: skip
"""Numbers of ``seccomp`` and of what changes files (arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h)."""

_MAKERS = frozenset({"open", "openat", "mkdir", "mkdirat", "link", "linkat"})
_REMOVERS = frozenset({"unlink", "unlinkat", "rmdir"})
_MOVERS = frozenset({"rename", "renameat", "renameat2"})
_BY_NAME = {"open": 0, "mkdir": 0, "rmdir": 0, "unlink": 0, "rename": 0, "link": 0}
"""Calls that name a file without a folder's descriptor before it; the other ones of the three sets have one."""
_OF_SECOND = {"copy_file_range": 2}
"""Which argument is the descriptor that is written to, where it is not the first."""

_NOTIFY, _ALLOW, _NEW_LISTENER = 0x7FC00000, 0x7FFF0000, 8
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class Fault:
    """What is to go wrong.

    Attributes:
        at: the number of the call, from 0; an error counts only calls that can fail with it.
        error: what the call fails with (``errno``); None kills the process in its place.
        lasting: whether all later ones fail too, as on a disk that is full or, with ``EIO``, lets nothing be changed.
    """

    at: int
    error: int | None = None
    lasting: bool = False

    def __str__(self) -> str:
        how = "killed" if self.error is None else errno.errorcode[self.error]
        return f"call {self.at}: {how}{' from there on' if self.lasting else ''}"


@dataclass(frozen=True)
class Ended:
    """How the child ended.

    Attributes:
        met: the calls that counted, by name.
        hit: whether the fault was met.
        said: what the function returned, or the error as ``{"error": class, "text": …}``; None where it was killed.
    """

    met: tuple[str, ...]
    hit: bool
    said: object


def is_possible() -> bool:
    """Whether this machine has what is needed."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def run(act: Callable[[], object], folder: Path, fault: Fault | None, seconds: float = 60.0) -> Ended:
    """Run a function in a child.

    Args:
        act: what it does; what it returns must be JSON.
        folder: calls that change what lies below are those that count.
        fault: what is to go wrong; None for nothing.
        seconds: after which the child counts as hanging.

    Raises:
        TimeoutError: it hangs.
    """
    mine, its = socket.socketpair()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(act, its, writing)
    its.close()
    os.close(writing)
    try:
        _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
        with os.fdopen(descriptors[0], "rb", buffering=0) as listener:
            met, hit = _answer(listener.fileno(), child, folder.resolve(), fault, time.monotonic() + seconds)
        with os.fdopen(reading, "rb") as pipe:
            text = pipe.read()
    finally:
        mine.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return Ended(tuple(met), hit, json.loads(text) if text else None)


def _be_child(act: Callable[[], object], line: socket.socket, writing: int) -> None:
    try:
        listener = _listener()
        socket.send_fds(line, [b"f"], [listener])
        os.close(listener)
        try:
            said: object = act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is judged
            said = {"error": type(error).__name__, "text": str(error), "typed": _is_typed(error)}
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def _is_typed(error: Exception) -> bool:
    from qdebug.errors import QDebugError

    return isinstance(error, QDebugError)


def _listener() -> int:
    number, calls = _MACHINES[platform.machine()]
    libc = ctypes.CDLL(None, use_errno=True)
    lines = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    wanted = tuple(calls.values())
    lines += [struct.pack("HBBI", 0x15, len(wanted) - at, 0, one) for at, one in enumerate(wanted)]
    lines += [struct.pack("HBBI", 0x06, 0, 0, _ALLOW), struct.pack("HBBI", 0x06, 0, 0, _NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(lines))
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = libc.syscall(number, 1, _NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the system does not let calls be listened to")
    return listener


def _answer(listener: int, child: int, folder: Path, fault: Fault | None, until: float) -> tuple[list[str], bool]:
    names = {number: name for name, number in _MACHINES[platform.machine()][1].items()}
    met: list[str] = []
    hit = False
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        events = poll.poll(1000 * max(0.0, until - time.monotonic()))
        if not events:
            raise TimeoutError("the child hangs")
        if not events[0][1] & select.POLLIN:
            return met, hit
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, asked)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue
            raise
        mark, process, _, number = struct.unpack_from("QIIi", asked)
        arguments = struct.unpack_from("6Q", asked, 32)
        name, failing = names[number], 0
        if _changes(name, process, arguments, folder):
            if fault is None or can_fail(name, fault.error):
                met.append(name)
                now = fault is not None and (len(met) - 1 == fault.at or (fault.lasting and hit))
            else:
                now = hit and fault.lasting and fault.error == errno.EIO  # a broken disk lets nothing be changed
            if now and fault is not None:
                hit = True
                if fault.error is None:
                    os.kill(child, signal.SIGKILL)
                    return met, hit
                failing = fault.error
        try:
            fcntl.ioctl(listener, _SEND, struct.pack("QqiI", mark, 0, -failing, 0 if failing else 1))
        except OSError as error:
            if error.errno != errno.ENOENT:  # it was killed meanwhile
                raise


def can_fail(name: str, error: int | None) -> bool:
    """Whether a call may be the first to fail. A full disk lets files be removed and renamed."""
    return error is None or (name not in _REMOVERS and (error != errno.ENOSPC or name not in _MOVERS))


def _changes(name: str, process: int, arguments: tuple[int, ...], folder: Path) -> bool:
    if name in _MAKERS | _REMOVERS | _MOVERS:
        first = _BY_NAME.get(name, 1)
        path = _text(process, arguments[first])
        if not path.startswith("/"):
            at = ctypes.c_int32(arguments[0]).value
            path = os.path.join(_link(process, "cwd" if first == 0 or at < 0 else f"fd/{at}"), path)
        if name in ("open", "openat"):  # what is there is opened, and not made: a full disk does not mind
            how = arguments[first + 1]
            if not (how & os.O_TRUNC or (how & os.O_CREAT and not os.path.lexists(path))):
                return False
    else:
        path = _link(process, f"fd/{ctypes.c_int32(arguments[_OF_SECOND.get(name, 0)]).value}")
    return path.startswith(f"{folder}/")


def _text(process: int, address: int) -> str:
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(4096).split(b"\0")[0].decode(errors="replace")


def _link(process: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{process}/{name}")
    except OSError:
        return ""
