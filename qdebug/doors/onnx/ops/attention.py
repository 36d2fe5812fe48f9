"""Attention, with masks, windows and caches; rotary embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.body import Body
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.registry import operator


def split_heads(x: Tensor, heads: int) -> Tensor:
    """``[B, S, heads · size]`` as ``[B, heads, S, size]``."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """``[B, heads, S, size]`` as ``[B, S, heads · size]``."""
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


def shared(x: Tensor, heads: int) -> Tensor:
    """Heads of keys or values repeated for the groups of query heads that share them."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


@operator("Attention", 23)
def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, past_key: Tensor | None = None,
    past_value: Tensor | None = None, valid: Tensor | None = None, *, is_causal: int = 0, kv_num_heads: int = 0,
    left_window_size: int = -1, q_num_heads: int = 0, qk_matmul_output_mode: int = 0, right_window_size: int = -1,
    scale: float | None = None, softcap: float = 0.0, softmax_precision: int = 0, outputs: list[bool],
) -> Tensor | tuple[Tensor | None, ...]:  # fmt: skip
    """``softmax(q kᵀ · scale + bias) v`` (ONNX, Attention 23 to 25).

    Returns:
        the output; on request the keys and values with those of the past, and one of the stages of the scores.
    """
    flat = q.dim() == 3
    if flat:
        q, k, v = split_heads(q, q_num_heads), split_heads(k, kv_num_heads), split_heads(v, kv_num_heads)
    past = 0 if past_key is None else past_key.shape[2]
    present_key = k if past_key is None else torch.cat((past_key, k), 2)
    present_value = v if past_value is None else torch.cat((past_value, v), 2)
    heads, written = q.shape[1], q.dtype
    wide = torch.float64 if written == torch.float64 else torch.float32  # of 16 bits, each stage would round again
    root = math.sqrt(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    raw = (q.to(wide) * root) @ (shared(present_key, heads).to(wide) * root).transpose(-1, -2)
    capped = softcap * torch.tanh(raw / softcap) if softcap > 0 else raw
    allowed = _allowed(raw, past, valid, bool(is_causal), left_window_size, right_window_size)
    biased = _masked(capped, mask, allowed)
    kind = ELEMENTS[softmax_precision].carrier if softmax_precision else wide
    weights = _softmax(biased.to(kind)).to(wide)
    y = (weights @ shared(present_value, heads).to(wide)).to(written)
    y = join_heads(y) if flat else y
    if len(outputs) == 1:
        return y
    stage = (raw, capped, biased, weights)[qk_matmul_output_mode].to(written)
    return (y, present_key, present_value, stage)[: len(outputs)]


def _allowed(scores: Tensor, past: int, valid: Tensor | None, causal: bool, left: int, right: int) -> Tensor | None:
    """Which keys each query may look at, ``[·, 1, Q, K]``; None where all."""
    queries, keys = scores.shape[-2:]
    key = torch.arange(keys, device=scores.device)
    if valid is None:
        offset: Tensor | int = past
    else:
        offset = valid.reshape(-1, 1, 1, 1) - queries
    place = torch.arange(queries, device=scores.device).reshape(-1, 1) + offset
    allowed = None if valid is None else key < valid.reshape(-1, 1, 1, 1)
    for applies, within in (
        (causal, key <= place), (left >= 0, key >= place - left), (right >= 0, key <= place + right),
    ):  # fmt: skip
        if applies:
            allowed = within if allowed is None else allowed & within
    return allowed


def _masked(scores: Tensor, mask: Tensor | None, allowed: Tensor | None) -> Tensor:
    """Scores with a mask added (or, of bools, applied), and −∞ where looking is not allowed."""
    if mask is not None:
        missing = scores.shape[-1] - mask.shape[-1]
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~(F.pad(mask, (0, missing)) if missing else mask), -math.inf)
        else:
            scores = scores + (F.pad(mask, (0, missing), value=-math.inf) if missing else mask)
    return scores if allowed is None else scores.masked_fill(~allowed, -math.inf)


def _softmax(scores: Tensor) -> Tensor:
    """A softmax over the last axis whose rows are zero where nothing may be looked at."""
    nothing = (scores == -math.inf).all(-1, keepdim=True)
    return F.softmax(scores.masked_fill(nothing, 0.0), -1).masked_fill(nothing, 0.0)


@operator("FlexAttention", domain="ai.onnx.preview")
def flex_attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float | None = None, softmax_precision: int = 0,
    score_mod: Body | None = None, prob_mod: Body | None = None, captured: Sequence[Any] = (),
) -> Tensor:  # fmt: skip
    """Attention with graphs that change the scores before the softmax and the weights behind it."""
    kind = ELEMENTS[softmax_precision].carrier if softmax_precision else q.dtype
    if not softmax_precision and kind != torch.float64:
        kind = torch.float32
    heads = q.shape[1]
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = (q.to(kind) @ shared(k, heads).to(kind).transpose(-1, -2)) * factor
    if score_mod is not None:
        (scores,) = score_mod((scores,), captured)
    weights = F.softmax(scores, -1)
    if prob_mod is not None:
        (weights,) = prob_mod((weights,), captured)
    return (weights @ shared(v, heads).to(kind)).to(q.dtype)


@operator("RotaryEmbedding", 23)
def rotary_embedding(
    x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None = None, *, interleaved: int = 0, num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Tensor:  # fmt: skip
    """Pairs of features turned by angles that grow with the place in the sequence (RoFormer, arXiv 2104.09864)."""
    flat = x.dim() == 3
    heads = split_heads(x, num_heads) if flat else x
    if places is not None:
        cos, sin = cos[places.long()], sin[places.long()]
    y = turned(heads, cos.unsqueeze(1), sin.unsqueeze(1), bool(interleaved), rotary_embedding_dim)
    return join_heads(y) if flat else y


def turned(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, size: int = 0) -> Tensor:
    """The first ``size`` features (all for 0) turned; pairs are neighbours, or lie half the size apart."""
    size = size or x.shape[-1]
    part, rest = x[..., :size], x[..., size:]
    first, second = (part[..., 0::2], part[..., 1::2]) if interleaved else part.chunk(2, -1)
    real, imaginary = cos * first - sin * second, sin * first + cos * second
    y = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
    return torch.cat((y, rest), -1) if rest.shape[-1] else y
