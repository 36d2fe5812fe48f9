"""ONNX files of 100 MB: opening, against ONNX Runtime creating a session; exporting, against load and save.

``python -m benchmarks.onnx_files`` prints JSON: for each model the file's size, the runtime's time, ratios for reading
and lowering alone and for opening with data (which runs the model once on two samples), and for an export as int8 and
as float, of a recipe that has been evaluated before.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from qdebug.export import write_onnx
from qdebug.session import open as open_model
from qdebug.session.loading import from_path

ROUNDS = 7


def convolutional(path: Path, width: int = 384, depth: int = 20) -> dict[str, np.ndarray]:
    """Convolutions with batch normalizations and residual sums; about 100 MB."""
    rng = np.random.default_rng(0)
    stored, nodes = [], []

    def keep(name, array):
        stored.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    x = "x"
    for at in range(depth):
        channels = 3 if at == 0 else width
        weight = keep(f"w{at}", rng.normal(size=(width, channels, 3, 3)) / (9 * channels) ** 0.5)
        norm = [keep(f"{part}{at}", 1 + 0.1 * rng.random(width)) for part in ("scale", "shift", "mean", "variance")]
        nodes.append(helper.make_node("Conv", [x, weight], [f"c{at}"], name=f"conv{at}", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("BatchNormalization", [f"c{at}", *norm], [f"n{at}"], name=f"norm{at}"))
        source = f"n{at}"
        if at:
            nodes.append(helper.make_node("Add", [source, x], [f"s{at}"], name=f"sum{at}"))
            source = f"s{at}"
        nodes.append(helper.make_node("Relu", [source], [f"y{at}"], name=f"relu{at}"))
        x = f"y{at}"
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", keep("head", rng.normal(size=(10, width)))], ["out"], transB=1))
    _save(path, nodes, stored, [3, 16, 16], [10])
    return {"x": rng.normal(size=(4, 3, 16, 16)).astype(np.float32)}


def transformer(path: Path, width: int = 512, depth: int = 8) -> dict[str, np.ndarray]:
    """Feed-forward blocks with layer normalizations; about 100 MB."""
    rng = np.random.default_rng(0)
    stored, nodes = [], []

    def keep(name, *shape):
        stored.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32) / shape[0] ** 0.5, name))
        return name

    x = "x"
    for at in range(depth):
        nodes.append(
            helper.make_node("LayerNormalization", [x, keep(f"g{at}", width), keep(f"b{at}", width)], [f"n{at}"])
        )
        source = f"n{at}"
        for part, (rows, columns) in enumerate(
            ((width, width), (width, width), (width, 4 * width), (4 * width, width))
        ):
            name = f"{at}.{part}"
            nodes.append(helper.make_node("MatMul", [source, keep(f"w{name}", rows, columns)], [f"p{name}"]))
            nodes.append(helper.make_node("Add", [f"p{name}", keep(f"c{name}", columns)], [f"q{name}"]))
            nodes.append(helper.make_node("Tanh", [f"q{name}"], [f"t{name}"]))
            source = f"t{name}"
        nodes.append(helper.make_node("Add", [source, x], [f"y{at}"]))
        x = f"y{at}"
    nodes.append(helper.make_node("Identity", [x], ["out"]))
    _save(path, nodes, stored, [16, width], [16, width])
    return {"x": rng.normal(size=(4, 16, width)).astype(np.float32)}


def _save(path, nodes, stored, given, written):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *given])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", *written])], stored,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    onnxruntime.InferenceSession(path, options)


def _exported(path, data, folder):
    session = open_model(path, data)
    copy = _least(lambda: onnx.save(onnx.load(path), folder / "copy.onnx"))
    found = {}
    for name in ("w8a8-pc-all", "w32a32"):
        session.score(name)
        time_ = _least(lambda name=name: write_onnx(session, name, folder / "out.onnx"))
        found[f"exported_{name}"] = round(time_ / copy, 2)
    return {"load_and_save_seconds": round(copy, 3), **found}


def _least(work):
    times = []
    for _ in range(ROUNDS):
        gc.collect()  # what the round before leaves is not this one's to clear away
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for write in (convolutional, transformer):
            path = Path(folder) / f"{write.__name__}.onnx"
            data = write(path)
            open_model(path, data)
            runtime = _least(lambda path=path: _session(path))
            rows.append(
                {
                    "model": write.__name__,
                    "megabytes": round(path.stat().st_size / 1e6),
                    "runtime_seconds": round(runtime, 3),
                    "read_and_lowered": round(_least(lambda path=path: from_path(path)) / runtime, 2),
                    "opened_with_data": round(_least(lambda path=path, d=data: open_model(path, d)) / runtime, 2),
                    **_exported(path, data, Path(folder)),
                }
            )
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
