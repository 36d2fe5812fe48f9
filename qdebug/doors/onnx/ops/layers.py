"""Operators with weights: convolutions, matrix products, embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.windows import halves, ones, padded, same_pads
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.graph.linear import linear
from qdebug.graph.program import Ref

_aten = torch.ops.aten


@lowering("Conv")
def lower_conv(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A convolution; with padding that differs between the sides it stays whole, as ``onnx.conv``."""
    x, weight, bias = (builder.at(node, place) for place in range(3))
    kernel = builder.constant(node, 1)
    if kernel is None or kernel.dim() < 3:
        return None
    count = kernel.dim() - 2
    strides, dilations = (ones(node.attributes.get(name), count) for name in ("strides", "dilations"))  # type: ignore[arg-type]
    groups = node.attributes.get("group", 1)
    pads = list(node.attributes.get("pads", [0] * (2 * count)))  # type: ignore[arg-type]
    auto = node.attributes.get("auto_pad", "NOTSET")
    sides = halves(pads) if auto in ("NOTSET", "VALID", "") else None
    if auto == "VALID":
        sides = [0] * count
    if sides is None or count > 3:
        return (builder.emit(
            convolve, x, weight, bias, strides, pads, dilations, groups, auto, op="onnx.conv", name=node.outputs[0]
        ).index,)  # fmt: skip
    target = (_aten.conv1d.default, _aten.conv2d.default, _aten.conv3d.default)[count - 1]
    return (builder.emit(target, x, weight, bias, strides, sides, dilations, groups).index,)


@operator("Conv")
def conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None, group: int = 1, kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A convolution whose weight is computed."""
    count = weight.dim() - 2
    zero = [0] * (2 * count)
    return convolve(
        x, weight, bias, ones(strides, count), list(pads or zero), ones(dilations, count), group, auto_pad
    )  # fmt: skip


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, strides: Sequence[int], pads: Sequence[int],
    dilations: Sequence[int], groups: int, auto_pad: str = "NOTSET",
) -> Tensor:  # fmt: skip
    """A convolution over 1, 2 or 3 axes with any padding.

    Args:
        x: ``[N, C, *sizes]``.
        weight: ``[M, C / groups, *kernel]``.
        bias: ``[M]`` or None.
        strides: one per axis.
        dilations: one per axis.
        pads: beginnings, then ends; not looked at where ``auto_pad`` says SAME or VALID.
        groups: of channels.
        auto_pad: NOTSET, VALID, SAME_UPPER or SAME_LOWER.
    """
    if auto_pad.startswith("SAME"):
        pads = same_pads(x.shape[2:], weight.shape[2:], strides, dilations, auto_pad == "SAME_UPPER")
    elif auto_pad == "VALID":
        pads = [0] * len(pads)
    run: Any = (F.conv1d, F.conv2d, F.conv3d)[weight.dim() - 3]
    sides = halves(pads)
    if sides is None:
        x, sides = padded(x, pads), [0] * len(strides)
    result: Tensor = run(x, weight, bias, strides, sides, dilations, groups)
    return result


@lowering("ConvTranspose")
def lower_conv_transpose(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A transposed convolution, where its padding is plain; else the kernel computes it."""
    kernel = builder.constant(node, 1)
    attributes = node.attributes
    if kernel is None or kernel.dim() not in (3, 4) or "output_shape" in attributes:
        return None
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID", ""):
        return None
    count = kernel.dim() - 2
    strides, dilations = (ones(attributes.get(name), count) for name in ("strides", "dilations"))  # type: ignore[arg-type]
    sides = halves(list(attributes.get("pads", [0] * (2 * count))))  # type: ignore[arg-type]
    extra = list(attributes.get("output_padding", [0] * count))  # type: ignore[arg-type]
    if sides is None or any(more >= max(pair) for more, *pair in zip(extra, strides, dilations, strict=True)):
        return None
    x, weight, bias = (builder.at(node, place) for place in range(3))
    target = (_aten.conv_transpose1d.default, _aten.conv_transpose2d.input)[count - 1]
    groups = attributes.get("group", 1)
    return (builder.emit(target, x, weight, bias, strides, sides, extra, groups, dilations).index,)


@operator("ConvTranspose")
def conv_transpose(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None, group: int = 1, kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None, output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None, strides: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """A transposed convolution with any padding: all of it first, then cropped (ONNX, ConvTranspose)."""
    count = weight.dim() - 2
    steps, spread = ones(strides, count), ones(dilations, count)
    extra = list(output_padding or [0] * count)
    sizes = [
        step * (size - 1) + more + (width - 1) * wide + 1
        for step, size, more, width, wide in zip(steps, x.shape[2:], extra, weight.shape[2:], spread, strict=True)
    ]
    cut = list(pads or [0] * (2 * count))
    wanted: list[int] | None = list(output_shape)[-count:] if output_shape else None
    if auto_pad.startswith("SAME") and wanted is None:
        wanted = [size * step for size, step in zip(x.shape[2:], steps, strict=True)]
    if wanted is not None:
        whole = [size - want for size, want in zip(sizes, wanted, strict=True)]
        begin = [more - more // 2 if auto_pad != "SAME_UPPER" else more // 2 for more in whole]
        cut = begin + [more - first for more, first in zip(whole, begin, strict=True)]
    elif auto_pad == "VALID":
        cut = [0] * (2 * count)
    run: Any = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[count - 1]
    result: Tensor = run(x, weight, bias, steps, 0, 0, group, spread)
    # Output padding adds places that no window writes; they hold the bias.
    short = [max(want - have, 0) for want, have in zip(sizes, result.shape[2:], strict=True)]
    if any(short):
        result = padded(result - _channelwise(bias, count), [0] * count + short) + _channelwise(bias, count)
    return padded(result, [-side for side in cut])


def _channelwise(bias: Tensor | None, count: int) -> Tensor | float:
    return 0.0 if bias is None else bias.reshape(1, -1, *[1] * count)


@lowering("Gemm")
def lower_gemm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A linear layer, where the second factor is stored and nothing is scaled; else the kernel computes it."""
    weight, bias = builder.constant(node, 1), builder.at(node, 2)
    attributes = node.attributes
    plain = attributes.get("alpha", 1.0) == 1.0 and not attributes.get("transA", 0)
    if weight is None or not plain or not weight.is_floating_point() or weight.dim() != 2:
        return None
    added = builder.constant(node, 2)
    columns = weight.shape[0 if attributes.get("transB", 0) else 1]
    if bias is not None and (added is None or added.numel() != columns or attributes.get("beta", 1.0) != 1.0):
        return None
    if bias is not None and added is not None and added.dim() != 1:
        if added.shape[-1] != columns:
            return None
        bias = builder.emit(_aten.reshape.default, bias, [-1], name=node.inputs[2])
    x, factor = builder.at(node, 0), builder.at(node, 1)
    if attributes.get("transB", 0):
        return (builder.emit(_aten.linear.default, x, factor, bias).index,)
    return (builder.emit(linear, x, factor, bias, op="onnx.linear").index,)


@operator("Gemm", 7)
def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Tensor:  # fmt: skip
    """``alpha · a b + beta · c``."""
    product = (a.T if transA else a) @ (b.T if transB else b)
    scaled = product if alpha == 1 else product * _like(alpha, product)
    return scaled if c is None else scaled + (c if beta == 1 else c * _like(beta, c))


def _like(factor: float, x: Tensor) -> float | int:
    """A factor as the tensor's kind of number."""
    return factor if x.is_floating_point() else int(factor)


@lowering("MatMul")
def lower_matmul(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A matrix product."""
    x, factor = builder.at(node, 0), builder.at(node, 1)
    return (builder.emit(_aten.matmul.default, x, factor).index,)


@lowering("Gather")
def lower_gather(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Rows of a stored table by an index that is computed: an embedding; one constant place of an axis: a view."""
    table, index = builder.constant(node, 0), builder.at(node, 1)
    place = builder.constant(node, 1)
    if table is None and place is not None and place.dim() == 0:
        axis = node.attributes.get("axis", 0)
        return (builder.emit(_aten.select.int, builder.at(node, 0), axis, int(place)).index,)
    if table is None or table.dim() != 2 or not table.is_floating_point() or node.attributes.get("axis", 0) != 0:
        return None
    assert isinstance(index, Ref)
    if builder.is_constant(index.index):
        return None
    return (builder.emit(embedding, builder.at(node, 0), index, op="onnx.embedding").index,)


def embedding(table: Tensor, index: Tensor) -> Tensor:
    """Rows of ``table``; negative numbers count from its end."""
    whole = index.long()
    return F.embedding(torch.where(whole < 0, whole + len(table), whole), table)
