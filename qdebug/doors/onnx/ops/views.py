"""Views lowered to torch's own operators, where their arguments are constants: what patterns look through."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.shapes import rows
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.graph.program import Ref

_aten = torch.ops.aten
_SEQUENCES = ("onnx.Sequence", "onnx.SplitToSequence", "onnx.Optional", "onnx.If", "onnx.Loop", "onnx.Scan", "getitem")
"""Operators that may give a sequence."""


def _given(builder: Builder, node: Node, name: str, place: int) -> list[int] | None:
    """An argument that is an attribute in old opsets and an input in new ones, where it is known already."""
    attribute = node.attributes.get(name)
    if attribute is not None:
        return list(attribute)  # type: ignore[arg-type]
    known = builder.constant(node, place)
    return None if known is None else known.reshape(-1).tolist()


@lowering("Reshape", 5)
def lower_reshape(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Constant sizes without zeros; what flattens all but the first axis, as such."""
    known, x = builder.constant(node, 1), builder.at(node, 0)
    if known is None:
        flat = _flattens(builder, x, builder.at(node, 1))
        return (builder.emit(rows, x, op="onnx.flatten").index,) if flat else None
    sizes = known.tolist()
    if sizes == [0, -1] and not node.attributes.get("allowzero", 0):
        return (builder.emit(rows, x, op="onnx.flatten").index,)
    if 0 in sizes:
        return None
    return (builder.emit(_aten.reshape.default, x, sizes).index,)


def _flattens(builder: Builder, x: Ref | None, sizes: Ref | None) -> bool:
    """Whether computed sizes are the first of ``x`` and one more: ``x.view(x.size(0), -1)`` as exporters write it."""
    joined = builder.step(sizes) if sizes else None
    if joined is None or joined.op != "aten.cat.default" or len(joined.args[0]) != 2:
        return False
    part, rest = joined.args[0]
    if not builder.is_constant(rest.index) or builder.value(rest.index).numel() != 1:
        return False
    took = False
    while isinstance(part, Ref):
        step = builder.step(part)
        if step.op.startswith("onnx.Shape-"):
            return took and step.args[0] == x and not step.kwargs
        taken = tuple(step.args[1:])
        if (step.op, *taken) in (("aten.select.int", 0, 0), ("aten.slice.Tensor", 0, 0, 1, 1)):
            took = True
        elif step.op not in ("aten.unsqueeze.default", "aten.alias.default"):
            return False
        part = step.args[0]
    return False


@lowering("Flatten")
def lower_flatten(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """All axes but the first as one; else the kernel computes it."""
    if node.attributes.get("axis", 1) != 1:
        return None
    return (builder.emit(rows, builder.at(node, 0), op="onnx.flatten").index,)


@lowering("Squeeze")
def lower_squeeze(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Without the named axes."""
    axes = _given(builder, node, "axes", 1)
    return (builder.emit(_aten.squeeze.dims, builder.at(node, 0), axes).index,) if axes else None


@lowering("Unsqueeze")
def lower_unsqueeze(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """With new axes; where several are named and one counts from the end, the kernel finds their places."""
    axes = _given(builder, node, "axes", 1)
    x = builder.at(node, 0)
    if not axes or x is None or (len(axes) > 1 and min(axes) < 0):
        return None
    for axis in sorted(axes):
        x = builder.emit(_aten.unsqueeze.default, x, axis)
    return (x.index,)


@lowering("Slice")
def lower_slice(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A box with constant edges, one step for each axis; backwards the kernel goes."""
    starts, ends = (_given(builder, node, name, place) for place, name in enumerate(("starts", "ends"), 1))
    axes, steps = (_given(builder, node, name, place) for place, name in enumerate(("axes", "steps"), 3))
    x = builder.at(node, 0)
    if x is None or starts is None or ends is None:
        return None
    if (axes is None and builder.at(node, 3) is not None) or (steps is None and builder.at(node, 4) is not None):
        return None
    if any(step <= 0 for step in steps or ()):
        return None
    along, strides = axes or range(len(starts)), steps or [1] * len(starts)
    if len(set(along)) != len(starts) or not starts:
        return None
    for axis, start, end, step in zip(along, starts, ends, strides, strict=True):
        x = builder.emit(_aten.slice.Tensor, x, axis, start, end, step)
    return (x.index,)


@lowering("Split", 2)
def lower_split(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Parts of constant sizes; equal ones, whose sizes depend on the input, are the kernel's."""
    sizes = _given(builder, node, "split", 1)
    if sizes is None or len(sizes) != len(node.outputs):
        return None
    several = builder.emit(
        _aten.split_with_sizes.default, builder.at(node, 0), sizes, node.attributes.get("axis", 0),
        name=f"{node.name}/parts",
    )  # fmt: skip
    return tuple(builder.pick(several, place, name or node.name).index for place, name in enumerate(node.outputs))


@lowering("Dropout", 7)
def lower_dropout(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Nothing, which is what it does outside training; with a mask, or in training, the kernel computes it."""
    if len([name for name in node.outputs if name]) > 1:
        return None
    if builder.opsets.get("", 1) >= 12 and builder.at(node, 2) is not None:
        training = builder.constant(node, 2)
        if training is None or bool(training):
            return None
    return (builder.emit(_aten.alias.default, builder.at(node, 0)).index,)


@operator("Dropout", 7)
def dropout_with_mask(x: Tensor, *, ratio: float = 0.5, outputs: list[bool]) -> Tensor | tuple[Tensor, Tensor]:
    """The input, and that all of it is kept (before opset 12)."""
    return (x, torch.ones_like(x, dtype=torch.bool)) if len(outputs) > 1 else x


@operator("Dropout", 12)
def dropout(
    x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None, *, seed: int | None = None,
    outputs: list[bool],
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """The input, or where the file has it in training mode the part of it that is drawn, the same at each run."""
    share = 0.5 if ratio is None else float(ratio)
    if training is None or not bool(training) or share == 0:
        kept = torch.ones_like(x, dtype=torch.bool)
        return (x, kept) if len(outputs) > 1 else x
    drawn = np.random.RandomState(seed or 0).uniform(0, 1, tuple(x.shape)) >= share
    kept = torch.from_numpy(np.asarray(drawn)).to(x.device)
    result = torch.where(kept, x / (1 - share) if share < 1 else x, 0)
    return (result, kept) if len(outputs) > 1 else result


@lowering("Identity")
def lower_identity(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The tensor itself; what may be a sequence goes through the kernel."""
    x = builder.at(node, 0)
    assert x is not None
    if not builder.elems.get(node.inputs[0], 0) or builder.step(x).op.startswith(_SEQUENCES):
        return None
    return (builder.emit(_aten.alias.default, x).index,)


@operator("Identity")
def identity(x: Any) -> Any:
    """The value itself, which need not be a tensor."""
    return x
