"""llama.cpp's block formats Q4_0, Q4_1, Q5_0, Q8_0, Q4_K and Q6_K, bit for bit.

Source of layouts and arithmetic: ``ggml-common.h`` and the ``quantize_row_*_ref`` and ``dequantize_row_*`` functions of
``ggml-quants.c`` (ggml-org/llama.cpp, ggml 0.25). All arithmetic is float32, one rounding an operation. The codes are
found with the unrounded scale, and only then is the scale stored, in half precision; the K-quants, which find their
last codes with the stored scale, are in :mod:`qdebug.quantize.ggml.kquants`.

Where C leaves a conversion undefined (a scale so small that its reciprocal is infinite), the code is what x86 gives.
A scale beyond the largest half, 65504, is stored as infinity, as ggml does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.quantize.ggml import kquants
from qdebug.quantize.ggml.kquants import Bytes, Floats, Unpacked, half, half_bytes, nibbles

_CHUNK = 1 << 18
"""Values treated at once. Temporaries of that size stay in the cache and, all together, far below 64 MB."""


@dataclass(frozen=True, eq=False)
class GgufBlocks:
    """A matrix in one of llama.cpp's block formats.

    Attributes:
        codes: ``[R, C]`` int8, the integers that the scale multiplies: −8 … 7 for q4_0, −16 … 15 for q5_0, −128 … 127
            for q8_0, −32 … 31 for q6_k, 0 … 15 for q4_1 and q4_k.
        scale: ``[R, C / size]`` float32: the stored d, or for K-quants d times the sub-block's own scale.
        offset: ``[R, C / size]`` float32, added after scaling: m for q4_1, −dmin · m for q4_k, and −0.0 for the others
            (adding −0.0 leaves every float as it is; +0.0 would turn −0.0 into 0.0).
        size: values a scale serves: 32, or 16 for q6_k.
        packed: ``[R, bytes]`` uint8, the row as it lies in a GGUF file.
    """

    codes: Tensor
    scale: Tensor
    offset: Tensor
    size: int
    packed: Tensor

    def values(self) -> Tensor:
        """``codes · scale + offset``, ``[R, C]`` float32: exactly what ggml's ``dequantize_row_*`` give."""
        values = self.codes.to(torch.float32)
        blocks = values.view(*self.scale.shape, self.size)
        blocks.mul_(self.scale.unsqueeze(2)).add_(self.offset.unsqueeze(2))
        return values


class _Format(NamedTuple):
    """How one format is packed; ``n`` blocks of ``block`` values fill ``n`` rows of ``width`` bytes."""

    block: int
    width: int
    size: int
    pack: Callable[[Floats], Bytes]
    unpack: Callable[[Bytes], Unpacked]


def encode(x: Tensor, name: str) -> GgufBlocks:
    """Quantize a matrix as llama.cpp's reference quantizer does.

    Args:
        x: ``[R, C]`` float32, finite, C a multiple of the format's block (32; 256 for K-quants); any strides.
        name: ``q4_0``, ``q4_1``, ``q5_0``, ``q8_0``, ``q4_k`` or ``q6_k``, in either case.

    Raises:
        ValueError: An unknown name, or a matrix that does not satisfy the above.
    """
    fmt = _named(name)
    if x.dim() != 2 or x.dtype != torch.float32:
        raise ValueError(f"{name} encodes a float32 matrix, not {x.dtype} of shape {tuple(x.shape)}.")
    if x.shape[1] % fmt.block:
        raise ValueError(f"{name} needs rows of a multiple of {fmt.block} values, not {x.shape[1]}.")
    rows, count = x.shape[0], x.shape[1] // fmt.block
    packed = torch.empty(rows, count * fmt.width, dtype=torch.uint8)
    for part, blocks in _chunks(rows, count, fmt.block):
        piece = x.detach()[part, _run(blocks, fmt.block)].cpu().contiguous().numpy().reshape(-1, fmt.block)
        if not np.isfinite(piece).all():
            raise ValueError(f"{name} has no codes for NaN and infinity, and the matrix holds some.")
        with np.errstate(all="ignore"):  # tiny and huge values make infinities that ggml computes with, too
            done = torch.from_numpy(fmt.pack(piece))
        packed[part, _run(blocks, fmt.width)] = done.view(part.stop - part.start, -1)
    return decode(packed.to(x.device), name)


def decode(packed: Tensor, name: str) -> GgufBlocks:
    """Read the bytes of a GGUF tensor, ``[R, bytes]`` uint8, in the format ``name`` (see :func:`encode`).

    Raises:
        ValueError: An unknown name, bytes of another dtype, or a row that is not a whole number of blocks.
    """
    fmt = _named(name)
    if packed.dim() != 2 or packed.dtype != torch.uint8 or packed.shape[1] % fmt.width:
        found = f"{packed.dtype} of shape {tuple(packed.shape)}"
        raise ValueError(f"{name} decodes a uint8 matrix with rows of a multiple of {fmt.width} bytes, not {found}.")
    rows, count = packed.shape[0], packed.shape[1] // fmt.width
    codes = torch.empty(rows, count * fmt.block, dtype=torch.int8)
    scale = torch.empty(rows, count * (fmt.block // fmt.size))
    offset = torch.empty_like(scale)
    for part, blocks in _chunks(rows, count, fmt.block):
        piece = packed[part, _run(blocks, fmt.width)].cpu().contiguous().numpy().reshape(-1, fmt.width)
        with np.errstate(all="ignore"):  # an infinite or NaN scale gives NaN, as in C
            found = fmt.unpack(piece)
        for whole, done in zip((codes, scale, offset), found, strict=True):
            whole[part, _run(blocks, done.shape[1])] = torch.from_numpy(done).view(part.stop - part.start, -1)
    device = packed.device
    return GgufBlocks(codes.to(device), scale.to(device), offset.to(device), fmt.size, packed)


def _named(name: str) -> _Format:
    if name.lower() not in _FORMATS:
        raise ValueError(f"{name} is not one of the block formats {', '.join(_FORMATS)}.")
    return _FORMATS[name.lower()]


def _chunks(rows: int, count: int, block: int) -> Iterator[tuple[slice, slice]]:
    """Rectangles of rows and blocks, of at most :data:`_CHUNK` values, that cover ``rows`` rows of ``count`` blocks."""
    wide = min(count, _CHUNK // block)
    high = _CHUNK // (wide * block) if wide else 1
    for row in range(0, rows if count else 0, high):
        for start in range(0, count, wide):
            yield slice(row, min(row + high, rows)), slice(start, min(start + wide, count))


def _run(blocks: slice, width: int) -> slice:
    return slice(blocks.start * width, blocks.stop * width)


# ------------------------------------------------------------------------------------------------- the simple formats


def _inverse(d: Floats) -> Floats:
    """``1 / d``, and 0 where d is 0; ``[n, 1]``."""
    return np.where(d != 0, np.float32(1) / d, np.float32(0))


def _truncated(t: Floats, inverse: Floats, highest: int) -> NDArray[np.uint8]:
    """Codes from values not below 0: the fraction dropped, at most ``highest``; 0 where the product is not finite.

    ggml converts to int8, which C leaves undefined for infinity and NaN; on x86 these become 0.
    """
    if not np.isfinite(inverse).all() or not inverse.all():
        t = np.where(np.isfinite(t), t, np.float32(0))
    return np.minimum(t.astype(np.uint8), np.uint8(highest))


def _extreme(x: Floats) -> Floats:
    """The value of the largest magnitude of each block, the first of several, 0.0 for a block of zeros; ``[n, 1]``."""
    peak = np.take_along_axis(x, np.abs(x).argmax(axis=1, keepdims=True), axis=1)
    return np.where(peak == 0, np.float32(0), peak)


def _joined(q: NDArray[np.uint8]) -> Bytes:
    """Two codes a byte: value j in the low nibble, value j + 16 in the high one."""
    return (q[:, :16] & 15) | (q[:, 16:] << 4)


def _constant(d: Floats) -> Floats:
    return np.full_like(d, -0.0)


def _pack_q4_0(x: Floats) -> Bytes:
    d = _extreme(x) / np.float32(-8)
    inverse = _inverse(d)
    q = _truncated(x * inverse + np.float32(8.5), inverse, 15)
    return np.concatenate([half_bytes(d), _joined(q)], axis=1)


def _unpack_q4_0(packed: Bytes) -> Unpacked:
    d = half(packed[:, :2])
    return nibbles(packed[:, 2:]).view(np.int8) - np.int8(8), d, _constant(d)


def _pack_q4_1(x: Floats) -> Bytes:
    # The first of equal values, so that of 0.0 and −0.0 the one that comes first is stored.
    low = np.take_along_axis(x, x.argmin(axis=1, keepdims=True), axis=1)
    high = np.take_along_axis(x, x.argmax(axis=1, keepdims=True), axis=1)
    d = (high - low) / np.float32(15)
    inverse = _inverse(d)
    q = _truncated((x - low) * inverse + np.float32(0.5), inverse, 15)
    return np.concatenate([half_bytes(d), half_bytes(low), _joined(q)], axis=1)


def _unpack_q4_1(packed: Bytes) -> Unpacked:
    return nibbles(packed[:, 4:]).view(np.int8), half(packed[:, :2]), half(packed[:, 2:4])


def _pack_q5_0(x: Floats) -> Bytes:
    d = _extreme(x) / np.float32(-16)
    inverse = _inverse(d)
    q = _truncated(x * inverse + np.float32(16.5), inverse, 31)
    fifth = np.packbits(q >> 4, axis=1, bitorder="little")
    return np.concatenate([half_bytes(d), fifth, _joined(q)], axis=1)


def _unpack_q5_0(packed: Bytes) -> Unpacked:
    d = half(packed[:, :2])
    fifth = np.unpackbits(packed[:, 2:6], axis=1, bitorder="little") << 4
    return (nibbles(packed[:, 6:]) | fifth).view(np.int8) - np.int8(16), d, _constant(d)


def _pack_q8_0(x: Floats) -> Bytes:
    d = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    inverse = _inverse(d)
    t = x * inverse
    if not np.isfinite(inverse).all():
        t = np.where(np.isfinite(t), t, np.float32(0))
    whole = np.trunc(t)
    whole += np.trunc((t - whole) * np.float32(2))  # C's roundf: halves away from zero; both steps are exact
    return np.concatenate([half_bytes(d), whole.astype(np.int8).view(np.uint8)], axis=1)


def _unpack_q8_0(packed: Bytes) -> Unpacked:
    d = half(packed[:, :2])
    return np.ascontiguousarray(packed[:, 2:]).view(np.int8), d, _constant(d)


_FORMATS = {
    "q4_0": _Format(32, 18, 32, _pack_q4_0, _unpack_q4_0),
    "q4_1": _Format(32, 20, 32, _pack_q4_1, _unpack_q4_1),
    "q5_0": _Format(32, 22, 32, _pack_q5_0, _unpack_q5_0),
    "q8_0": _Format(32, 34, 32, _pack_q8_0, _unpack_q8_0),
    "q4_k": _Format(256, 144, 32, kquants.pack_q4_k, kquants.unpack_q4_k),
    "q6_k": _Format(256, 210, 16, kquants.pack_q6_k, kquants.unpack_q6_k),
}
