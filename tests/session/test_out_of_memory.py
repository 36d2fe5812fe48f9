"""What asks for more memory than there is is an error that says so, at the step that asks."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.promises.blasts.graphs import copied, declared, loops
from benchmarks.promises.traps.files import saved
from qdebug.engine import Work
from qdebug.errors import Cancelled, ModelError
from qdebug.graph.turns import checked_by
from qdebug.machine import says_full
from qdebug.session import inspect
from qdebug.session import open as open_model

DATA = {"x": np.ones((4, 4), np.float32)}


def bounded(code, **words):
    """Runs Python in a process with the compute process's limit, of 1,200 MB."""
    start = "from qdebug.jobs import worker; worker._bound_memory()\n"
    return subprocess.run(
        [sys.executable, "-c", start + code.format(**words)], env={**os.environ, "QDEBUG_MEMORY_MB": "1200"},
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limits")
def test_a_value_that_grows_names_its_step(tmp_path):
    code = """
import numpy as np, qdebug
try:
    qdebug.open({path!r}, {{"x": np.ones((4, 4), np.float32)}})
except qdebug.QDebugError as error:
    print(type(error).__name__, error.where["layer"], error)
"""
    told = bounded(code, path=str(saved(tmp_path, copied(2**28))))
    assert told.startswith("ModelError copy It takes more memory than this process may have")
    assert "QDEBUG_MEMORY_MB" in told


def test_an_input_that_no_machine_holds(tmp_path):
    path = saved(tmp_path, declared(2**40))
    for act in (lambda: inspect(path), lambda: open_model(path, DATA)):
        with pytest.raises(ModelError, match="declared with 16,384 GiB"):
            act()


def test_loops_in_loops_end_and_can_be_cancelled(tmp_path):
    path = saved(tmp_path, loops(3))
    with pytest.raises(ModelError, match="without an end"):
        open_model(path, DATA)
    work, turns = Work(), [0]

    def check():
        turns[0] += 1
        if turns[0] == 10:
            work.cancel()
        work.check()

    with checked_by(check), pytest.raises(Cancelled):
        open_model(path, DATA)


@pytest.mark.parametrize(
    ("error", "is_full"),
    [(MemoryError(), True), (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
     (RuntimeError("Unable to allocate 4 GiB"), True), (RuntimeError("can't start new thread"), True),
     (RuntimeError("shapes do not fit"), False)],
)  # fmt: skip
def test_words_of_libraries(error, is_full):
    assert says_full(error) is is_full


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limits")
def test_the_compute_process_has_a_limit():
    assert int(bounded("import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])")) == 1200 * 2**20
