"""What a runtime may cost."""

from __future__ import annotations

import os

from qdebug.doors.confined.limits import MIB, Limits

_LEAST_MEMORY = 2048 * MIB
_CPU = 6 * 3600
"""A last resort: what hangs is noticed by the time that an answer takes."""


def runtime_limits(size: int) -> Limits:
    """For models of so many bytes in all.

    How much memory activations take is in the graph, not in the file: half of the machine's is what there is. ``wall``
    is for one answer.
    """
    memory = max(_LEAST_MEMORY, _installed() // 2)
    return Limits(memory=memory, cpu=_CPU, wall=300 + size // MIB, result=256 * MIB + 8 * size, files=256)


def _installed() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return 0
