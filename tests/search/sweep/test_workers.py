"""Sweeps by worker processes: the same bytes, whoever dies in the middle, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.errors import Cancelled, DataError, ModelError, WorkerError
from qdebug.results import ModelRef
from qdebug.search.sensitivity import sensitivity
from qdebug.search.sweep import pool as pools
from qdebug.search.sweep import wire
from qdebug.search.sweep.bench import Answer, Bench, Task
from qdebug.search.sweep.items import items
from qdebug.search.sweep.plan import How
from qdebug.search.sweep.run import Sweep
from qdebug.search.sweep.samples import Samples, identity

CACHE = 256 * 2**20


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids, seconds=20.0):
    """Whether none of the processes is left, before long."""
    until = time.monotonic() + seconds
    while any(map(is_alive, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def tasks_of(resnet, question):
    samples = Samples(resnet.subject)
    todo = items(resnet, question, {}, False)
    return samples, [Task(place, item.recipe, item.base, 0, len(samples.batches)) for place, item in enumerate(todo)]


def test_workers_give_the_same_bytes_and_a_killed_one_costs_its_item_only(resnet, question, ref):
    samples, tasks = tasks_of(resnet, question)
    bench = Bench(resnet, samples)
    here = {task.number: bench.measure(task, Work()).numbers for task in tasks}
    pool = pools.Pool(wire.Setup(ref, identity(resnet, samples)), 2, CACHE)
    pids = set(pool.pids)
    there, killed = {}, False
    try:
        for answer in pool.run(tasks, Work()):
            assert answer.number not in there
            there[answer.number] = answer.numbers
            if not killed:
                os.kill(pool.pids[0], signal.SIGKILL)
                killed = True
            pids |= set(pool.pids)
    finally:
        pool.close()
    assert there == here
    assert len(pids) == 3
    assert gone(pids)


def test_a_whole_sweep_by_workers_is_the_same(resnet, question, ref, plain):
    how = How(until="order", leave_one_out=True)
    here = sensitivity(resnet, question, "exact", how=how)
    there = sensitivity(resnet, question, "exact", how=replace_how(how, cores=2, ref=ref))
    assert plain(there) == plain(here)


def replace_how(how, **changes):
    import dataclasses

    return dataclasses.replace(how, **changes)


def test_cancel_leaves_no_process(resnet, question, ref, monkeypatch):
    pids = []
    start = pools._Worker.__init__

    def noted(self, *arguments):
        start(self, *arguments)
        pids.append(self.pid)

    monkeypatch.setattr(pools._Worker, "__init__", noted)
    work = Work()

    def stop(found):
        if found.plan:
            work.cancel()

    with pytest.raises(Cancelled):
        sensitivity(resnet, question, "exact", how=How(cores=2, ref=ref), show=stop, work=work)
    assert len(pids) == 2 and gone(pids)


def test_workers_end_with_a_sweep_that_is_killed(tmp_path):
    """Its process gets no chance to end them; the end of their input tells them."""
    script = (
        "import sys, time\n"
        "from qdebug.results import ModelRef\n"
        "from qdebug.search.sweep import pool, wire\n"
        "p = pool.Pool(wire.Setup(ModelRef(model='digits-resnet'), ''), 2, 1 << 28)\n"
        "print(*p.pids, flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(map(is_alive, pids))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pids)


def test_workers_that_die_at_once_are_one_clear_error(resnet, question, ref):
    _, tasks = tasks_of(resnet, question)
    pool = pools.Pool(wire.Setup(ref, ""), 2, CACHE, (sys.executable, "-c", "raise SystemExit(3)"))
    try:
        with pytest.raises(WorkerError, match="died opening the model"):
            list(pool.run(tasks, Work()))
    finally:
        pool.close()


def test_a_worker_that_says_nonsense_counts_as_dead(resnet, question, ref):
    _, tasks = tasks_of(resnet, question)
    pool = pools.Pool(wire.Setup(ref, ""), 1, CACHE, (sys.executable, "-c", "print('{', flush=True); input()"))
    try:
        with pytest.raises(WorkerError):
            list(pool.run(tasks, Work()))
    finally:
        pool.close()


def test_a_worker_s_error_is_told_in_its_own_words(resnet, question, ref):
    _, tasks = tasks_of(resnet, question)
    pool = pools.Pool(wire.Setup(ref, "another"), 1, CACHE)
    try:
        with pytest.raises(DataError, match="have changed since"):
            list(pool.run(tasks, Work()))
    finally:
        pool.close()


def test_errors_cross_the_pipe_whole():
    error = ModelError("This fails", do="Mend it.", layer="head")
    again = wire.said.decode(wire.line(wire.Failed.of(error))).error()
    assert (type(again), str(again)) == (ModelError, str(error))
    assert isinstance(wire.Failed.of(ValueError("x")).error(), WorkerError)


def test_numbers_cross_the_pipe_whole():
    import numpy as np

    numbers = np.array([np.nan, np.inf, -0.0, 1e-310, 1 / 3]).astype("<f8").tobytes()
    said = wire.said.decode(wire.line(wire.Done(Answer(3, numbers, 0.5))))
    assert said.answer.numbers == numbers


def test_paths_mean_the_same_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.npz").write_bytes(b"")
    found = wire.located(ModelRef(model="digits-resnet", data="data.npz"))
    assert found == replace(found, model="digits-resnet", data=str(tmp_path / "data.npz"))


def test_on_a_cluster_it_is_the_same(resnet, question, ref, plain):
    pytest.importorskip("ray")
    how = How(cluster="local", cores=2, ref=ref)
    assert plain(sensitivity(resnet, question, "exact", how=how)) == plain(sensitivity(resnet, question, "exact"))


def test_without_ray_a_cluster_is_one_clear_error(resnet, question, ref, monkeypatch):
    from qdebug.errors import UsageError

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="needs Ray"):
        sensitivity(resnet, question, "exact", how=How(cluster="auto", cores=0, ref=ref))
    assert Sweep(resnet, How()).samples.count == len(resnet.subject.data)
