"""From stored bytes to values, and to the statistics that suit their type."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.doors.stored import Kind, Piece
from qdebug.formats import FORMATS, Float
from qdebug.measure.stream import CodeStats, FloatStats
from qdebug.quantize.ggml import dequantize

_WHOLE = {
    "i8": np.int8, "u8": np.uint8, "bool": np.uint8, "i16": np.int16, "u16": np.uint16, "i32": np.int32,
    "u32": np.uint32, "i64": np.int64, "u64": np.uint64,
}  # fmt: skip
_TORCH = {"bf16": torch.bfloat16, "f16": torch.float16}
_CODED = {1: np.uint8, 2: np.uint16}


class Values:
    """Reads one tensor's pieces.

    Args:
        kind: how its elements are stored; one that can be read.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        reals = _reals(kind)
        self._table = None if reals is None else torch.from_numpy(reals).float()
        self._room: Tensor | None = None
        self.stats = FloatStats() if reals is None else CodeStats(reals)

    def look(self, piece: Piece) -> None:
        """Take a piece into the statistics."""
        if isinstance(self.stats, CodeStats):
            self.stats.add(piece.raw.view(_CODED[self._kind.width]))
        else:
            self.stats.add(self._floats(piece).reshape(-1))

    def matrix(self, piece: Piece) -> Tensor:
        """The values of a piece as float32 ``[rows, columns]``, valid until the next; float64 is rounded."""
        if self._kind.name in _TORCH:
            if self._room is None or len(self._room) < piece.rows * piece.columns:
                self._room = torch.empty(piece.rows * piece.columns)
            halves = torch.from_numpy(piece.raw.view(np.int16)).view(_TORCH[self._kind.name])
            flat = self._room[: len(halves)].copy_(halves)
        elif self._table is not None:
            flat = self._table[torch.from_numpy(piece.raw).long()]
        else:
            with np.errstate(over="ignore"):
                flat = torch.from_numpy(self._floats(piece).astype(np.float32, copy=False))
        return flat.view(piece.rows, piece.columns)

    def _floats(self, piece: Piece) -> NDArray[np.float32] | NDArray[np.float64]:
        """The values of what has too many codes to count them: float32, or float64 where the type is neither."""
        name = self._kind.name
        if name == "f32":
            return piece.raw.view("<f4")
        if name == "f64":
            return piece.raw.view("<f8")
        if name in _WHOLE:
            return piece.raw.view(_WHOLE[name]).astype(np.float64)
        return dequantize(torch.from_numpy(piece.raw).view(piece.rows, -1), name).numpy()


def _reals(kind: Kind) -> NDArray[np.float64] | None:
    """The real of each code of a type that has at most 2¹⁶ of them and stores values one by one."""
    if kind.block > 1 or kind.width > 2:
        return None
    codes = np.arange(1 << 8 * kind.width, dtype=_CODED[kind.width])
    with np.errstate(invalid="ignore"):  # signalling NaNs
        if kind.name == "bf16":
            return (codes.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        if kind.name == "f16":
            return codes.view(np.float16).astype(np.float64)
    if kind.name in _WHOLE:
        return codes.view(_WHOLE[kind.name]).astype(np.float64)
    form = FORMATS[kind.name]
    assert isinstance(form, Float)
    return form.decode(codes)
