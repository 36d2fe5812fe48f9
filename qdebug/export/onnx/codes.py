"""A quantized weight as codes, scales and zero points that DequantizeLinear reads back to the very same numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from onnx import TensorProto
from torch import Tensor

from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.tensors import FLOAT8, OF_FOUR_BITS, bits_of, integer, tensor
from qdebug.formats import Float
from qdebug.quantize import Grid, LevelGrid, QParams, from_rows, rows


@dataclass(frozen=True)
class Coded:
    """A tensor for DequantizeLinear.

    Attributes:
        elem: element type of the codes.
        codes: integers, or for float types their values; as they are stored.
        scale: float32, ``[]``, ``[n]`` along ``axis``, or for blocks of the rank of the codes.
        zero_point: of the same shape; None where it is zero for all blocks.
        axis: what several scales lie along; None for one scale.
        block: values per block along ``axis``; 0 without blocks.
        shape: what the result must be given behind; None where the codes have it.
        order: axes to be exchanged behind that, or None.
    """

    elem: int
    codes: Tensor
    scale: Tensor
    zero_point: Tensor | None
    axis: int | None = None
    block: int = 0
    shape: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None

    @property
    def opset(self) -> int:
        """The oldest opset whose DequantizeLinear reads it (ONNX, changelog of the operator)."""
        if self.block or self.elem in OF_FOUR_BITS or self.elem in (TensorProto.INT16, TensorProto.UINT16):
            return 21
        if self.elem in FLOAT8.values():
            return 19
        return 10 if self.axis is None else 13

    @property
    def bits(self) -> int:
        """Bits of a stored code."""
        return bits_of(self.elem)

    def write(self, editor: Editor, name: str, base: str) -> None:
        """Add what computes the value ``name``; new names are made of ``base``."""
        parts = [editor.store(tensor(editor.fresh(f"{base}/quantized"), self.codes, self.elem))]
        parts.append(editor.store(tensor(editor.fresh(f"{base}/scale"), self.scale)))
        if self.zero_point is not None:
            parts.append(editor.store(tensor(editor.fresh(f"{base}/zero_point"), self.zero_point, self.elem)))
        attributes = {} if self.axis is None else {"axis": self.axis}
        if self.block:
            attributes["block_size"] = self.block
        if self.shape is None:
            editor.add("DequantizeLinear", parts, name, **attributes)
            return
        matrix = editor.add("DequantizeLinear", parts, editor.fresh(f"{base}/rows"), **attributes)
        sizes = editor.store(tensor(editor.fresh(f"{base}/shape"), torch.tensor(self.shape), TensorProto.INT64))
        shaped = name if self.order is None else editor.fresh(f"{base}/shaped")
        editor.add("Reshape", [matrix, sizes], shaped)
        if self.order is not None:
            editor.add("Transpose", [shaped], name, perm=list(self.order))


def coded(values: Tensor, grid: Grid | None, out_axis: int) -> Coded | None:
    """A quantized weight as codes, or None where ONNX has no type or no arrangement of scales for it.

    Args:
        values: the weight after quantization, as it lies in the model.
        grid: what it was rounded to; ``[]``, ``[out, 1]`` or ``[out, groups]``.
        out_axis: its axis of output channels.
    """
    found = _elem(grid)
    if found is None or grid is None:
        return None
    matrix = rows(values.contiguous(), out_axis).float()
    size = grid.group_size or max(matrix.shape[1], 1)
    scale = _spread(grid.scale, matrix, size)
    zero = _spread(grid.zero_point, matrix, size) if isinstance(grid, QParams) else torch.zeros(())
    whole = matrix / scale + zero
    codes = torch.round(whole) if isinstance(grid, QParams) else whole.to(_TORCH8[found]).float()
    if not torch.equal((codes - zero) * scale, matrix):
        return None  # whoever rounded it had a rule of his own
    zero_point = grid.zero_point if isinstance(grid, QParams) else torch.zeros_like(grid.scale)
    return _arranged(found, codes, grid.scale, zero_point, size, values, out_axis)


def coded_bias(codes: Tensor, scale: Tensor) -> Coded:
    """An int32 bias ``[out]`` with its scale ``[]`` or ``[out]``."""
    return Coded(TensorProto.INT32, codes, scale, torch.zeros_like(scale), 0 if scale.dim() else None)


_TORCH8: dict[int, torch.dtype] = {
    TensorProto.FLOAT8E4M3FN: torch.float8_e4m3fn, TensorProto.FLOAT8E5M2: torch.float8_e5m2,
    TensorProto.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz, TensorProto.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
}  # fmt: skip


def _elem(grid: Grid | None) -> int | None:
    if isinstance(grid, QParams):
        found = integer(grid.qmin, grid.qmax)
        return found[0] if found else None
    if isinstance(grid, LevelGrid) and isinstance(grid.form, Float) and grid.offset is None:
        return FLOAT8.get(grid.form.name)
    return None


def _spread(part: Tensor, matrix: Tensor, size: int) -> Tensor:
    """Scales ``[R, G]`` as one for every value of ``[R, C]``."""
    if part.dim() == 0 or part.shape[1] == 1:
        return part
    return part.repeat_interleave(size, dim=1)[:, : matrix.shape[1]]


def _arranged(
    elem: int, codes: Tensor, scale: Tensor, zero_point: Tensor, size: int, like: Tensor, out_axis: int
) -> Coded:
    """Codes ``[R, C]`` and scales as DequantizeLinear wants them for a tensor like ``like``."""
    if scale.numel() == 1 and scale.dim() == 0:
        return Coded(elem, from_rows(codes, like, out_axis), scale, zero_point)
    if scale.shape[1] == 1:
        return Coded(elem, from_rows(codes, like, out_axis), scale.reshape(-1), zero_point.reshape(-1), out_axis)
    kept = zero_point if bool(torch.any(zero_point)) else None
    moved = like.movedim(out_axis, 0).shape
    wide = [axis for axis, length in enumerate(moved) if axis and length > 1]
    if len(wide) > 1:  # blocks run through several axes
        order = None if out_axis == 0 else (*range(1, out_axis + 1), 0, *range(out_axis + 1, like.dim()))
        return Coded(elem, codes, scale, kept, 1, size, tuple(moved), order)
    full = [1] * like.dim()
    full[0], full[wide[0]] = scale.shape

    def laid(part: Tensor) -> Tensor:
        return part.reshape(full).movedim(0, out_axis)

    axis = wide[0] - 1 if wide[0] <= out_axis else wide[0]
    return Coded(elem, from_rows(codes, like, out_axis), laid(scale), None if kept is None else laid(kept), axis, size)
