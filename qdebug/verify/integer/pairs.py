"""Which layers of a quantized file would saturate on processors without dot-product instructions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdebug.doors.onnx import OnnxFile, lower_onnx
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.windows import ones, same_pads
from qdebug.quantize.integer.saturation import saturating_pairs, unrolled
from qdebug.quantize.integer.sums import Windows
from qdebug.verify.integer.plan import integer_file
from qdebug.verify.integer.walk import walk

_PLACES = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3, "MatMulIntegerToFloat": 1}


@dataclass(frozen=True)
class Saturation:
    """A layer's pairs of products.

    Attributes:
        node: the layer.
        saturating: pairs whose sum leaves 16 bits.
        pairs: how many there are.
    """

    node: str
    saturating: int
    pairs: int


def saturation(file: OnnxFile, feeds: Mapping[str, np.ndarray]) -> tuple[Saturation, ...]:
    """Count, for each layer with stored int8 weights, the pairs of products that would saturate on given inputs.

    Args:
        file: a quantized file.
        feeds: inputs by name.
    """
    kernels = integer_file(file)
    stored = {one.name: kernels.tensors[one.key] for one in kernels.model.graph.constants}
    layers: dict[str, list[Node]] = defaultdict(list)
    for node in kernels.model.graph.nodes:
        weight = stored.get(node.inputs[_PLACES[node.op]]) if node.op in _PLACES else None
        if isinstance(weight, Tensor) and weight.dtype == torch.int8:
            layers[node.inputs[0]].append(node)
    found: list[Saturation] = []

    def look(name: str, value: Any) -> Any:
        for node in layers.get(name, ()):
            one = _counted(node, value, stored)
            if one is not None:
                found.append(one)
        return value

    inputs = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in feeds.items()}
    walk(lower_onnx(kernels).program, inputs, look)
    return tuple(found)


def _counted(node: Node, x: Tensor, stored: Mapping[str, Any]) -> Saturation | None:
    weight = stored[node.inputs[_PLACES[node.op]]]
    place = 4 if node.op == "MatMulIntegerToFloat" else 2
    zero = int(stored[node.inputs[place]]) if len(node.inputs) > place and node.inputs[place] else 0
    if x.dtype == torch.int8:  # kernels without signed inputs flip the sign bit
        x, zero = (x.short() + 128).to(torch.uint8), zero + 128
    if node.op == "QLinearConv":
        windows = _windows(node, x, weight)
        if weight.shape[1] == 1 and windows.groups == x.shape[1]:
            return None
        rows, factor = unrolled(x, weight, windows, zero)
    else:
        rows = x.mT if node.attributes.get("transA") else x
        factor = weight.mT if node.attributes.get("transB") else weight
    return Saturation(node.name, *saturating_pairs(rows, factor))


def _windows(node: Node, x: Tensor, weight: Tensor) -> Windows:
    axes, attributes = weight.dim() - 2, node.attributes
    steps, spread = (ones(attributes.get(name), axes) for name in ("strides", "dilations"))  # type: ignore[arg-type]
    pads = list(attributes.get("pads", [0] * (2 * axes)))  # type: ignore[arg-type]
    auto = str(attributes.get("auto_pad", "NOTSET"))
    if auto.startswith("SAME"):
        pads = same_pads(x.shape[2:], weight.shape[2:], steps, spread, auto == "SAME_UPPER")
    elif auto == "VALID":
        pads = [0] * (2 * axes)
    return Windows(tuple(steps), tuple(spread), tuple(pads), int(attributes.get("group", 1)))  # type: ignore[arg-type]
