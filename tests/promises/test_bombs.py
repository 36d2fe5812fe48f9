"""A small file cannot exhaust the machine: the promise in short, and that its proof can fail."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from benchmarks.promises import bombs
from benchmarks.promises.blasts import graphs
from benchmarks.promises.promise import Allowance

pytest.importorskip("transformers")
pytest.importorskip("pyarrow")
pytest.importorskip("PIL")
pytestmark = [
    pytest.mark.timeout(600), pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
]  # fmt: skip


def test_the_promise():
    outcome = bombs.PROMISE.keep(Allowance(bombs.PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == len(bombs.BOMBS) >= 20
    assert outcome.figures["answers to others"] > outcome.tried
    assert 100 < outcome.figures["MB of the compute process"] <= bombs.SLACK * bombs.CAP
    assert 100 < outcome.figures["MB of a reader"] <= bombs.SLACK * bombs.READER, "no reader was seen"


def test_models_that_are_bombs_differ_by_their_number(tmp_path):
    for bomb in graphs.BOMBS[:3]:
        for number in (0, 1):
            (tmp_path / f"{bomb.name[-5:]}{number}").mkdir()
            assert bomb.make(tmp_path / f"{bomb.name[-5:]}{number}", number).exists()


def test_memory_that_is_taken_is_seen():
    """The peak is that of the process that took it, also where it was given back at once."""
    code = (
        "import sys; sys.stdin.readline(); x = b'1' * 300_000_000; del x; print('done', flush=True); "
        "sys.stdin.readline()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        with bombs._watched(process.pid) as seen:
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
        process.stdin.write(b"\n")
        process.stdin.close()
    assert 300 <= seen[0] < 400


def test_a_reader_s_memory_is_seen():
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', "
        "\"import time; x = b'1' * 300_000_000; time.sleep(1)\"])"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process, bombs._watched(process.pid) as seen:
        process.wait()
    assert 300 <= seen[1] < 400


def test_others_that_wait_are_seen():
    class Slow:
        def get(self, request, timeout, asker):
            time.sleep(0.3)

    with bombs._others(Slow(), None, 2, 0) as waits:  # type: ignore[arg-type]
        time.sleep(0.1)
    assert len(waits) >= 2 and min(waits) >= 0.3
    assert threading.active_count() < 20
