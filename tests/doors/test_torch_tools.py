"""While torch traces a model, other threads' work is not disturbed."""

import builtins
import functools
import threading

import pytest

from qdebug.doors.module import torch_tools

numba = pytest.importorskip("numba")


def smaller(one, other):
    return min(one, other)


def test_nothing_is_compiled_while_torch_has_its_own_min(monkeypatch):
    """torch.export puts partials in the place of ``min`` and ``max``; numba cannot compile a call of one."""
    found = []

    def compile_and_call():
        try:
            found.append(numba.njit(smaller)(3, 2))
        except numba.errors.TypingError as error:
            found.append(error)

    numba.njit(lambda one: one + 1)(1)  # the first one takes long
    other = threading.Thread(target=compile_and_call)
    with torch_tools():
        with monkeypatch.context() as patched:
            patched.setattr(builtins, "min", functools.partial(lambda *values: sorted(values)[0]))
            other.start()
            other.join(1.0)
        assert found == [], "it waits"
    other.join(60)
    assert found == [2]
