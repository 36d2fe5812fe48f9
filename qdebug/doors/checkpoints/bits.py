"""Codes of a few bits in words of 32, as checkpoints of language models lay them."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 1 << 22
"""Values unpacked at once where words of 64 bits are needed on the way."""

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight neighbouring codes lies at each nibble of a word, the lowest first (AWQ's ``GEMM`` layout)."""


def words_for(count: int, bits: int, *, dense: bool = True) -> int:
    """Words that so many codes need: in one stream of bits, or with a part of each word left empty."""
    return -(-count * bits // 32) if dense else -(-count // (32 // bits))


def unpacked(words: Tensor, bits: int, count: int, *, dense: bool = True) -> Tensor:
    """Unsigned codes from words, along the last axis.

    Code i stands at bits ``i · bits`` and up of one stream of little-endian words, so that codes of 3, 5, 6 and 7 bits
    cross from one word into the next. Where not ``dense``, each word holds ``32 // bits`` codes and its highest bits
    are empty.

    Args:
        words: int32 ``[…, W]``, with at least the words that ``count`` codes need.
        bits: 1 to 8.
        count: codes of a row.
        dense: whether codes cross from word to word.

    Returns:
        uint8 ``[…, count]``.
    """
    lead, words = words.shape[:-1], words.reshape(-1, words.shape[-1])
    mask = (1 << bits) - 1
    if 8 % bits == 0:  # no code crosses from byte to byte
        bytes_ = words.reshape(-1).view(torch.uint8).view(len(words), -1)
        parts = [bytes_ >> shift & mask for shift in range(0, 8, bits)]
        codes = torch.stack(parts, -1) if len(parts) > 1 else bytes_
        return codes.reshape(len(words), -1)[:, :count].reshape(*lead, count)
    if not dense:
        shifts = torch.arange(32 // bits, dtype=torch.int32) * bits
        codes = (words.unsqueeze(-1) >> shifts).bitwise_and_(mask).to(torch.uint8)
        return codes.reshape(len(words), -1)[:, :count].reshape(*lead, count)
    first, offset = _places(bits, count)
    out = torch.empty(len(words), count, dtype=torch.uint8)
    padded = torch.nn.functional.pad(words, (0, 1))
    step = max(1, _ROWS // max(count, 1))
    for start in range(0, len(words), step):
        part = padded[start : start + step].long() & 0xFFFFFFFF
        pair = part[:, first] | part[:, first + 1] << 32  # offset and bits never exceed 32 + 7
        out[start : start + step] = (pair >> offset & mask).to(torch.uint8)
    return out.reshape(*lead, count)


def packed(codes: Tensor, bits: int) -> Tensor:
    """Words of one stream of bits: the inverse of :func:`unpacked`.

    Args:
        codes: integers from 0 to ``2^bits − 1``, ``[…, N]``; the last word is filled with zeros.
        bits: 1 to 8.

    Returns:
        int32 ``[…, ⌈N · bits / 32⌉]``.
    """
    lead, codes = codes.shape[:-1], codes.reshape(-1, codes.shape[-1])
    count = codes.shape[1]
    if 8 % bits == 0:
        whole = torch.nn.functional.pad(codes.to(torch.uint8), (0, -count % (32 // bits)))
        parts = whole.view(len(codes), -1, 8 // bits)
        joined = parts[..., 0].clone()
        for place in range(1, parts.shape[-1]):
            joined |= parts[..., place] << place * bits
        return joined.reshape(-1).view(torch.int32).reshape(*lead, whole.shape[1] * bits // 32)
    first, offset = _places(bits, count)
    out = torch.zeros(len(codes), words_for(count, bits) + 1, dtype=torch.int64)
    step = max(1, _ROWS // max(count, 1))
    for start in range(0, len(codes), step):
        wide = codes[start : start + step].long() << offset
        # bits never meet, so that adding is joining
        out[start : start + step].index_add_(1, first, wide & 0xFFFFFFFF)
        out[start : start + step].index_add_(1, first + 1, wide >> 32)
    return _as_words(out[:, :-1]).reshape(*lead, -1)


def reordered(codes: Tensor, order: tuple[int, ...] = AWQ_ORDER) -> Tensor:
    """Codes ``[…, N]`` in the order in which they lie in words: of each ``len(order)``, number ``order[i]`` is i-th."""
    lead = codes.shape
    return codes.reshape(*lead[:-1], -1, len(order))[..., list(order)].reshape(lead)


def in_order(codes: Tensor, order: tuple[int, ...] = AWQ_ORDER) -> Tensor:
    """The inverse of :func:`reordered`."""
    back = tuple(sorted(range(len(order)), key=lambda place: order[place]))
    return reordered(codes, back)


def nibbles(stored: Tensor, *, high_first: bool = False) -> Tensor:
    """The two halves of each byte ``[…, B]`` as uint8 ``[…, 2B]``, the low one first unless told otherwise."""
    low, high = stored & 15, stored >> 4
    pair = (high, low) if high_first else (low, high)
    return torch.stack(pair, -1).reshape(*stored.shape[:-1], -1)


def in_bytes(codes: Tensor) -> Tensor:
    """Codes of 4 bits ``[…, 2B]`` as uint8 ``[…, B]``, the first in the low half."""
    pairs = codes.to(torch.uint8).reshape(*codes.shape[:-1], -1, 2)
    return pairs[..., 0] | pairs[..., 1] << 4


def _places(bits: int, count: int) -> tuple[Tensor, Tensor]:
    start = torch.arange(count) * bits
    return start // 32, start % 32


def _as_words(unsigned: Tensor) -> Tensor:
    return torch.where(unsigned >= 1 << 31, unsigned - (1 << 32), unsigned).to(torch.int32)
