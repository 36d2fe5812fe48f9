"""Normalizations by instance, group, norm and neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.registry import operator


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.reshape(1, -1, *[1] * (x.dim() - 2))


@operator("InstanceNormalization", 6)
def instance_norm(x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    """A normalization of each channel of each sample by its own mean and variance."""
    axes = list(range(2, x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    spread = centred.square().mean(axes, keepdim=True)
    return centred * torch.rsqrt(spread + epsilon) * _per_channel(scale, x) + _per_channel(bias, x)


@operator("GroupNormalization", 18)
def group_norm_by_groups(
    x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5
) -> Tensor:  # fmt: skip
    """A normalization of groups of channels, with one scale and bias per group (before opset 21)."""
    each = x.shape[1] // num_groups
    return group_norm(
        x, scale.repeat_interleave(each), bias.repeat_interleave(each), num_groups=num_groups, epsilon=epsilon
    )


@operator("GroupNormalization", 21)
def group_norm(
    x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    """A normalization of groups of channels, computed in ``stash_type``, with one scale and bias per channel."""
    wide = x.to(ELEMENTS[stash_type].carrier) if x.dtype != torch.float64 else x
    grouped = wide.reshape(x.shape[0], num_groups, -1)
    centred = grouped - grouped.mean(-1, keepdim=True)
    spread = centred.square().mean(-1, keepdim=True)
    normal = (centred * torch.rsqrt(spread + epsilon)).reshape(x.shape).to(x.dtype)
    return normal * _per_channel(scale, x) + _per_channel(bias, x)


@operator("RMSNormalization", 23)
def rms_norm(
    x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:  # fmt: skip
    """A normalization by the root of the mean square over all axes from ``axis`` on."""
    wide = x.to(ELEMENTS[stash_type].carrier) if x.dtype != torch.float64 else x
    mean = wide.square().mean(list(range(axis % x.dim(), x.dim())), keepdim=True)
    return (wide * torch.rsqrt(mean + epsilon)).to(x.dtype) * scale


@operator("LpNormalization")
def lp_normalization(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """A tensor divided by its p-norm along an axis; zeros stay zeros."""
    norm = x.abs().sum(axis, keepdim=True) if p == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return x / torch.where(norm == 0, torch.ones_like(norm), norm)


@operator("LRN")
def local_response_norm(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """``x / (bias + alpha / size · Σ x²)^beta`` over the neighbouring channels."""
    before, behind = (size - 1) // 2, size - 1 - (size - 1) // 2
    squares = F.pad(x.square().movedim(1, -1), (before, behind)).unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    return x / (bias + alpha / size * squares).pow(beta)


@operator("MeanVarianceNormalization", 9)
def mean_variance_norm(x: Tensor, *, axes: Sequence[int] = (0, 2, 3)) -> Tensor:
    """A tensor less its mean, divided by its deviation, over some axes."""
    centred = x - x.mean(list(axes), keepdim=True)
    deviation = centred.square().mean(list(axes), keepdim=True).sqrt()
    return centred / (deviation + 1e-9)
