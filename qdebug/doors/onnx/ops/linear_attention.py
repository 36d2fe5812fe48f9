"""Attention without a softmax, as a recurrence, and the short convolution in front of it (opset 27)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.registry import operator


@operator("LinearAttention", 27)
def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, past: Tensor | None = None, decay: Tensor | None = None,
    beta: Tensor | None = None, *, chunk_size: int = 64, kv_num_heads: int, q_num_heads: int, scale: float = 0.0,
    update_rule: str = "gated_delta", outputs: list[bool],
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """A state of keys times values, forgotten by ``decay`` and corrected by ``beta``, read by queries (ONNX).

    Returns:
        the output ``[B, T, H_q · d_v]``; on request the last state ``[B, H_kv, d_k, d_v]``.
    """
    kind = torch.float64 if q.dtype == torch.float64 else torch.float32
    queries = _heads(q, q_num_heads).to(kind)
    keys, values = _heads(k, kv_num_heads).to(kind), _heads(v, kv_num_heads).to(kind)
    batch, time, group = q.shape[0], q.shape[1], q_num_heads // kv_num_heads
    state_kind = q.dtype if past is None else past.dtype
    state = keys.new_zeros(batch, kv_num_heads, keys.shape[-1], values.shape[-1]) if past is None else past.to(kind)
    kept = rate = None
    if decay is not None and "gated" in update_rule:
        kept = _heads(decay, kv_num_heads).to(kind).exp().unsqueeze(-1)
    if beta is not None and "delta" in update_rule:
        rate = beta.to(kind).reshape(batch, time, -1, 1)
    queries = queries.reshape(batch, time, kv_num_heads, group, -1) * (scale or 1 / math.sqrt(queries.shape[-1]))
    found = []
    for place in range(time):
        key, value = keys[:, place], values[:, place]
        if kept is not None:
            state = state * kept[:, place]
        if rate is not None:
            value = rate[:, place] * (value - (key.unsqueeze(-2) @ state).squeeze(-2))
        state = state + key.unsqueeze(-1) * value.unsqueeze(-2)
        found.append(queries[:, place] @ state)
    y = torch.stack(found, 1).reshape(batch, time, -1).to(q.dtype)
    return (y, state.to(state_kind)) if len(outputs) > 1 else y


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(*x.shape[:2], heads, -1)


@operator("CausalConvWithState", 27)
def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, past: Tensor | None = None, *, activation: str = "none",
    outputs: list[bool],
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """A depthwise convolution that looks back only; on request what the next call needs of this one."""
    size = weight.shape[-1] - 1
    longer = F.pad(x, (size, 0)) if past is None else torch.cat((past.to(x.dtype), x), -1)
    y = F.conv1d(longer, weight, bias, groups=x.shape[1])
    if activation in ("silu", "swish"):
        y = F.silu(y)
    return (y, longer[..., longer.shape[-1] - size :]) if len(outputs) > 1 else y
