"""SmoothQuant.

Xiao, Lin, Seznec, Wu, Demouth, Han: *SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language
Models*, ICML 2023 (arXiv:2211.10438), section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from qdebug.errors import MethodError
from qdebug.methods.places import Rescaled, ScaleSite
from qdebug.quantize import rows

Choose = Callable[[ScaleSite, Sequence[Tensor], "Callable[[float], Tensor]"], float | None]
"""The α of a place, or None to leave it: of the place, its layers' weights as they stand, and the factors of an α."""


def smooth(
    tensors: Mapping[int, Tensor],
    sites: Sequence[ScaleSite],
    maxima: Mapping[str, Tensor],
    choose: float | Choose = 0.5,
) -> Rescaled:
    """Divide the outlier channels of activations by factors that the following weights take up.

    s_j = max|X_j|^α / max|W_j|^(1−α) (equation 4), with max|W_j| over all layers that read the activation. What makes
    the activation, a normalization's scale and bias or a linear layer's outputs, is divided by s, the layers' input
    columns are multiplied by it: the same function in exact arithmetic. A channel that is zero in activations or
    weights keeps s = 1. Channels that are copies of one, as grouped-query attention makes of a value head, share its
    factor: both maxima are those of the group.

    Args:
        tensors: current weights, scales and biases by step index.
        sites: where.
        maxima: largest magnitude of each input channel ``[C]``, by the name of the first layer that reads it.
        choose: α in [0, 1] for all places, or what chooses it for each.

    Raises:
        MethodError: α is outside [0, 1].
    """
    if not callable(choose) and not 0.0 <= choose <= 1.0:
        raise MethodError(
            f"SmoothQuant's alpha is {choose}", do="Choose it between 0 and 1; 0.5 is the paper's default."
        )
    changed: dict[int, Tensor] = {}
    moved: dict[ScaleSite, Tensor] = {}
    strengths: dict[ScaleSite, float] = {}

    def now(index: int) -> Tensor:
        return changed[index] if index in changed else tensors[index]

    for site in sites:
        weights = [rows(now(layer.weight), layer.out_axis) for layer in site.layers]
        x_max = site.shared(maxima[site.layers[0].name].double(), "amax")
        w_max = site.shared(torch.stack([one.abs().amax(0).double() for one in weights]).amax(0), "amax")

        def at(alpha: float, x_max: Tensor = x_max, w_max: Tensor = w_max) -> Tensor:
            return factors(x_max, w_max, alpha)

        alpha = choose(site, weights, at) if callable(choose) else choose
        if alpha is not None:
            strengths[site], moved[site] = alpha, at(alpha)
            changed |= site.moved(now, moved[site])
    return Rescaled(changed, moved, strengths)


def factors(x_max: Tensor, w_max: Tensor, alpha: float) -> Tensor:
    """Equation 4's s for the largest magnitudes of each channel ``[C]``; 1 where one of them is zero or infinite."""
    alive = (x_max > 0) & (w_max > 0) & torch.isfinite(x_max)
    safe_x, safe_w = torch.where(alive, x_max, 1.0), torch.where(alive, w_max, 1.0)
    return torch.where(alive, safe_x**alpha / safe_w ** (1 - alpha), torch.ones_like(x_max))
