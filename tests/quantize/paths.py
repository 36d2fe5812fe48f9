"""The two ways through the room: compiled kernels, and the torch path that serves where numba is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from qdebug.quantize import blocks, levels, rounding
from qdebug.quantize.ranges import groups as ranges

WITH_KERNELS = (blocks, levels, ranges, rounding)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Everything inside computes as where numba is missing."""
    with pytest.MonkeyPatch.context() as patch:
        for module in WITH_KERNELS:
            patch.setattr(module, "kernels", None)
        yield


def both_ways(function, *args, **kwargs):
    """A result with the compiled kernels, and without."""
    pytest.importorskip("numba")
    compiled = function(*args, **kwargs)
    with without_kernels():
        return compiled, function(*args, **kwargs)
