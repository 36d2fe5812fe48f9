"""Fused operators of ONNX Runtime's own domain, com.microsoft, taken apart into the layers they are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.ops.contrib_codes import MICROSOFT, weight_of_nbits
from qdebug.doors.onnx.ops.layers import embedding, lower_conv, lower_gemm
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.errors import ModelError
from qdebug.graph.program import Ref

_aten = torch.ops.aten


def _activated(builder: Builder, node: Node, ref: Ref, parameters: tuple[float, ...]) -> Ref:
    """The activation that a fused operator names, behind it."""
    name = node.attributes.get("activation", "")
    plain_ones: dict[object, Any] = {
        "": None, "Relu": _aten.relu.default, "Tanh": _aten.tanh.default, "Sigmoid": _aten.sigmoid.default,
        "HardSwish": _aten.hardswish.default,
    }  # fmt: skip
    if name in plain_ones:
        return ref if plain_ones[name] is None else builder.emit(plain_ones[name], ref)
    if name == "LeakyRelu":
        return builder.emit(_aten.leaky_relu.default, ref, *parameters[:1])
    if name == "Clip":
        return builder.emit(_aten.clamp.default, ref, *parameters[:2])
    if name == "HardSigmoid":
        scaled = builder.emit(_aten.mul.Tensor, ref, parameters[0])
        return builder.emit(_aten.clamp.default, builder.emit(_aten.add.Tensor, scaled, parameters[1]), 0, 1)
    raise ModelError(
        f"{node.title} has an activation '{name}' that is not known", layer=node.name,
        do="Export the model without graph optimizations of that level.",
    )  # fmt: skip


@lowering("FusedConv", domain=MICROSOFT)
def lower_fused_conv(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A convolution, a sum with another tensor, and an activation."""
    found = lower_conv(builder, node)
    if found is None:
        return None
    ref, other = Ref(found[0]), builder.at(node, 3)
    if other is not None:
        ref = builder.emit(_aten.add.Tensor, ref, other)
    parameters = tuple(float(one) for one in node.attributes.get("activation_params", ()))  # type: ignore[arg-type,union-attr]
    return (_activated(builder, node, ref, parameters).index,)


@lowering("FusedGemm", domain=MICROSOFT)
def lower_fused_gemm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A linear layer and an activation."""
    found = lower_gemm(builder, node)
    if found is None:
        return None
    parameters = tuple(float(node.attributes.get(f"activation_{one}", 0.0)) for one in ("alpha", "beta"))  # type: ignore[arg-type]
    return (_activated(builder, node, Ref(found[0]), parameters).index,)


@lowering("FusedMatMul", domain=MICROSOFT)
def lower_fused_matmul(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A matrix product, where nothing is scaled and the first factor is as it is; else the kernel computes it."""
    attributes = node.attributes
    if attributes.get("alpha", 1.0) != 1.0 or any(
        attributes.get(one) for one in ("transA", "transBatchA", "transBatchB")
    ):
        return None
    a, b = builder.at(node, 0), builder.at(node, 1)
    if not attributes.get("transB", 0):
        return (builder.emit(_aten.matmul.default, a, b).index,)
    known = builder.constant(node, 1)
    return (builder.emit(_aten.linear.default, a, b).index,) if known is not None and known.dim() == 2 else None


@operator("FusedMatMul", domain=MICROSOFT)
def fused_matmul(
    a: Tensor, b: Tensor, *, alpha: float = 1.0, transA: int = 0, transB: int = 0, transBatchA: int = 0,  # noqa: N803
    transBatchB: int = 0,  # noqa: N803
) -> Tensor:  # fmt: skip
    """``alpha · a b`` with either factor transposed, or its first axis taken for that of rows."""
    first, second = (x.movedim(0, -2) if batch else x for x, batch in ((a, transBatchA), (b, transBatchB)))
    first = first.transpose(-1, -2) if transA and a.dim() > 1 else first
    return first @ (second.transpose(-1, -2) if transB and b.dim() > 1 else second) * alpha


def _gelu(builder: Builder, node: Node, approximate: str) -> tuple[int, ...]:
    x, bias = builder.at(node, 0), builder.at(node, 1)
    if bias is not None:
        x = builder.emit(_aten.add.Tensor, x, bias)
    return (builder.emit(_aten.gelu.default, x, approximate=approximate).index,)


@lowering("Gelu", domain=MICROSOFT)
@lowering("BiasGelu", domain=MICROSOFT)
def lower_gelu(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """An exact GELU, of a sum where there is a bias."""
    return _gelu(builder, node, "none")


@lowering("FastGelu", domain=MICROSOFT)
def lower_fast_gelu(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A GELU by tanh, of a sum where there is a bias."""
    return _gelu(builder, node, "tanh")


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(x: Tensor, *, alpha: float = 1.702) -> Tensor:
    """``x · sigmoid(alpha · x)``."""
    return x * torch.sigmoid(alpha * x)


def _asked(node: Node, *places: int) -> bool:
    return any(place < len(node.outputs) and node.outputs[place] for place in places)


def _epsilon(node: Node, default: float) -> float:
    return float(plain(node.attributes.get("epsilon", default)))  # type: ignore[arg-type]


def _width(builder: Builder, node: Node, place: int) -> list[int] | None:
    scale = builder.constant(node, place)
    return None if scale is None else list(scale.shape)


@lowering("SimplifiedLayerNormalization")
@lowering("SimplifiedLayerNormalization", domain=MICROSOFT)
def lower_simplified_layer_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A normalization by the root of the mean square over the last axis."""
    width = _width(builder, node, 1)
    if width is None or _asked(node, 1) or node.attributes.get("axis", -1) != -1:
        return None
    x, scale = builder.at(node, 0), builder.at(node, 1)
    return (builder.emit(_aten.rms_norm.default, x, width, scale, _epsilon(node, 1e-5)).index,)


def _summed(builder: Builder, *parts: Ref | None) -> Ref:
    total, *rest = (part for part in parts if part is not None)
    for part in rest:
        total = builder.emit(_aten.add.Tensor, total, part)
    return total


@lowering("SkipLayerNormalization", domain=MICROSOFT)
def lower_skip_layer_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A sum and its normalization; the sum is the fourth output."""
    width = _width(builder, node, 2)
    if width is None or _asked(node, 1, 2):
        return None
    total = _summed(builder, builder.at(node, 0), builder.at(node, 1), builder.at(node, 4))
    scale, bias = builder.at(node, 2), builder.at(node, 3)
    found = builder.emit(_aten.layer_norm.default, total, width, scale, bias, _epsilon(node, 1e-12), False)
    return found.index, total.index, total.index, total.index


@lowering("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def lower_skip_simplified_layer_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A sum and its normalization by the root of the mean square; the sum is the fourth output."""
    width = _width(builder, node, 2)
    if width is None or _asked(node, 1, 2):
        return None
    total = _summed(builder, builder.at(node, 0), builder.at(node, 1), builder.at(node, 3))
    found = builder.emit(_aten.rms_norm.default, total, width, builder.at(node, 2), _epsilon(node, 1e-12))
    return found.index, total.index, total.index, total.index


@lowering("EmbedLayerNormalization", domain=MICROSOFT)
def lower_embed_layer_norm(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """Embeddings of words, places and segments, summed and normalized; then, of a mask, how many words count."""
    width = _width(builder, node, 5)
    if width is None:
        return None
    words, places = builder.at(node, 0), builder.at(node, 8)
    if places is None:
        places = builder.emit(_places, words, op="onnx.places")
    parts = [builder.emit(embedding, builder.at(node, 2), words, op="onnx.embedding", part="word")]
    parts.append(builder.emit(embedding, builder.at(node, 3), places, op="onnx.embedding", part="position"))
    segments = builder.at(node, 1)
    if segments is not None:
        parts.append(builder.emit(embedding, builder.at(node, 4), segments, op="onnx.embedding", part="segment"))
    total = _summed(builder, *parts)
    scale, bias = builder.at(node, 5), builder.at(node, 6)
    found = builder.emit(_aten.layer_norm.default, total, width, scale, bias, _epsilon(node, 1e-12), False)
    mask = builder.at(node, 7)
    counted = builder.emit(_counted, words, op="onnx.words", zero=True) if mask is None else builder.emit(
        _counted, mask, op="onnx.words", zero=False)  # fmt: skip
    return found.index, counted.index, total.index


def _places(words: Tensor) -> Tensor:
    return torch.arange(words.shape[1], device=words.device).unsqueeze(0)


def _counted(mask: Tensor, *, zero: bool) -> Tensor:
    """How many words of each row count; none where there is no mask."""
    return torch.zeros_like(mask[:, 0]) if zero else mask.sum(1).to(mask.dtype)


@lowering("MatMulNBits", domain=MICROSOFT)
def lower_matmul_nbits(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A linear layer with its weight unpacked."""
    rows, columns, bits, size = (
        int(node.attributes.get(name, 4))  # type: ignore[arg-type]
        for name in ("N", "K", "bits", "block_size")
    )
    packed, scales, zeros, groups = (builder.at(node, place) for place in (1, 2, 3, 4))
    weight = builder.emit(
        weight_of_nbits, packed, scales, zeros, groups, rows, columns, bits, size, op="onnx.weight_of_nbits",
        name=node.inputs[1],
    )  # fmt: skip
    return (builder.emit(_aten.linear.default, builder.at(node, 0), weight, builder.at(node, 5)).index,)
