"""llama.cpp's K-quants Q4_K and Q6_K: blocks of 256 values whose sub-blocks have quantized scales of their own.

Source: ``quantize_row_q4_K_ref``, ``quantize_row_q6_K_ref`` and ``dequantize_row_*`` of ``ggml-quants.c``
(ggml-org/llama.cpp, ggml 0.25). Each sub-block's scale (and for Q4_K its minimum) is searched by weighted least squares
over a few first guesses, see :mod:`qdebug.quantize.ggml.search`; these are then quantized themselves, to 6 or 8 bits
with a half-precision scale of the whole block, and the codes are found again with what was stored.

The search compares sums of rounded products. A build of ggml whose compiler fuses multiplications and additions (gcc
does by default where the instruction set allows) may choose otherwise: with ``-march=native`` on an AVX-512 machine, in
6 % of Q4_K's and 0.6 % of Q6_K's gaussian blocks. Builds for plain x86-64, as llama.cpp compiles this file, do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qdebug.quantize.ggml.search import affine_search, nearest_int, symmetric_search

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

Unpacked = tuple[NDArray[np.int8], Floats, Floats]
"""Codes ``[n, values]``, scales and offsets ``[n, sub-blocks]`` of n blocks; see ``GgufBlocks``."""

_SMALLEST = np.float32(1e-15)
"""Below this, all scales of a Q6_K block count as zero."""


def half_bytes(d: Floats) -> Bytes:
    """Scales ``[n, 1]`` as the two bytes of a half, little end first: ``[n, 2]``."""
    return d.astype("<f2").view(np.uint8)


def half(stored: Bytes) -> Floats:
    """The inverse of :func:`half_bytes`."""
    return np.ascontiguousarray(stored).view("<f2").astype(np.float32)


def nibbles(packed: Bytes) -> Bytes:
    """The low halves of all bytes ``[n, B]``, then the high halves: ``[n, 2 · B]``."""
    return np.concatenate([packed & 15, packed >> 4], axis=1)


# ---------------------------------------------------------------------------------------------------------------- Q4_K


def pack_q4_k(x: Floats) -> Bytes:
    """``[n, 256]`` to ``[n, 144]``: d and dmin, eight 6-bit scales and minimums in 12 bytes, 128 bytes of codes."""
    sub = x.reshape(-1, 8, 32)
    scale, least, codes = (part.reshape(len(x), 8, -1) for part in affine_search(x.reshape(-1, 32)))
    d, levels = _six_bits(scale[:, :, 0])
    dmin, floors = _six_bits(least[:, :, 0])
    step = half(half_bytes(d)) * levels
    floor = half(half_bytes(dmin)) * floors
    found = nearest_int((sub + floor[:, :, None]) / step[:, :, None])
    np.clip(found, 0, 15, out=found)
    # With a stored scale of zero the codes of the search stay.
    codes = np.where(step[:, :, None] != 0, found.astype(np.uint8), codes)
    packed = codes[:, 0::2] | (codes[:, 1::2] << 4)
    return np.concatenate([half_bytes(d), half_bytes(dmin), _twelve(levels, floors), packed.reshape(-1, 128)], axis=1)


def unpack_q4_k(packed: Bytes) -> Unpacked:
    """The inverse of :func:`pack_q4_k`'s layout."""
    levels, floors = six_bit_pairs(packed[:, 4:16])
    codes = nibbles(packed[:, 16:].reshape(-1, 32)).reshape(-1, 256)
    return codes.view(np.int8), half(packed[:, :2]) * levels, -(half(packed[:, 2:4]) * floors)


def six_bit_pairs(packed: Bytes) -> tuple[Bytes, Bytes]:
    """Two times eight 6-bit numbers, ``[n, 8]`` each, of 12 bytes ``[n, 12]``: scales and minimums of sub-blocks."""
    low, middle, high = packed[:, :4], packed[:, 4:8], packed[:, 8:12]
    levels = np.concatenate([low & 63, (high & 15) | ((low >> 6) << 4)], axis=1)
    floors = np.concatenate([middle & 63, (high >> 4) | ((middle >> 6) << 4)], axis=1)
    return levels, floors


def _six_bits(parts: Floats) -> tuple[Floats, Bytes]:
    """Quantize the scales or minimums ``[n, 8]`` of blocks to 0 … 63: the unrounded unit ``[n, 1]``, and the codes."""
    most = parts.max(axis=1, keepdims=True, initial=0, where=~np.isnan(parts))
    most = np.where(most > 0, most, np.float32(0))  # never −0.0
    inverse = np.where(most > 0, np.float32(63) / most, np.float32(0))
    codes = nearest_int(inverse * parts).astype(np.uint8)  # C keeps the lowest byte, too
    return most / np.float32(63), np.minimum(codes, np.uint8(63))


def _twelve(levels: Bytes, floors: Bytes) -> Bytes:
    """Two times eight 6-bit numbers in 12 bytes: the last four of each lend the first four their upper two bits."""
    low = levels[:, :4] | ((levels[:, 4:] >> 4) << 6)
    middle = floors[:, :4] | ((floors[:, 4:] >> 4) << 6)
    return np.concatenate([low, middle, (levels[:, 4:] & 15) | ((floors[:, 4:] & 15) << 4)], axis=1)


# ---------------------------------------------------------------------------------------------------------------- Q6_K


def pack_q6_k(x: Floats) -> Bytes:
    """``[n, 256]`` to ``[n, 210]``: 128 bytes of low nibbles, 64 of upper two bits, 16 int8 scales, d."""
    sub = x.reshape(-1, 16, 16)
    scale, codes = (part.reshape(len(x), 16, -1) for part in symmetric_search(x.reshape(-1, 16)))
    scale = scale[:, :, 0]
    size = np.where(np.isnan(scale), np.float32(0), np.abs(scale))
    largest = np.take_along_axis(scale, size.argmax(axis=1, keepdims=True), axis=1)
    inverse = np.float32(-128) / largest
    d = np.float32(1) / inverse
    levels = np.minimum(nearest_int(inverse * scale), 127).astype(np.int8)
    step = half(half_bytes(d)) * levels
    found = nearest_int(sub / step[:, :, None])
    np.clip(found, -32, 31, out=found)
    found += 32
    codes = np.where(step[:, :, None] != 0, found.astype(np.uint8), codes)
    packed = np.concatenate([*_nibbles_and_pairs(codes), levels.view(np.uint8), half_bytes(d)], axis=1)
    packed[size.max(axis=1) < _SMALLEST] = 0
    return packed


def unpack_q6_k(packed: Bytes) -> Unpacked:
    """The inverse of :func:`pack_q6_k`'s layout."""
    low = packed[:, :128].reshape(-1, 2, 64)
    pairs = packed[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None]
    codes = np.concatenate([low & 15, low >> 4], axis=2).reshape(-1, 2, 4, 32) | ((pairs & 3) << 4)
    step = half(packed[:, 208:]) * np.ascontiguousarray(packed[:, 192:208]).view(np.int8)
    return codes.reshape(-1, 256).view(np.int8) - np.int8(32), step, np.full_like(step, -0.0)


def _nibbles_and_pairs(codes: Bytes) -> tuple[Bytes, Bytes]:
    """6-bit codes ``[n, 16, 16]`` as low nibbles ``[n, 128]`` and upper pairs of bits ``[n, 64]``.

    Each half of the block is four runs of 32: the nibbles of runs 0 and 2, and of 1 and 3, share bytes; the pairs of
    all four share a byte.
    """
    runs = codes.reshape(-1, 2, 4, 32)
    low = (runs[:, :, :2] & 15) | ((runs[:, :, 2:] & 15) << 4)
    upper = runs >> 4
    pairs = upper[:, :, 0] | (upper[:, :, 1] << 2) | (upper[:, :, 2] << 4) | (upper[:, :, 3] << 6)
    return low.reshape(-1, 128), pairs.reshape(-1, 64)
