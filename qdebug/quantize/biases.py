"""Biases as integer runtimes store them."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.quantize.qparams import QParams

LIMIT = 2**31 - 1


def bias_scale(activation: QParams, weight: QParams) -> Tensor:
    """The scale of an int32 bias, float32 ``[]`` or ``[out]``: that of the products it is added to.

    The product of the input's and the weight's scale (Jacob et al. 2018, section 2.4), rounded to float32 once, as
    ONNX Runtime does.
    """
    scale = activation.scale.float() * weight.scale.float()
    return scale.reshape(-1) if scale.dim() else scale


def for_outputs(scale: Tensor, count: int) -> Tensor:
    """Scales for ``count`` outputs: a grouped transposed convolution has those of one group, which all groups share."""
    return scale if scale.dim() == 0 or len(scale) in (1, count) else scale.repeat(count // len(scale))


def quantize_bias(bias: Tensor, scale: Tensor) -> Tensor:
    """The codes of a bias ``[out]``, int64 within the limits of int32, rounded half to even."""
    codes = torch.round(bias.double() / scale.double())
    return codes.nan_to_num().clamp(-LIMIT - 1, LIMIT).long()


def fake_quantize_bias(bias: Tensor, activation: QParams, weight: QParams) -> Tensor:
    """A bias rounded to what int32 can say, in its own dtype."""
    scale = for_outputs(bias_scale(activation, weight), len(bias))
    return (quantize_bias(bias, scale).double() * scale.double()).to(bias.dtype)
