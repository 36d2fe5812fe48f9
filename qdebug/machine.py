"""What there is of the machine for this process. Torch-free."""

from __future__ import annotations

import os
from pathlib import Path

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
