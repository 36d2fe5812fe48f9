"""What ``qdebug verify`` takes at its peak, on some samples and on four times as many. Prints JSON.

    python -m benchmarks.verify_memory [SAMPLES]

The network's activations over all data are many times one batch of them. The peak is resident memory beyond what a warm
process with the model and its data open already has. It is held against a bound that the number of samples is no part
of:

    10 bytes · values of one batch  +  8 · the model file  +  16 MB

A value is held in the forms in which codes are compared: the runtime's code and its copy (2 bytes), float32 (4) and the
integer simulation's int32 (4), all at once at worst; the model as it is written, opened by the runtime with and without
its codes shown, and read into both simulations. Predictions, which are kept, are a few bytes per sample.
"""

from __future__ import annotations

import gc
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from qdebug.engine import ValueCache
from qdebug.session import Session
from qdebug.session import open as open_model
from qdebug.verify import verify

RECIPE = "w8a8-pc-all"
PER_VALUE, MODEL, SLACK = 10, 8, 16e6
PLAIN = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""Threads wait in vain where cores are shared; and what is freed must not be counted as held."""
CHANNELS, SIDE, DEPTH = 32, 96, 4


def network(path: Path) -> Path:
    """Depthwise convolutions, each added to its input: large activations, few weights and little arithmetic."""
    draw = np.random.default_rng(0)
    make = helper.make_node
    stored: list[onnx.TensorProto] = []

    def keep(name: str, *shape: int) -> str:
        values = draw.standard_normal(shape) / np.prod(shape[1:]) ** 0.5
        stored.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    nodes = [make("Conv", ["x", keep("w", CHANNELS, 1, 1, 1)], ["y0"], name="stem")]
    for at in range(DEPTH):
        weight = keep(f"w{at}", CHANNELS, 1, 3, 3)
        how = {"pads": [1, 1, 1, 1], "group": CHANNELS}
        nodes.append(make("Conv", [f"y{at}", weight], [f"c{at}"], name=f"conv{at}", **how))
        nodes.append(make("Relu", [f"c{at}"], [f"r{at}"]))
        nodes.append(make("Add", [f"y{at}", f"r{at}"], [f"y{at + 1}"], name=f"sum{at}"))
    nodes.append(make("GlobalAveragePool", [f"y{DEPTH}"], ["pooled"], name="pool"))
    nodes.append(make("Flatten", ["pooled"], ["flat"]))
    nodes.append(make("Gemm", ["flat", keep("head", 10, CHANNELS)], ["out"], name="head", transB=1))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 10])], stored,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def status(name: str) -> int:
    """A field of the kernel's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def opened(path: Path, samples: int) -> Session:
    """The network with so many samples, and a cache that has room for all of their values."""
    x = np.random.default_rng(1).standard_normal((samples, 1, SIDE, SIDE)).astype(np.float32)
    return open_model(path, {"x": x}, {"x": x[:2]}, cache=ValueCache(64 << 30))


def measured(samples: int) -> dict[str, object]:
    """Peak memory of this process while it verifies, beyond what it had before; once it is warm."""
    with tempfile.TemporaryDirectory() as folder:
        path = network(Path(folder) / "net.onnx")
        verify(opened(path, 2), RECIPE)
        session = opened(path, samples)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak starts anew
        before = status("VmRSS")
        verified = verify(session, RECIPE)
        peak = status("VmHWM") - before
        shapes, program = session.subject.shapes, session.subject.program
        values = sum(math.prod(shape) for index, shape in shapes.items() if program.steps[index].kind == "op")
        return {
            "samples": verified.n,
            "batch": session.subject.batch_size,
            "peak_mb": peak / 1e6,
            "bound_mb": (PER_VALUE * values + MODEL * path.stat().st_size + SLACK) / 1e6,
            "one_batch_mb": 4 * values / 1e6,
            "all_data_mb": 4 * values * verified.n / session.subject.batch_size / 1e6,
            "cache_mb": session.cache_stats().bytes / 1e6,
        }


def main(samples: int) -> list[dict[str, object]]:
    """Both measurements, each in a process of its own that hands freed memory back at once."""
    rows = []
    for count in (samples, 4 * samples):
        command = [sys.executable, "-m", "benchmarks.verify_memory", str(count), "--here"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | PLAIN)
        rows.append(json.loads(ran.stdout))
    return rows


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    print(json.dumps(measured(wanted) if "--here" in sys.argv else main(wanted), indent=2))
