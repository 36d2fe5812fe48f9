"""Cross-layer equalization.

Nagel, van Baalen, Blankevoort, Welling: *Data-Free Quantization Through Weight Equalization and Bias Correction*,
ICCV 2019 (arXiv:1906.04721), section 4.1. The optional absorption of high biases (section 4.1.3) is not part of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qdebug.graph import Chain, Layer

#: A channel whose range is below this fraction of the layer's widest counts as dead and is left alone.
_DEAD = 1e-7


def equalize(tensors: Mapping[int, Tensor], chains: Sequence[Chain], iterations: int = 20) -> dict[int, Tensor]:
    """Rescale neighbouring layers so that each channel has the same range on both sides.

    For layers W1 → activation → W2 with f(s·x) = s·f(x), channel i of W1 and its bias are divided by
    s_i = √(r1_i / r2_i) and column i of W2 is multiplied by it, where r are the channels' largest magnitudes
    (equation 11 of the paper: afterwards both are √(r1_i · r2_i)). Pairs that share a layer, as around a depthwise
    convolution, are swept until they settle. The network computes the same function in exact arithmetic.

    Args:
        tensors: current weights and biases by step index.
        chains: the pairs; refused ones are skipped.
        iterations: sweeps over all pairs; stops early when no scale moves by more than 1e-4.

    Returns:
        new tensors by step index, for those that change.
    """
    pairs = [chain for chain in chains if chain.refused is None]
    work = {index: tensors[index].double() for chain in pairs for index in _touched(chain)}
    for _ in range(iterations):
        moved = 0.0
        for chain in pairs:
            step = _factors(work[chain.first.weight], work[chain.second.weight], chain)
            _apply(work, chain, step)
            moved = max(moved, float((step.log()).abs().max()))
        if moved < 1e-4:
            break
    return {index: value.to(tensors[index].dtype) for index, value in work.items()}


def _touched(chain: Chain) -> list[int]:
    bias = [chain.first.bias] if chain.first.bias is not None else []
    return [chain.first.weight, chain.second.weight, *bias]


def _input_axis(layer: Layer) -> int:
    """The weight's axis that runs over input channels; a depthwise filter belongs to the channel it reads."""
    return layer.out_axis if layer.is_depthwise else layer.in_axis


def _magnitudes(weight: Tensor, axis: int) -> Tensor:
    return weight.abs().movedim(axis, 0).flatten(1).amax(1)


def _factors(first: Tensor, second: Tensor, chain: Chain) -> Tensor:
    r1 = _magnitudes(first, chain.first.out_axis)
    r2 = _magnitudes(second, _input_axis(chain.second))
    alive = (r1 > _DEAD * r1.max()) & (r2 > _DEAD * r2.max())
    return torch.where(alive, (r1 / r2.clamp_min(torch.finfo(torch.float64).tiny)).sqrt(), torch.ones_like(r1))


def _apply(work: dict[int, Tensor], chain: Chain, scale: Tensor) -> None:
    first, second = chain.first, chain.second
    work[first.weight] = work[first.weight] / _along(scale, work[first.weight], first.out_axis)
    work[second.weight] = work[second.weight] * _along(scale, work[second.weight], _input_axis(second))
    if first.bias is not None:
        work[first.bias] = work[first.bias] / scale


def _along(vector: Tensor, like: Tensor, axis: int) -> Tensor:
    shape = [1] * like.dim()
    shape[axis] = -1
    return vector.view(shape)
