"""SmoothQuant.

Xiao, Lin, Seznec, Wu, Demouth, Han: *SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language
Models*, ICML 2023 (arXiv:2211.10438), section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from qdebug.errors import MethodError
from qdebug.graph import NormSite


def smooth(
    tensors: Mapping[int, Tensor], sites: Sequence[NormSite], maxima: Mapping[str, Tensor], alpha: float = 0.5
) -> dict[int, Tensor]:
    """Divide the outlier channels of normalized activations by a scale that the following weights take up.

    s_j = max|X_j|^α / max|W_j|^(1−α) (equation 4), with max|W_j| over all layers that read the normalization. The
    normalization's scale and bias are divided by s, the layers' input columns multiplied by it: the same function in
    exact arithmetic. A channel that is zero in activations or weights keeps s = 1.

    Args:
        tensors: current weights, scales and biases by step index.
        sites: normalizations and the layers they feed; refused ones are skipped.
        maxima: largest magnitude of each input channel ``[C]``, by the name of a layer that reads it.
        alpha: migration strength in [0, 1].

    Returns:
        new tensors by step index, for those that change.

    Raises:
        MethodError: alpha is outside [0, 1].
    """
    if not 0.0 <= alpha <= 1.0:
        raise MethodError(
            f"SmoothQuant's alpha is {alpha}", do="Choose it between 0 and 1; 0.5 is the paper's default."
        )
    changed: dict[int, Tensor] = {}
    for site in sites:
        if site.refused is not None or site.scale is None:
            continue
        scale = _scale(tensors, site, maxima[site.layers[0].name].double(), alpha)
        for index in (site.scale, site.bias):
            if index is not None:
                changed[index] = (tensors[index].double() / scale).to(tensors[index].dtype)
        for layer in site.layers:
            weight = tensors[layer.weight]
            shape = [1] * weight.dim()
            shape[layer.in_axis] = -1
            changed[layer.weight] = (weight.double() * scale.view(shape)).to(weight.dtype)
    return changed


def _scale(tensors: Mapping[int, Tensor], site: NormSite, x_max: Tensor, alpha: float) -> Tensor:
    columns = [
        tensors[layer.weight].double().abs().movedim(layer.in_axis, 0).flatten(1).amax(1) for layer in site.layers
    ]
    w_max = torch.stack(columns).amax(0)
    alive = (x_max > 0) & (w_max > 0) & torch.isfinite(x_max)
    safe_x, safe_w = torch.where(alive, x_max, 1.0), torch.where(alive, w_max, 1.0)
    return torch.where(alive, safe_x**alpha / safe_w ** (1 - alpha), torch.ones_like(x_max))
