"""Activations and normalizations: what patterns and fixes look for between layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten

_PLAIN = {
    "Relu": _aten.relu.default, "Sigmoid": _aten.sigmoid.default, "Tanh": _aten.tanh.default,
}  # fmt: skip


def _register(name: str, target: Any) -> None:
    @lowering(name)
    def lower(builder: Builder, node: Node) -> tuple[int, ...] | None:
        return (builder.emit(target, builder.at(node, 0)).index,)


for _name, _target in _PLAIN.items():
    _register(_name, _target)


@lowering("Clip", 6)
def lower_clip(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A clamp between constants; ReLU6 under its own name."""
    if builder.opsets.get("", 1) < 11:
        low, high = (plain(node.attributes[key]) if key in node.attributes else None for key in ("min", "max"))
    else:
        ends = [builder.at(node, 1), builder.at(node, 2)]
        known = [builder.constant(node, 1), builder.constant(node, 2)]
        if any(end is not None and value is None for end, value in zip(ends, known, strict=True)):
            return None
        low, high = (None if value is None else value.item() for value in known)
    x = builder.at(node, 0)
    if low is None and high is None:
        return (builder.emit(_aten.alias.default, x).index,)
    if (low, high) == (0, 6):
        return (builder.emit(_aten.relu6.default, x).index,)
    if low == 0 and high is None:
        return (builder.emit(_aten.relu.default, x).index,)
    return (builder.emit(_aten.clamp.default, x, low, high).index,)


@operator("Clip", 11)
def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """A clamp between values that are computed; the upper one wins where they cross."""
    bounded = x if low is None else torch.maximum(x, low)
    return bounded if high is None else torch.minimum(bounded, high)


@lowering("Gelu", 20)
def lower_gelu(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``x`` times the normal distribution's integral up to x, exact or by tanh."""
    approximate = node.attributes.get("approximate", "none")
    return (builder.emit(_aten.gelu.default, builder.at(node, 0), approximate=approximate).index,)


@lowering("HardSwish", 14)
def lower_hard_swish(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``x · relu6(x + 3) / 6``."""
    return (builder.emit(_aten.hardswish.default, builder.at(node, 0)).index,)


@lowering("HardSigmoid")
def lower_hard_sigmoid(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The usual slope of a sixth under its own name; else the kernel computes it."""
    slope, offset = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if not (math.isclose(float(slope), 1 / 6, rel_tol=1e-6) and offset == 0.5):  # type: ignore[arg-type]
        return None
    return (builder.emit(_aten.hardsigmoid.default, builder.at(node, 0)).index,)


@operator("HardSigmoid")
def hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """``min(max(alpha · x + beta, 0), 1)``."""
    return (x * alpha + beta).clamp(0, 1)


@lowering("LeakyRelu")
def lower_leaky_relu(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``x`` where it is positive, a fraction of it where it is not."""
    slope = plain(node.attributes.get("alpha", 0.01))
    return (builder.emit(_aten.leaky_relu.default, builder.at(node, 0), slope).index,)


@lowering("Elu")
def lower_elu(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``x`` where it is positive, ``alpha (eˣ − 1)`` where it is not."""
    return (builder.emit(_aten.elu.default, builder.at(node, 0), plain(node.attributes.get("alpha", 1.0))).index,)


@operator("PRelu")
def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """``x`` where it is positive, ``slope · x`` where it is not."""
    return torch.where(x < 0, x * slope, x)


@lowering("BatchNormalization", 7)
def lower_batch_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A normalization with stored statistics; in training mode the kernel computes it."""
    if node.attributes.get("training_mode", 0) or len([name for name in node.outputs if name]) > 1:
        return None
    x, scale, bias, mean, variance = (builder.at(node, place) for place in range(5))
    epsilon = plain(node.attributes.get("epsilon", 1e-5))
    return (builder.emit(
        _aten.batch_norm.default, x, scale, bias, mean, variance, False, 0.0, epsilon, False
    ).index,)  # fmt: skip


@operator("BatchNormalization", 7)
def batch_norm(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float = 1e-5,
    momentum: float = 0.9, training_mode: int = 0, spatial: int = 1, outputs: list[bool],
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """A normalization by the batch's own statistics, and the running statistics that follow (ONNX, training_mode)."""
    shape = [1, -1] + [1] * (x.dim() - 2)
    axes = [axis for axis in range(x.dim()) if axis != 1]
    now, spread = (x.mean(axes), x.var(axes, unbiased=False)) if training_mode else (mean, variance)
    centred = (x - now.reshape(shape)) / (spread.reshape(shape) + epsilon).sqrt()
    y = (centred * scale.reshape(shape) + bias.reshape(shape)).to(x.dtype)
    if len(outputs) == 1:
        return y
    return y, mean * momentum + now * (1 - momentum), variance * momentum + spread * (1 - momentum)


@lowering("LayerNormalization", 17)
def lower_layer_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A normalization over the last axis; over more the kernel computes it."""
    scale = builder.constant(node, 1)
    axis = node.attributes.get("axis", -1)
    if scale is None or axis != -1 or scale.dim() != 1 or len([name for name in node.outputs if name]) > 1:
        return None
    x, weight, bias = (builder.at(node, place) for place in range(3))
    epsilon = plain(node.attributes.get("epsilon", 1e-5))
    return (builder.emit(_aten.layer_norm.default, x, [len(scale)], weight, bias, epsilon, False).index,)


@operator("LayerNormalization", 17)
def layer_norm(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5,
    stash_type: int = 1, outputs: list[bool],
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """A normalization over all axes from ``axis`` on; mean and inverse deviation on request."""
    axes = list(range(axis % x.dim(), x.dim()))
    wide = x.float() if stash_type == 1 and x.dtype != torch.float64 else x
    mean = wide.mean(axes, keepdim=True)
    inverse = torch.rsqrt((wide - mean).square().mean(axes, keepdim=True) + epsilon)
    y = ((wide - mean) * inverse).to(x.dtype) * scale
    y = y if bias is None else y + bias
    return y if len(outputs) == 1 else (y, mean, inverse)[: len(outputs)]


@lowering("Softmax", 13)
def lower_softmax(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A softmax along one axis."""
    return (builder.emit(_aten.softmax.int, builder.at(node, 0), node.attributes.get("axis", -1)).index,)


@operator("Softmax")
def softmax_flat(x: Tensor, *, axis: int = 1) -> Tensor:
    """A softmax over all axes from ``axis`` on, taken as one (before opset 13)."""
    start = axis % x.dim() if x.dim() else 0
    return F.softmax(x.reshape(*x.shape[:start], -1), -1).reshape(x.shape)


@lowering("RMSNormalization", 23)
def lower_rms_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A normalization by the root of the mean square over the last axis."""
    scale = builder.constant(node, 1)
    if scale is None or node.attributes.get("axis", -1) != -1 or scale.dim() != 1:
        return None
    epsilon = plain(node.attributes.get("epsilon", 1e-5))
    x, weight = builder.at(node, 0), builder.at(node, 1)
    return (builder.emit(_aten.rms_norm.default, x, [len(scale)], weight, epsilon).index,)


@lowering("Concat", 4)
def lower_concat(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Tensors one behind the other."""
    parts = [builder.at(node, place) for place in range(len(node.inputs))]
    return (builder.emit(_aten.cat.default, parts, node.attributes["axis"]).index,)


@lowering("Transpose")
def lower_transpose(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Axes in another order, where the order is given; else the kernel turns it round."""
    order = node.attributes.get("perm")
    if order is None:
        return None
    return (builder.emit(_aten.permute.default, builder.at(node, 0), list(order)).index,)  # type: ignore[arg-type]


@operator("Transpose")
def transpose(x: Tensor) -> Tensor:
    """Axes in the reverse order."""
    return x.permute(list(reversed(range(x.dim()))))


@lowering("GlobalAveragePool")
def lower_global_average_pool(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The mean over all axes behind the channels, for images; else the kernel computes it."""
    return (builder.emit(global_average, builder.at(node, 0), op="onnx.global_average_pool").index,)


def global_average(x: Tensor) -> Tensor:
    """The mean over all axes behind the channels, kept as axes of size one."""
    return x.mean(list(range(2, x.dim())), keepdim=True)
