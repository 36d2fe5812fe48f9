"""HiGHS writes to C's standard output whatever it is told; nobody sees it."""

import ctypes
import subprocess
import sys

import pytest

from qdebug.search.mix.quiet import quiet

HAS_STDOUT = sys.platform.startswith(("linux", "darwin"))


@pytest.mark.skipif(not HAS_STDOUT, reason="the C library's standard output has no known name here")
def test_what_c_prints_is_dropped_and_what_python_prints_is_not(capfd):
    libc = ctypes.CDLL(None)
    libc.printf(b"before\n")
    with quiet():
        libc.printf(b"dropped\n")
        with quiet():
            sys.stdout.write("from Python\n")
            libc.printf(b"dropped\n")
        libc.printf(b"dropped\n")
    libc.printf(b"after\n")
    libc.fflush(None)
    lines = capfd.readouterr().out.split("\n")
    assert sorted(filter(None, lines)) == ["after", "before", "from Python"]


def test_an_error_inside_gives_the_stream_back(capfd):
    with pytest.raises(ZeroDivisionError), quiet():
        _ = 1 / 0
    ctypes.CDLL(None).puts(b"heard")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == "heard\n"


def test_a_search_prints_nothing():
    """On these HiGHS 1.12 would."""
    code = (
        "from tests.search.mix.instances import made; from qdebug.search.mix import solve\n"
        "for seed, times in ((1, 3), (2, 2.2), (2, 3), (3, 4), (4, 1.7)):\n"
        "    problem = made(100, 6, 16, seed); solve(problem, times * problem.least_cost)\n"
        "print('done')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True)
    assert (ran.stdout, ran.stderr) == ("done\n", "")
