"""Activations that are met less often, and softmax's kin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.registry import lowering, operator

_aten = torch.ops.aten
_SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""Selu's ``alpha`` and ``gamma`` where the file gives none (ONNX, Selu)."""


@lowering("Selu", 6)
def lower_selu(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``gamma · elu(x)``."""
    alpha, gamma = (
        plain(node.attributes.get(key, usual)) for key, usual in zip(("alpha", "gamma"), _SELU, strict=True)
    )
    return (builder.emit(_aten.elu.default, builder.at(node, 0), alpha, gamma).index,)


@lowering("Mish", 18)
def lower_mish(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``x · tanh(softplus(x))``."""
    return (builder.emit(_aten.mish.default, builder.at(node, 0)).index,)


@lowering("Swish", 24)
def lower_swish(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """``x · sigmoid(x)`` under its own name; with another slope the kernel computes it."""
    if node.attributes.get("alpha", 1.0) != 1.0:
        return None
    return (builder.emit(_aten.silu.default, builder.at(node, 0)).index,)


@operator("Swish", 24)
def swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """``x · sigmoid(alpha · x)``."""
    return x * torch.sigmoid(x * alpha)


@operator("SwiGLU", 28)
def swiglu(gate: Tensor, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """``swish(gate) · x``."""
    return swish(gate, alpha=alpha) * x


@operator("Celu", 12)
def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """``max(0, x) + min(0, alpha (e^(x / alpha) − 1))``."""
    return F.celu(x, alpha)


@operator("Softplus")
def softplus(x: Tensor) -> Tensor:
    """``ln(1 + eˣ)``; beyond 40 it is x in float64 too."""
    return F.softplus(x, threshold=40.0)


@operator("Softsign")
def softsign(x: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return F.softsign(x)


@operator("ThresholdedRelu", 10)
def thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """``x`` above the threshold, else zero."""
    return torch.where(x > alpha, x, 0)


@operator("Shrink", 9)
def shrink(x: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    """Values moved by ``bias`` towards zero, and zero between ``-lambd`` and ``lambd``."""
    moved = torch.where(x < -lambd, x + bias, torch.where(x > lambd, x - bias, 0))
    return moved.to(x.dtype)


@lowering("LogSoftmax", 13)
def lower_log_softmax(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """The logarithm of a softmax along one axis."""
    return (builder.emit(_aten.log_softmax.int, builder.at(node, 0), node.attributes.get("axis", -1)).index,)


@operator("LogSoftmax")
def log_softmax_flat(x: Tensor, *, axis: int = 1) -> Tensor:
    """The logarithm of a softmax over all axes from ``axis`` on, taken as one (before opset 13)."""
    start = axis % x.dim() if x.dim() else 0
    return F.log_softmax(x.flatten(start), start).reshape(x.shape)


@operator("Hardmax", 13)
def hardmax(x: Tensor, *, axis: int = -1) -> Tensor:
    """One at the first of the largest values along an axis, zero elsewhere."""
    return torch.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1)


@operator("Hardmax")
def hardmax_flat(x: Tensor, *, axis: int = 1) -> Tensor:
    """One at the first of the largest values over all axes from ``axis`` on, taken as one (before opset 13)."""
    start = axis % x.dim() if x.dim() else 0
    return hardmax(x.flatten(start), axis=start).reshape(x.shape)
