"""How this process gives memory back."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

_BLOCK = 64 << 20


def keep_freed_memory(reserve: int = 0) -> bool:
    """Tell the C library to keep what is freed instead of handing it back to the system each time.

    The engine frees and allocates buffers of a few megabytes all the time. By default glibc maps each of them anew, and
    the kernel has to find and zero every page again, which can cost more than the arithmetic on it. Called by the
    processes that are ours (compute process, benchmarks), never on import: it changes the whole process.

    Args:
        reserve: bytes to touch once, now, so that the first edits do not wait for the kernel to hand out pages. All
            threads then share one arena, or the reserve would serve only the thread that made it.

    Returns:
        whether the C library has such a setting (glibc has).
    """
    try:
        library = ctypes.CDLL(None)
        kept = bool(library.mallopt(_MMAP_THRESHOLD, 2**30)) and bool(library.mallopt(_TRIM_THRESHOLD, 2**31 - 1))
        if kept and reserve:
            library.mallopt(_ARENA_MAX, 1)
            _touch(library, reserve)
        return kept
    except (AttributeError, OSError, TypeError):
        return False


def hand_back_memory() -> bool:
    """Tell the C library to hand what is freed back to the system at once, from a megabyte on.

    For a process that holds a model larger than its memory. By default the room that a weight leaves is filled with
    small values that stay, the next weight does not fit there, and the process grows by nearly every weight it reads.

    Returns:
        whether the C library has such a setting (glibc has).
    """
    try:
        library = ctypes.CDLL(None)
        given = bool(library.mallopt(_MMAP_THRESHOLD, 2**20)) and bool(library.mallopt(_TRIM_THRESHOLD, 2**26))
        return given and library.malloc_trim(0) >= 0
    except (AttributeError, OSError, TypeError):
        return False


def _touch(library: ctypes.CDLL, size: int) -> None:
    """Allocate, write and free; the C library keeps the pages. In blocks, since a huge one would be mapped apart."""
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(_BLOCK) for _ in range(size // _BLOCK)]
    for block in filter(None, blocks):
        ctypes.memset(block, 0, _BLOCK)
    for block in blocks:
        library.free(block)
