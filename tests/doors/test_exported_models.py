"""What torch exports runs behind the ONNX door as in ONNX Runtime, and its layers are found."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from qdebug.doors.onnx import lower_onnx, read_onnx
from qdebug.graph.calls import call
from qdebug.graph.layers import find_layers
from tests.doors.architectures import ZOO
from tests.doors.architectures.cases import every_network


def values_of(program, inputs):
    """The value of every step, by index."""
    values = dict(program.state)
    with torch.no_grad():
        for step in program.steps:
            if step.kind == "input":
                values[step.index] = torch.from_numpy(inputs[step.name])
            elif step.kind == "op":
                values[step.index] = call(program, step.index, values)
    return values


@pytest.fixture
def lowered(exported, name, opset):
    """The file as a program."""
    return lower_onnx(read_onnx(exported(name, opset).path))


@every_network
def test_every_output_is_that_of_onnx_runtime(exported, lowered, name, opset):
    file = exported(name, opset)
    assert lowered.unknown == ()
    values = values_of(lowered.program, file.inputs)
    assert tuple(lowered.program.outputs) == ZOO[name].outputs
    for output, index in lowered.program.outputs.items():
        given, expected = values[index].numpy(), file.reference[output]
        assert given.shape == expected.shape and given.dtype == expected.dtype
        np.testing.assert_allclose(given, expected, rtol=0, atol=1e-4 * np.abs(expected).max(), err_msg=output)


@every_network
def test_its_layers_are_found(exported, lowered, name, opset):
    program = lowered.program
    values = values_of(program, exported(name, opset).inputs)
    shapes = {index: tuple(values[index].shape) for index, fixed in enumerate(program.constant) if fixed}
    layers = find_layers(program, shapes)
    found = Counter(layer.kind for layer in layers)
    assert (found["conv"], found["matmul"], found["embedding"]) == ZOO[name].layers
    assert len({layer.name for layer in layers}) == len(layers)


@every_network
def test_inputs_are_as_the_network_takes_them(exported, lowered, name, opset):
    for spec, (key, array) in zip(lowered.inputs, exported(name, opset).inputs.items(), strict=True):
        assert spec.name == key and spec.dtype == array.dtype.name
        assert spec.shape == (None, *array.shape[1:]), "only the batch is open"
