"""Fixes that choose what a layer is quantized in: rotated, scaled, or with a part of it kept beside in fp16."""

from __future__ import annotations

from typing import Annotated

import msgspec

from qdebug.recipes.fixes.base import NO_GUARD, BaseFix


class Hadamard(BaseFix, frozen=True, tag="hadamard"):
    """Quantize weights, and inputs of linear layers, after a randomized Hadamard rotation (Tseng et al. 2024).

    Attributes:
        seed: of the rotation's random signs.
    """

    stage = "basis"
    pace = "seconds"
    title = "Hadamard rotation"
    about = (
        "Rotates what a layer's weight multiplies before both are quantized, so that an outlier is spread over its "
        "row. The rotation is not folded into other layers: a runtime rotates each treated layer's input while it runs."
    )
    caution = NO_GUARD
    cures = "outlier channels"
    source = "Tseng et al., ICML 2024 (arXiv:2402.04396); Ashkboos et al., NeurIPS 2024 (arXiv:2404.00456)"

    seed: int = 0

    @property
    def looks_at_data(self) -> bool:
        """Its signs are drawn."""
        return False


class Outliers(BaseFix, frozen=True, tag="outliers"):
    """Keep input channels of large magnitude, and the weights that read them, in fp16 (Dettmers et al. 2022).

    Attributes:
        threshold: magnitude on calibration data above which a channel is kept.
        keep: percent of each layer's channels that are kept in the place of a threshold, the largest first; 0 for
            none.
    """

    stage = "basis"
    pace = "seconds"
    title = "Outlier channels in fp16"
    about = (
        "Input channels whose magnitude on calibration data exceeds a threshold stay in half precision, with the "
        "weights that read them. All other channels are quantized as if these were not there."
    )
    caution = NO_GUARD
    cures = "outlier channels"
    source = "Dettmers et al., NeurIPS 2022 (arXiv:2208.07339)"

    threshold: float = 6.0
    keep: float = 0.0


class SvdQuant(BaseFix, frozen=True, tag="svdquant"):
    """Smooth each layer, keep the weight's largest singular vectors in fp16, quantize the rest (Li et al. 2024).

    Attributes:
        rank: columns of the first and rows of the second fp16 matrix; the paper's is 32, for layers of 3,072 channels.
        alpha: how strongly outliers move from the layer's input into its weight, as SmoothQuant's α.
        search: choose α for each layer instead, or no smoothing, by what it computes on calibration data; a layer that
            is best without any of this is left as it is.
        steps: into how many steps from 0 to 1 the search divides α.
        rounds: how often the fp16 matrices are fitted anew to what the rounded rest leaves over; the best is kept.
    """

    stage = "basis"
    pace = "seconds"
    title = "SVDQuant"
    about = (
        "Moves outliers from each layer's input into its weight, where two thin matrices in half precision take up the "
        "largest of them. They read the unquantized input; only the rest of the weight is quantized. A runtime divides "
        "the input by the factors while it runs."
    )
    cures = "outlier channels"
    source = "Li et al., ICLR 2025 (arXiv:2411.05007)"

    rank: int = 8
    alpha: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    search: bool = True
    steps: int = 10
    rounds: int = 1


class Wanda(BaseFix, frozen=True, tag="wanda"):
    """Choose what is pruned by a weight's size times its input's, in layers whose plan prunes (Sun et al. 2023)."""

    stage = "basis"
    pace = "seconds"
    title = "Wanda"
    about = (
        "Where a layer's plan prunes its weight, takes the weights that move its output on calibration data least, in "
        "the place of the smallest. As many are pruned as the plan says."
    )
    cures = "pruned weights"
    source = "Sun et al., ICLR 2024 (arXiv:2306.11695)"
