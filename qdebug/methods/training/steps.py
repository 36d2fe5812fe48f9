"""Rounding that gradients get through.

Bengio, Léonard, Courville 2013 (arXiv:1308.3432), section 4: the *straight-through estimator* takes the gradient at the
rounded value for that at the value. Esser, McKinstry, Bablani, Appuswamy, Modha: *Learned Step Size Quantization*, ICLR
2020 (arXiv:1902.08153), section 2: the step has a gradient too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _LearnedStep(torch.autograd.Function):
    """Equations 1 to 3 of Esser et al., with ``Q_N = −low`` and ``Q_P = high``."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, step: Tensor, low: Tensor, high: Tensor, gain: float) -> Tensor:
        ratio = v / step
        codes = torch.maximum(torch.minimum(ratio.round(), high), low).add_(0.0)
        ctx.save_for_backward(ratio, codes, low, high)
        ctx.gain, ctx.shape = gain, step.shape
        return codes * step

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        ratio, codes, low, high = ctx.saved_tensors
        inside = (ratio > low) & (ratio < high)
        at_step = (codes - torch.where(inside, ratio, 0.0)).mul_(grads[0]).sum_to_size(ctx.shape).mul_(ctx.gain)
        return grads[0] * inside, at_step, None, None, None


def round_with_step(v: Tensor, step: Tensor, low: Tensor, high: Tensor, gain: float) -> Tensor:
    """``v̂ = clip(round(v / s), low, high) · s``, with gradients for both v and s.

    ``∂v̂/∂v`` is 1 inside of the limits and 0 outside (equation 5); ``∂v̂/∂s`` is ``round(v/s) − v/s`` inside, and the
    limit outside (equation 3).

    Args:
        v: weights or activations.
        step: s > 0, in a shape that broadcasts to that of ``v``.
        low: the smallest code less the zero point, likewise.
        high: the largest.
        gain: what the gradient at the step is multiplied with; see :func:`gain_of`.
    """
    found: Tensor = _LearnedStep.apply(v, step, low, high, gain)
    return found


def gain_of(count: int, high: float) -> float:
    """``g = 1 / √(N · Q_P)`` (section 2.2): steps then change about as fast, in relation to their size, as weights.

    Args:
        count: N, the values of a weight, or of an activation of one sample, that share the step.
        high: Q_P.
    """
    return float(max(count, 1) * max(high, 1.0)) ** -0.5


def first_step(v: Tensor, high: Tensor) -> Tensor:
    """``s = 2 · mean|v| / √Q_P`` (section 2.1).

    Args:
        v: ``[R, C]``, or ``[C]`` for one step.
        high: Q_P, ``[R, 1]`` or ``[]``.
    """
    mean = v.abs().mean(-1, keepdim=v.dim() > 1)
    return 2 * mean / high.clamp_min(1).sqrt()


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rounded: Tensor, inside: Tensor | None) -> Tensor:
        ctx.inside = inside
        return rounded.view_as(rounded)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return (grads[0] if ctx.inside is None else grads[0] * ctx.inside), None, None


def straight_through(x: Tensor, rounded: Tensor, inside: Tensor | None = None) -> Tensor:
    """The rounded values, whose gradient is handed to ``x`` as it is.

    Args:
        x: values.
        rounded: what they are rounded to.
        inside: where they are not clipped: elsewhere the gradient is 0. None for everywhere.
    """
    found: Tensor = _Through.apply(x, rounded, inside)
    return found
