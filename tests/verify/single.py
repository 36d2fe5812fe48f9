"""One operator on codes, by ONNX Runtime and by the integer kernels; and small graphs with scales in them."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from qdebug.doors.onnx import from_proto
from qdebug.verify.integer import integer_program
from qdebug.verify.integer.walk import walk

KINDS = {"u8": np.uint8, "s8": np.int8}
ELEMS = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}
ELEMS |= {np.dtype(np.bool_): TensorProto.BOOL, np.dtype(np.float32): TensorProto.FLOAT}
OWN = ("QLinearConv", "QLinearMatMul")


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def both(op, inputs, elem, fed=(0,), **attributes):
    """An operator's output by the runtime and by us; ``fed`` are the inputs that the model is fed with."""
    names = ["" if value is None else f"i{place}" for place, value in enumerate(inputs)]
    domain = "" if op in OWN else "com.microsoft"
    node = helper.make_node(op, names, ["y"], name="node", domain=domain, **attributes)
    given = {names[place]: np.asarray(inputs[place]) for place in fed}
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(name, ELEMS[value.dtype], value.shape) for name, value in given.items()],
        [helper.make_tensor_value_info("y", elem, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in zip(names, inputs, strict=True)
         if name and name not in given],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    real = session(model).run(None, given)[0]
    return real, by_kernels(model, given)


def by_kernels(model, feeds):
    """What the integer program computes for the model's first output."""
    program = integer_program(from_proto(model)).program
    found = {}

    def look(name, value):
        found[name] = value
        return value

    walk(program, {name: torch.from_numpy(value) for name, value in feeds.items()}, look)
    return found[program.steps[program.output].name].numpy()


def grid(rng, kind):
    """A scale and any zero point of a type."""
    limits = np.iinfo(KINDS[kind])
    return np.float32(10 ** rng.uniform(-3, -1)), KINDS[kind](rng.integers(limits.min, limits.max + 1))


def codes(rng, kind, *shape):
    """Codes all over a type's range."""
    limits = np.iinfo(KINDS[kind])
    return rng.integers(limits.min, limits.max + 1, shape).astype(KINDS[kind])


def tying(rng, scale):
    """A scale whose ratio to another is that of small integers, so that many sums lie half-way."""
    return np.float32(scale * rng.integers(1, 40) / rng.integers(1, 40) / 2)
