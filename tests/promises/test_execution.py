"""Opening a file never runs code from it: the promise in short, and that its proof can fail."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.promises import execution
from benchmarks.promises.promise import Allowance
from benchmarks.promises.served import served
from benchmarks.promises.traps import files, programs, rebuilt
from benchmarks.promises.traps.trap import Trap

pytest.importorskip("transformers")
pytest.importorskip("pyarrow")
pytest.importorskip("PIL")
pytestmark = pytest.mark.timeout(300)


def test_the_promise():
    outcome = execution.PROMISE.keep(Allowance(execution.PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == len(execution.TRAPS) >= 25
    disarmed = [trap for trap in execution.TRAPS if trap.careless is None]
    assert outcome.figures["armed"] == outcome.tried - len(disarmed), "a trap that runs nothing proves nothing"
    assert len(disarmed) <= 2 and all(trap.why for trap in disarmed)


def test_what_runs_code_is_found():
    """The proof sees a mark, by name of the way, and goes on with the others."""
    (trap,) = (one for one in files.TRAPS if one.name == "recipe: a tag of Python")
    with served() as app:
        path: list[Path] = []

        def make(folder, mark):
            path[:] = [trap.make(folder, mark)]
            return path[0]

        careless = Trap(trap.name, trap.kind, make, trap.careless)
        fired, faults, ways = execution.sprung(careless, app, [("a fool", lambda: files.load_yaml(path[0]))])
    assert (fired, faults, ways) == (["a fool"], [], 4)


@pytest.mark.parametrize("seed", range(12))
def test_programs_that_are_rebuilt_run_nothing_here(seed, tmp_path):
    """Without a compute process, so that more of them can be tried."""
    from qdebug.doors import read_pt2
    from qdebug.errors import QDebugError

    dice = random.Random(seed)
    trap = dice.choice([rebuilt._slot, rebuilt._function, rebuilt._sized, rebuilt._called])(dice)
    path = trap.make(tmp_path, tmp_path / "mark")
    try:
        read_pt2(path)
    except QDebugError as error:
        assert error.do
    assert not (tmp_path / "mark").exists()


def test_the_program_that_traps_are_made_of_opens(tmp_path):
    from qdebug.doors import read_pt2

    path = programs.written(tmp_path, programs.entries())
    assert len(list(read_pt2(path).graph.nodes)) == 6
