"""Small ONNX models, and the same run by ONNX Runtime and by the door."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper

from qdebug.doors.onnx import from_proto, lower_onnx
from qdebug.graph.calls import call


def model(nodes, inputs, outputs, constants=(), opset=21, name="g"):
    """A model of nodes; inputs as arrays of an example, outputs as names, constants as arrays by name."""
    elems = {key: helper.np_dtype_to_tensor_dtype(value.dtype) for key, value in inputs.items()}
    graph = helper.make_graph(
        list(nodes), name,
        [helper.make_tensor_value_info(key, elems[key], value.shape) for key, value in inputs.items()],
        [onnx.ValueInfoProto(name=key) for key in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), key) for key, value in dict(constants).items()],
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def by_runtime(proto, inputs):
    """What ONNX Runtime computes, without rewriting the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def lowered(proto):
    """The program of a model."""
    return lower_onnx(from_proto(proto)).program


def by_door(proto, inputs):
    """What the door's program computes."""
    program = lowered(proto)
    values = {}
    with torch.no_grad():
        for step in program.steps:
            if step.kind == "op":
                values[step.index] = call(program, step.index, values)
            elif step.kind == "input":
                values[step.index] = torch.from_numpy(inputs[step.name])
            else:
                values[step.index] = program.state[step.index]
    return [values[index].numpy() for index in program.outputs.values()]
