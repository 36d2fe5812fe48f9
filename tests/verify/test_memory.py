"""``verify`` works batch after batch: what it holds at its peak does not grow with the data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SAMPLES, NOISE = 12, 10


def test_memory_is_that_of_one_batch_however_many_samples():
    pytest.importorskip("onnxruntime")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.verify_memory", str(SAMPLES)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    few, many = json.loads(done.stdout)
    assert (few["samples"], many["samples"]) == (SAMPLES, 4 * SAMPLES)
    assert few["all_data_mb"] > 10 * few["one_batch_mb"]
    assert many["all_data_mb"] > 10 * many["bound_mb"]
    assert many["peak_mb"] < few["peak_mb"] + NOISE
    assert few["bound_mb"] == many["bound_mb"]
    assert many["peak_mb"] < many["bound_mb"]
    assert many["cache_mb"] == few["cache_mb"] < few["one_batch_mb"]  # which had room for everything
