"""What a layer's time depends on: its operator, shapes and strides. Layers that are alike are timed once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qdebug.errors import ModelError
from qdebug.graph import Layer
from qdebug.graph.windows import windows_of
from qdebug.results import LayerInfo
from qdebug.session import Session


@dataclass(frozen=True)
class Shape:
    """A layer without its values.

    Attributes:
        op: ``Conv``, ``MatMul`` (over more than two axes), ``Gemm`` or ``Gather``, as ONNX says it.
        x: shape of the input, for the samples of one run.
        weight: as ONNX wants it: ``[out, in / groups, h, w]``, ``[in, out]``, or ``[rows, width]`` of a table.
        strides, dilations: along both axes of a convolution; empty otherwise.
        pads: before and behind both axes; empty otherwise.
        groups: of a convolution.
        bias: whether one is added.
    """

    op: str
    x: tuple[int, ...]
    weight: tuple[int, ...]
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    groups: int = 1
    bias: bool = False


def shape_of(session: Session, layer: Layer, info: LayerInfo) -> tuple[Shape, int]:
    """A layer's shape, and how many samples one run of it takes: one, or the batch that the model is fixed to.

    Raises:
        ModelError: no graph is made for its kind.
    """
    subject = session.subject
    x, batch = subject.shapes[layer.x], subject.program.batch
    if not x or x[0] % subject.traced:
        raise _untimed("whose input has no axis of samples")
    samples = batch or 1
    given = (x[0] // subject.traced * samples, *x[1:])
    if layer.kind == "embedding":
        return Shape("Gather", given, info.weight_shape), samples
    if layer.kind == "matmul":
        if layer.channel_axis % len(x) != len(x) - 1 or len(info.weight_shape) != 2:
            raise _untimed("whose products are not over the last axis")
        weight = (x[-1], math.prod(info.weight_shape) // x[-1])
        return Shape("Gemm" if len(x) == 2 else "MatMul", given, weight, bias=info.has_bias), samples
    windows = windows_of(subject.program.steps[layer.step], info.weight_shape[2:])
    if windows is None or layer.out_axis != 0 or len(x) != 4:
        raise _untimed("that is no convolution over two axes")
    shape = Shape(
        "Conv", given, info.weight_shape, windows.strides, windows.dilations, windows.pads, layer.groups, info.has_bias
    )
    return shape, samples


def _untimed(what: str) -> ModelError:
    return ModelError(f"No graph is made of a layer {what}", do="Use a device's rates instead.")
