"""A model whose weights are more than a process may hold is opened and evaluated by it, within that limit."""

import sys

import pytest

from benchmarks.larger_than_memory import run, write

LIMIT, BLOCKS = 900, 9
"""Megabytes, and blocks of 104 MB in float32: together more than the limit, beside 560 MB of libraries and graph."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit on private memory is Linux's")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("large")
    size = write(place, BLOCKS)
    assert 2 * size > LIMIT * 1e6
    return place


def test_weights_that_stay_in_their_file_fit(folder):
    found = run(folder, LIMIT, ["w8a16"])
    assert [one["step"] for one in found] == ["open", "w8a16"]
    assert all(one["peak_mb"] < LIMIT for one in found)


def test_the_limit_is_one(folder):
    """Held in memory they do not fit: without this the test above would prove nothing."""
    with pytest.raises(RuntimeError, match="allocate|MemoryError"):
        run(folder, LIMIT, ["w8a16"], {"QDEBUG_WEIGHT_BYTES": str(10**12)})
