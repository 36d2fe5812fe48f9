"""llama.cpp's block formats that are read and not written: Q5_1, Q2_K, Q3_K, Q5_K, IQ4_NL, IQ4_XS and MXFP4.

Source of layouts and arithmetic: ``ggml-common.h`` and the ``dequantize_row_*`` functions of ``ggml-quants.c``
(ggml-org/llama.cpp, ggml 0.25). All arithmetic is float32, one rounding an operation. ``n`` blocks are ``n`` rows of
bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from qdebug.quantize.ggml import gguf
from qdebug.quantize.ggml.kquants import Bytes, Floats, half, nibbles, six_bit_pairs

_CHUNK = 1 << 18
"""Values treated at once."""

_IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
"""The levels of IQ4_NL and IQ4_XS (``kvalues_iq4nl``)."""

_FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)
"""Twice the numbers of FP4 E2M1 (``kvalues_mxfp4``)."""

_PAIRS = np.array([0, 2, 4, 6], np.uint8)


def dequantize(packed: Tensor, name: str) -> Tensor:
    """The values of a GGUF tensor's bytes, exactly what ggml's ``dequantize_row_*`` give.

    Args:
        packed: ``[R, bytes]`` uint8, rows of whole blocks.
        name: a format of :func:`qdebug.quantize.ggml.decode` or of this module, in lower case.

    Returns:
        ``[R, C]`` float32.

    Raises:
        ValueError: an unknown name, or a row that is not a whole number of blocks.
    """
    if name not in _READ:
        return gguf.decode(packed, name).values()
    block, width, unpack = _READ[name]
    rows, nbytes = packed.shape
    if nbytes % width:
        raise ValueError(f"{name} has rows of a multiple of {width} bytes, not {nbytes}.")
    blocks = packed.contiguous().numpy().reshape(-1, width)
    values = np.empty((len(blocks), block), np.float32)
    step = max(1, _CHUNK // block)
    for start in range(0, len(blocks), step):
        with np.errstate(all="ignore"):  # an infinite or NaN scale gives NaN, as in C
            values[start : start + step] = unpack(blocks[start : start + step])
    return torch.from_numpy(values).view(rows, nbytes // width * block)


def _q5_1(packed: Bytes) -> Floats:
    fifth = np.unpackbits(packed[:, 4:8], axis=1, bitorder="little") << 4
    return half(packed[:, :2]) * (nibbles(packed[:, 8:]) | fifth) + half(packed[:, 2:4])


def _q2_k(packed: Bytes) -> Floats:
    """16 bytes of scale and minimum of a sub-block, a nibble each; 64 of codes, four a byte; d, dmin."""
    scales = packed[:, :16]
    step, floor = half(packed[:, 80:82]) * (scales & 15), half(packed[:, 82:84]) * (scales >> 4)
    codes = _quarters(packed[:, 16:80]).reshape(-1, 16, 16)
    return (step[:, :, None] * codes - floor[:, :, None]).reshape(-1, 256)


def _q3_k(packed: Bytes) -> Floats:
    """32 bytes of third bits, 64 of the lower two, 12 of 6-bit scales, d. Without the third bit, 4 goes off."""
    third = (packed[:, None, :32] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    codes = _quarters(packed[:, 32:96]).astype(np.int8) - (4 - 4 * third.reshape(-1, 256).astype(np.int8))
    low = np.concatenate([packed[:, 96:104] & 15, packed[:, 96:104] >> 4], axis=1)
    upper = ((packed[:, None, 104:108] >> _PAIRS[:, None]) & 3).reshape(-1, 16)
    levels = (low | (upper << 4)).astype(np.int8) - np.int8(32)
    step = half(packed[:, 108:]) * levels
    return (step[:, :, None] * codes.reshape(-1, 16, 16)).reshape(-1, 256)


def _q5_k(packed: Bytes) -> Floats:
    """As Q4_K, with 32 bytes of fifth bits before the nibbles: bit i belongs to sub-block i."""
    levels, floors = six_bit_pairs(packed[:, 4:16])
    fifth = (packed[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    codes = nibbles(packed[:, 48:].reshape(-1, 32)).reshape(-1, 8, 32) | (fifth << 4)
    step, floor = half(packed[:, :2]) * levels, half(packed[:, 2:4]) * floors
    return (step[:, :, None] * codes - floor[:, :, None]).reshape(-1, 256)


def _iq4_nl(packed: Bytes) -> Floats:
    return half(packed[:, :2]) * _IQ4[nibbles(packed[:, 2:])]


def _iq4_xs(packed: Bytes) -> Floats:
    """d; two bytes of the upper two bits and four of the lower four of eight scales; codes."""
    upper = packed[:, 2:4].copy().view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16)
    low = np.stack([packed[:, 4:8] & 15, packed[:, 4:8] >> 4], axis=2).reshape(-1, 8)
    levels = (low | ((upper & 3) << 4).astype(np.uint8)).astype(np.int8) - np.int8(32)
    step = half(packed[:, :2]) * levels
    codes = nibbles(packed[:, 8:].reshape(-1, 16)).reshape(-1, 8, 32)
    return (step[:, :, None] * _IQ4[codes]).reshape(-1, 256)


def _mxfp4(packed: Bytes) -> Floats:
    """A power of two of 8 bits, biased by 127; codes. The table's numbers are doubled, so the power is halved."""
    return np.ldexp(np.float32(1), packed[:, :1].astype(np.int32) - 128) * _FP4[nibbles(packed[:, 1:])]


def _quarters(packed: Bytes) -> Bytes:
    """Two-bit codes ``[n, 256]``: each half of the bytes holds four runs of 32, a pair of bits each."""
    return ((packed.reshape(-1, 2, 1, 32) >> _PAIRS[:, None]) & 3).reshape(-1, 256)


_READ: dict[str, tuple[int, int, Callable[[Bytes], Floats]]] = {
    "q5_1": (32, 24, _q5_1), "q2_k": (256, 84, _q2_k), "q3_k": (256, 110, _q3_k), "q5_k": (256, 176, _q5_k),
    "iq4_nl": (32, 18, _iq4_nl), "iq4_xs": (256, 136, _iq4_xs), "mxfp4": (32, 17, _mxfp4),
}  # fmt: skip
