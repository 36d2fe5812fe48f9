"""Attention of ONNX Runtime's own domain, com.microsoft (its ContribOperators.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.builder import Builder
from qdebug.doors.onnx.ir import Node, plain
from qdebug.doors.onnx.ops.attention import join_heads, shared, split_heads, turned
from qdebug.doors.onnx.ops.contrib_codes import MICROSOFT
from qdebug.doors.onnx.ops.layers import linear
from qdebug.doors.onnx.registry import lowering, operator
from qdebug.errors import ModelError


def _attended(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float | None, allowed: Tensor | None = None,
    softcap: float = 0.0,
) -> Tensor:  # fmt: skip
    """Heads of values, weighted. ``bias`` is added to the scores; where looking is not ``allowed`` they are −∞."""
    heads = q.shape[1]
    scores = q @ shared(k, heads).transpose(-1, -2) * (scale or 1 / math.sqrt(q.shape[-1]))
    if softcap > 0:
        scores = softcap * torch.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    return F.softmax(scores, -1) @ shared(v, heads)


def _causal(q: Tensor, k: Tensor) -> Tensor:
    """Which keys each query may look at; the last query looks at all."""
    key, query = torch.arange(k.shape[2], device=q.device), torch.arange(q.shape[2], device=q.device)
    return key <= query.reshape(-1, 1) + (k.shape[2] - q.shape[2])


def _bias_of_mask(mask: Tensor, batch: int, keys: int, low: float) -> Tensor:
    """What a mask adds to the scores: lengths ``[B]``, lengths and beginnings ``[2B]``, or zeros and ones."""
    key = torch.arange(keys, device=mask.device)
    if mask.dim() == 1:
        kept = key < mask[:batch].reshape(-1, 1)
        if len(mask) == 2 * batch:
            kept = kept & (key >= mask[batch:].reshape(-1, 1))
    else:
        kept = mask != 0
    shape = {2: (batch, 1, 1, -1), 3: (batch, 1, kept.shape[-2], -1)}.get(kept.dim())
    kept = kept if shape is None else kept.reshape(shape)
    return torch.where(kept, 0.0, low)


@lowering("Attention", domain=MICROSOFT)
def lower_attention(builder: Builder, node: Node) -> tuple[int, ...] | None:
    """A layer that makes queries, keys and values, and what is done with them."""
    attributes: dict[str, Any] = {name: plain(value) for name, value in node.attributes.items()}
    if attributes.pop("do_rotary", 0) or attributes.pop("past_present_share_buffer", 0):
        raise ModelError(
            "An Attention node turns its heads itself, or writes into the past, which is not understood",
            layer=node.name, do="Export the model without graph optimizations.",
        )  # fmt: skip
    attributes.pop("rotary_embedding_dim", None)
    x, weight, bias, mask, past, added = (builder.at(node, place) for place in range(6))
    projected = builder.emit(linear, x, weight, bias, op="onnx.linear", name=f"{node.name}/qkv")
    found = builder.emit(packed_attention, projected, mask, past, added, op="onnx.packed_attention", **attributes)
    return tuple(builder.pick(found, place, name).index for place, name in enumerate(node.outputs) if name)


def packed_attention(
    projected: Tensor, mask: Tensor | None, past: Tensor | None, added: Tensor | None, *, num_heads: int,
    mask_filter_value: float = -10000.0, qkv_hidden_sizes: Sequence[int] | None = None, scale: float | None = None,
    unidirectional: int = 0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Attention of queries, keys and values that lie one behind the other, ``[B, S, 3 · hidden]``.

    Returns:
        the output, and keys and values with those of the past, ``[2, B, heads, T, size]``.
    """
    sizes = list(qkv_hidden_sizes) if qkv_hidden_sizes else [projected.shape[-1] // 3] * 3
    q, k, v = (split_heads(part, num_heads) for part in projected.split(sizes, -1))
    if past is not None:
        k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
    bias = added
    if mask is not None:
        masked = _bias_of_mask(mask, q.shape[0], k.shape[2], mask_filter_value).to(q.dtype)
        bias = masked if bias is None else bias + masked
    allowed = _causal(q, k) if unidirectional else None
    present = torch.stack((k, v)) if k.shape == v.shape else k
    return join_heads(_attended(q, k, v, bias, scale, allowed)), present


@operator("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(
    q: Tensor, k: Tensor | None = None, v: Tensor | None = None, bias: Tensor | None = None,
    mask: Tensor | None = None, added: Tensor | None = None, past_key: Tensor | None = None,
    past_value: Tensor | None = None, *, num_heads: int, mask_filter_value: float = -10000.0,
    scale: float | None = None, unidirectional: int = 0, outputs: list[bool],
) -> Tensor | tuple[Tensor, ...]:  # fmt: skip
    """Attention of projected queries, keys and values; keys may come as heads already, ``[B, heads, T, size]``."""
    if k is None or v is None:
        raise ModelError("A MultiHeadAttention has packed inputs", do="Export the model without packing them.")
    width = q.shape[-1]
    if bias is not None:
        q = q + bias[:width]
        k, v = (k + bias[width : 2 * width], v + bias[2 * width :]) if k.dim() == 3 else (k, v)
    keys, values = (split_heads(one, num_heads) if one.dim() == 3 else one for one in (k, v))
    if past_key is not None and past_value is not None:
        keys, values = torch.cat((past_key, keys), 2), torch.cat((past_value, values), 2)
    heads = split_heads(q, num_heads)
    if mask is not None:
        masked = _bias_of_mask(mask, q.shape[0], keys.shape[2], mask_filter_value).to(q.dtype)
        added = masked if added is None else added + masked
    allowed = _causal(heads, keys) if unidirectional else None
    y = join_heads(_attended(heads, keys, values, added, scale, allowed))
    return y if len(outputs) == 1 else (y, keys, values)[: len(outputs)]


@operator("RotaryEmbedding", domain=MICROSOFT)
def rotary_embedding(
    x: Tensor, places: Tensor, cos: Tensor, sin: Tensor, *, interleaved: int = 0, is_packed_batching: int = 0,
    num_heads: int = 0, rotary_embedding_dim: int = 0, scale: float = 1.0,
) -> Tensor:  # fmt: skip
    """Pairs of features turned by the place in the sequence, which is given, or counted on from one number."""
    heads = x if x.dim() == 4 else split_heads(x, num_heads or x.shape[-1] // (2 * cos.shape[-1]))
    if places.numel() == 1 and places.dim() < 2:
        places = (places.reshape(()) + torch.arange(heads.shape[2], device=x.device)).unsqueeze(0)
    cosines, sines = (one[places.long()].unsqueeze(1) for one in (cos, sin))
    y = turned(heads, cosines, sines, bool(interleaved), rotary_embedding_dim)
    return y if x.dim() == 4 else join_heads(y)


@operator("GroupQueryAttention", domain=MICROSOFT)
def group_query_attention(
    q: Tensor, k: Tensor | None, v: Tensor | None, past_key: Tensor | None, past_value: Tensor | None,
    last: Tensor, total: Tensor, cos: Tensor | None = None, sin: Tensor | None = None, places: Tensor | None = None,
    added: Tensor | None = None, *, do_rotary: int = 0, kv_num_heads: int, local_window_size: int = -1,
    num_heads: int, rotary_interleaved: int = 0, scale: float | None = None, smooth_softmax: int = -1,
    softcap: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Causal attention with a cache, where groups of query heads share keys and values.

    Args:
        q: queries ``[B, S, heads · size]``; where ``k`` is left out, all three one behind the other.
        k: keys ``[B, S, kv_heads · size]``.
        v: values.
        past_key: earlier keys ``[B, kv_heads, P, size]``.
        past_value: earlier values.
        last: for each sample, its length with the past, less one.
        total: the longest of these lengths.
        cos: of rotary embeddings, ``[places, size / 2]``.
        sin: likewise.
        places: of the queries; counted on from the past where left out.
        added: to the scores.
        do_rotary: queries and keys are turned here.
        kv_num_heads: heads of keys.
        local_window_size: how far back a query looks, itself included; −1 for all the way.
        num_heads: heads of queries.
        rotary_interleaved: pairs of features are neighbours.
        scale: of the scores.
        smooth_softmax: not understood where it is asked for.
        softcap: bound of the scores, by tanh.

    Returns:
        the output, and keys and values with those of the past.
    """
    if smooth_softmax > 0:
        raise ModelError("A GroupQueryAttention asks for a smooth softmax", do="Export the model without it.")
    if k is None or v is None:
        size = q.shape[-1] // (num_heads + 2 * kv_num_heads)
        q, k, v = q.split([num_heads * size, kv_num_heads * size, kv_num_heads * size], -1)
    queries, keys, values = split_heads(q, num_heads), split_heads(k, kv_num_heads), split_heads(v, kv_num_heads)
    before = 0 if past_key is None else int(total) - queries.shape[2]
    if do_rotary and cos is not None and sin is not None:
        at = torch.arange(queries.shape[2], device=q.device) + before if places is None else places.long()
        cosines, sines = (one[at.reshape(-1, queries.shape[2])].unsqueeze(1) for one in (cos, sin))
        size = 2 * cos.shape[-1]
        queries, keys = (turned(one, cosines, sines, bool(rotary_interleaved), size) for one in (queries, keys))
    if past_key is not None and past_value is not None:
        keys = torch.cat((past_key[:, :, :before], keys), 2)
        values = torch.cat((past_value[:, :, :before], values), 2)
    allowed = _causal(queries, keys)
    key = torch.arange(keys.shape[2], device=q.device)
    if local_window_size > 0:
        query = torch.arange(queries.shape[2], device=q.device).reshape(-1, 1) + (keys.shape[2] - queries.shape[2])
        allowed = allowed & (key > query - local_window_size)
    bias = None if added is None else added[..., : keys.shape[2]]
    y = _attended(queries, keys, values, bias, scale, allowed, softcap)
    return join_heads(y), keys, values
