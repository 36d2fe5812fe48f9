"""Fixes that rewrite weights so that the float network computes the same, and its quantized self less wrong."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from qdebug.recipes.fixes.base import BaseFix


class CrossLayerEqualization(BaseFix, frozen=True, tag="cle"):
    """Equalize the channel ranges of neighbouring layers (Nagel et al. 2019, section 4.1).

    Attributes:
        iterations: sweeps over all layers; the ranges converge geometrically.
        residual: also what several layers write or read, tied together by a residual path: they share scales.
        ranges: what counts as a channel's range where it is written: the weights alone, or the activation too.
        absorb: move the part of a channel that is always there into the biases of the layers behind.
        guard: measure the quantized model's output on calibration data, and take back what makes its error larger.
    """

    stage = "equivalent"
    pace = "live"
    title = "Cross-layer equalization"
    about = (
        "Rescales neighbouring layers, and all that a residual path ties together, so that every channel has the same "
        "range where it is written and where it is read. The float network computes the same; one scale per tensor "
        "then fits all channels."
    )
    cures = "uneven channels"
    source = "Nagel et al., ICCV 2019 (arXiv:1906.04721)"

    iterations: int = 20
    residual: bool = True
    ranges: Literal["weights", "weights-and-activations"] = "weights"
    absorb: bool = True
    guard: bool = True


class SmoothQuant(BaseFix, frozen=True, tag="smoothquant", omit_defaults=True):
    """Move activation outliers into the weights that follow a normalization or a linear layer (Xiao et al. 2023).

    Attributes:
        alpha: migration strength, 0 leaves the activations alone, 1 flattens them entirely.
        search: choose α at each place instead, the best for the outputs of the layers there under the recipe's own
            formats; a place that no α helps is left as it is.
        steps: into how many steps from 0 to 1 the search divides α.
    """

    stage = "equivalent"
    pace = "live"
    title = "SmoothQuant"
    about = (
        "Divides outlier channels of activations by a factor that the following weights take up, where a normalization "
        "or a linear layer makes them. α sets how much of the difficulty moves from activations to weights."
    )
    cures = "outlier channels"
    source = "Xiao et al., ICML 2023 (arXiv:2211.10438)"

    alpha: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    search: bool = False
    steps: int = 20


class Awq(BaseFix, frozen=True, tag="awq"):
    """Scale the input channels that matter most up before rounding, down where they come from (Lin et al. 2023).

    Attributes:
        steps: how many exponents α from 0 to below 1 are tried at each place.
    """

    stage = "equivalent"
    pace = "seconds"
    title = "AWQ"
    about = (
        "Input channels with large activations are multiplied up in the weights before these are rounded, and divided "
        "in what comes before. How strongly is searched for at each place, with the recipe's own weight formats."
    )
    cures = "too few bits"
    source = "Lin et al., MLSys 2024 (arXiv:2306.00978)"

    steps: int = 20
