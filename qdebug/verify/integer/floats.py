"""Float operators between integer kernels, with the last bit of ONNX Runtime's.

A number that differs in its last bit falls on the other side of a tie now and then: one code differs, and the layers
behind it make many of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.ir import Attribute, Node
from qdebug.doors.onnx.ops.activations import layer_norm
from qdebug.doors.onnx.ops.normalizations import rms_norm
from qdebug.doors.onnx.registry import operator
from qdebug.quantize import integer
from qdebug.verify.integer.draft import OWN, same_node
from qdebug.verify.integer.kernels import DOMAIN

FLOATS = frozenset({
    "Erf", "Gelu", "LayerNormalization", "RMSNormalization", "Sigmoid", "SimplifiedLayerNormalization", "Softmax",
    "Tanh",
})  # fmt: skip
"""What is computed here."""


def as_the_runtime(node: Node, opset: int) -> Node | None:
    """A float operator with the runtime's arithmetic, where it is known."""
    if node.op not in FLOATS or node.domain not in OWN or any(node.outputs[1:]):
        return None
    attributes: dict[str, Attribute] = dict(node.attributes)
    if node.op == "Softmax":
        attributes["opset"] = opset
    return same_node(node, domain=DOMAIN, outputs=node.outputs[:1], attributes=attributes)


def lanes() -> int:
    """How many float32 numbers this processor adds side by side in a softmax: 16 with AVX-512, else 8."""
    return 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8


@operator("LayerNormalization", domain=DOMAIN)
def layer_normalization(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    """A normalization over all axes from ``axis`` on."""
    width = _width(x, axis)
    if not _fits(x, scale, width) or (bias is not None and not _fits(x, bias, width)):
        found = layer_norm(x, scale, bias, axis=axis, epsilon=epsilon, stash_type=stash_type, outputs=[True])
        assert isinstance(found, Tensor)
        return found
    row = None if bias is None else bias.reshape(-1)
    return integer.layer_norm(x.reshape(-1, width), scale.reshape(-1), row, epsilon).reshape(x.shape)


@operator("RMSNormalization", domain=DOMAIN)
@operator("SimplifiedLayerNormalization", domain=DOMAIN)
def rms_normalization(
    x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:  # fmt: skip
    """A normalization by the root of the mean square over all axes from ``axis`` on."""
    width = _width(x, axis)
    if not _fits(x, scale, width):
        return rms_norm(x, scale, axis=axis, epsilon=epsilon, stash_type=stash_type)
    return integer.rms_norm(x.reshape(-1, width), scale.reshape(-1), epsilon).reshape(x.shape)


@operator("Softmax", domain=DOMAIN)
def softmax(x: Tensor, *, axis: int | None = None, opset: int = 13) -> Tensor:
    """A softmax along one axis; before opset 13 over all axes from ``axis`` on, taken as one."""
    flat = opset < 13
    start = (1 if flat else -1) if axis is None else axis
    rows = x.reshape(*x.shape[: start % x.dim()], -1) if flat else x.movedim(start, -1)
    known = x.dtype == torch.float32 and x.numel() > 0
    found = integer.float_softmax(rows, lanes()) if known else F.softmax(rows, -1)
    return found.reshape(x.shape) if flat else found.movedim(-1, start)


@operator("Gelu", domain=DOMAIN)
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """``x`` times the normal distribution's integral up to x, exact or by tanh."""
    if x.dtype != torch.float32:
        return F.gelu(x, approximate=approximate)
    return integer.gelu_by_tanh(x) if approximate == "tanh" else integer.gelu(x)


def _register_function(name: str, ours: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor]) -> None:
    @operator(name, domain=DOMAIN)
    def function(x: Tensor) -> Tensor:
        return ours(x) if x.dtype == torch.float32 else other(x)


_register_function("Erf", integer.erf, torch.erf)
_register_function("Sigmoid", integer.logistic, torch.sigmoid)
_register_function("Tanh", integer.tanh, torch.tanh)


def _width(x: Tensor, axis: int) -> int:
    return math.prod(x.shape[axis % x.dim() :]) if x.dim() else 0


def _fits(x: Tensor, row: Tensor, width: int) -> bool:
    """Whether a normalization of x by a row of this size is one that is known."""
    return x.dtype == row.dtype == torch.float32 and row.numel() == width > 0
