"""Codes that are there already, as the bytes of llama.cpp's formats: what an encoder would find is not asked.

Source of layouts: ``ggml-common.h`` (ggml-org/llama.cpp, ggml 0.25). A block is 32 values and one scale.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qdebug.quantize.ggml.kquants import Bytes, half_bytes

BLOCK = 32
LIMITS = {"q4_0": (-8, 7), "q5_0": (-16, 15), "q8_0": (-128, 127)}
"""The codes of the formats that are an integer times a half."""


def pack_codes(codes: Tensor, scale: Tensor, name: str) -> Tensor:
    """Integers and scales as rows of blocks.

    Args:
        codes: ``[R, C]`` integers within the format's limits, C a multiple of 32.
        scale: ``[R, C / 32]`` float32, numbers of float16.
        name: a key of :data:`LIMITS`.

    Returns:
        ``[R, bytes]`` uint8; read again they are ``codes · scale``.

    Raises:
        ValueError: a code is beyond the limits, a scale is no number of float16, or the sizes do not fit.
    """
    low, high = LIMITS[name]
    rows, columns = codes.shape
    if columns % BLOCK or scale.shape != (rows, columns // BLOCK):
        raise ValueError(f"codes of shape {tuple(codes.shape)} and scales of shape {tuple(scale.shape)}")
    if codes.numel() and (int(codes.min()) < low or int(codes.max()) > high):
        raise ValueError(f"{name} has codes from {low} to {high}")
    if not torch.equal(scale.half().float(), scale):
        raise ValueError(f"{name} has scales of float16")
    blocks = codes.to(torch.int16).reshape(-1, BLOCK).numpy()
    parts: list[Bytes] = [half_bytes(scale.reshape(-1, 1).numpy())]
    if name == "q8_0":
        parts.append(blocks.astype(np.int8).view(np.uint8))
    else:
        unsigned = (blocks - low).astype(np.uint8)
        if name == "q5_0":
            parts.append(np.packbits(unsigned >> 4, axis=1, bitorder="little"))
        parts.append(halves(unsigned))
    return _rows(parts, rows)


def pack_mxfp4(codes: Tensor, exponents: Tensor) -> Tensor:
    """E2M1 numbers and powers of two as rows of blocks.

    Args:
        codes: ``[R, C]`` uint8, a sign and three bits each, C a multiple of 32.
        exponents: ``[R, C / 32]`` uint8, E8M0.

    Returns:
        ``[R, bytes]`` uint8.
    """
    return _rows([exponents.reshape(-1, 1).numpy(), halves(codes.reshape(-1, BLOCK).numpy())], len(codes))


def halves(codes: Bytes) -> Bytes:
    """Two codes a byte, ``[n, 32]`` to ``[n, 16]``: value j in the low nibble, value j + 16 in the high one."""
    return (codes[:, :16] & 15) | (codes[:, 16:] << 4)


def _rows(parts: list[Bytes], rows: int) -> Tensor:
    return torch.from_numpy(np.concatenate(parts, axis=1)).view(rows, -1)
