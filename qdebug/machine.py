"""What there is of the machine for this process. Torch-free."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SAID = re.compile(
    "can't allocate|not enough memory|out of memory|unable to allocate|cannot allocate|can't start new thread",
    re.IGNORECASE,
)
FULL = "It takes more memory than this process may have"
FULL_DO = "Give fewer samples or a smaller model, or allow more where qdebug is started (QDEBUG_MEMORY_MB)."
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit() -> int:
    """Bytes that this process may take: the machine's, or fewer where its group or its own limits say so."""
    return min([*_own_limits(), *_group_limits(), _machine()])


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return 8 * 2**30


def _own_limits() -> list[int]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    found = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS))
    return [limit for limit in found if limit != resource.RLIM_INFINITY]


def _group_limits() -> list[int]:
    found = []
    for name in _GROUPS:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return found


def says_full(error: BaseException) -> bool:
    """Whether an error says that there is no more memory, which libraries say in many ways.

    A thread that cannot be started had no memory for its stack.
    """
    return isinstance(error, MemoryError) or _SAID.search(str(error)) is not None
