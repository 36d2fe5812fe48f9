"""What the peers' scripts share: one thread, data in batches, times, memory. Knows no qdebug; needs numpy alone."""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np


def single_threaded(onnxruntime):
    """Let every session of ONNX Runtime, a tool's own too, work on one thread. Call it before the tool is imported."""

    class OneThread(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            self.intra_op_num_threads = self.inter_op_num_threads = 1

    onnxruntime.SessionOptions = OneThread


def session(onnxruntime, model):
    """A session on a model (a path, or its bytes), with ONNX Runtime's default optimizations."""
    return onnxruntime.InferenceSession(model, onnxruntime.SessionOptions(), providers=["CPUExecutionProvider"])


def batches(path, size):
    """The model's inputs in the data file, in batches."""
    with np.load(path) as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    count = len(next(iter(inputs.values())))
    return [{name: x[start : start + size] for name, x in inputs.items()} for start in range(0, count, size)]


def least(function, repeats):
    """The least of several times, in seconds, and the last result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return min(times), result


def against(float_pass, flow, repeats):
    """Seconds of a flow and of float passes right before and after it: those of the turn with the least ratio."""
    float_pass()
    turns, result = [], None
    for _ in range(repeats):
        before = least(float_pass, 3)[0]
        took, result = least(flow, 1)
        turns.append((took, min(before, least(float_pass, 3)[0])))
    return min(turns, key=lambda turn: turn[0] / turn[1]), result


def squared_error(references, outputs):
    """Squared change of the output per sample."""
    total = sum(float(np.square(y.astype(np.float64) - x).sum()) for x, y in zip(references, outputs, strict=True))
    return total / sum(len(x) for x in references)


def peak_rss():
    """The most memory that this process has held, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def tell(**found):
    """The last line that the script prints."""
    print("\n" + json.dumps(found | {"peak_rss": peak_rss()}), flush=True)
