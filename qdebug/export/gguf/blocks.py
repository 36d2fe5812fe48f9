"""A tensor as the bytes of a GGUF file: such that, read again, it has the values that were computed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from qdebug.doors.checkpoints import StoredLinear
from qdebug.export.checkpoints.linears import decided_linear
from qdebug.export.checkpoints.scales import exponents
from qdebug.formats import Gguf, find
from qdebug.quantize import QParams, quantize_weight, rows
from qdebug.quantize.ggml import dequantize, encode
from qdebug.quantize.ggml.packing import BLOCK, LIMITS, pack_codes, pack_mxfp4
from qdebug.session.decided import DecidedLayer

_SHORT = {torch.bfloat16: "bf16", torch.float16: "f16"}


@dataclass(frozen=True)
class Packed:
    """A tensor's bytes.

    Attributes:
        content: ``[R, bytes]`` uint8 for block formats, else the values.
        kind: the name of the type: a block format, ``f32``, ``f16`` or ``bf16``.
    """

    content: Tensor
    kind: str

    def in_order(self, order: Tensor | None) -> Packed:
        """With rows in another order; blocks lie within rows."""
        return self if order is None else Packed(self.content[order], self.kind)


def simulated(layer: DecidedLayer) -> Tensor:
    """The weight that was computed with, float32 ``[out, in]``."""
    if layer.rounded is not None:
        values = layer.rounded.values
    else:
        values = quantize_weight(layer.values, layer.weight.plan, layer.layer.out_axis, grid=layer.weight.grid)[0]
    return rows(values, layer.layer.out_axis).float()


def packed_layer(layer: DecidedLayer) -> Packed | None:
    """A layer's quantized weight in a block format; None where none holds its values."""
    values = simulated(layer)
    for kind, content in _tried(layer):
        if torch.equal(dequantize(content, kind), values):
            return Packed(content, kind)
    return None


def packed_floats(values: Tensor, own: torch.dtype | None = None) -> Packed:
    """Numbers as they are: vectors in float32, matrices in the shortest type that all of them are exact in.

    Args:
        values: of any number of axes.
        own: the type that the folder has them in, which is tried first.
    """
    if values.dim() > 1:
        for dtype in sorted(_SHORT, key=lambda one: one != own):
            short = values.to(dtype)
            if torch.equal(short.float(), values.float()):
                return Packed(short, _SHORT[dtype])
    return Packed(values.float(), "f32")


def _tried(layer: DecidedLayer) -> Iterator[tuple[str, Tensor]]:
    """Ways to store a layer's weight, each to be looked at once more."""
    form = find(layer.weight.plan.format)
    if isinstance(form, Gguf):
        matrix = rows(layer.values, layer.layer.out_axis).float()
        if layer.rounded is None and matrix.shape[1] % form.size == 0 and bool(torch.isfinite(matrix).all()):
            yield form.name, encode(matrix, form.name).packed
        return
    stored = decided_linear(layer) if layer.weight.plan.rank == 0 else None
    if stored is None or stored.shape[1] % BLOCK:
        return
    if form.name == "mxfp4":
        yield "mxfp4", pack_mxfp4(stored.codes, exponents(stored.grid.scale))
    elif isinstance(stored.grid, QParams) and stored.is_symmetric:
        yield from _integers(stored, stored.grid)


def _integers(stored: StoredLinear, grid: QParams) -> Iterator[tuple[str, Tensor]]:
    """The smallest format that has the codes, with a scale for each block of 32."""
    size = grid.group_size or stored.shape[1]
    if size % BLOCK:
        return
    count = stored.shape[1] // BLOCK
    scale = grid.scale.reshape(-1, 1) if grid.scale.dim() == 0 else grid.scale
    scale = scale.expand(len(stored.codes), -1).repeat_interleave(size // BLOCK, dim=1)[:, :count].contiguous()
    if not torch.equal(scale.half().float(), scale):
        return
    for kind, (low, high) in LIMITS.items():
        if low <= grid.qmin and grid.qmax <= high:
            yield kind, pack_codes(stored.codes, scale, kind)
            return
