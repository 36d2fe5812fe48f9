"""Fixes that fit rounded weights to what layers or blocks computed in float, by gradient descent."""

from __future__ import annotations

from typing import Literal

from qdebug.recipes.fixes.base import BaseFix


class AdaRound(BaseFix, frozen=True, tag="adaround"):
    """Choose for each weight whether it goes up or down, by descent on the layer's output error (Nagel et al. 2020).

    Attributes:
        iterations: steps of the descent, per layer.
        learning_rate: Adam's.
        regularization: λ of equation 24; an error of 1 is that of changing an average weight by one code.
        warm_up: the part of the iterations before the regularization sets in.
        batch: rows of the layer's input per step, where the objective needs them.
        through_activation: whether the error is measured behind a ReLU that follows (equation 25).
        sequential: whether a layer is fitted on the inputs that the rounded layers before it give (equation 25), or on
            those of the float model.
        seed: which rows are looked at, and in which order.
    """

    stage = "rounding"
    pace = "minutes"
    title = "AdaRound"
    about = (
        "Learns for each weight whether to round up or down, so that the layer's output on calibration data changes "
        "least: a soft choice that is driven to a hard one."
    )
    cures = "too few bits"
    source = "Nagel et al., ICML 2020 (arXiv:2004.10568)"

    iterations: int = 1000
    learning_rate: float = 0.03
    regularization: float = 1.0
    warm_up: float = 0.2
    batch: int = 256
    through_activation: bool = True
    sequential: bool = True
    seed: int = 0


class AdaQuant(BaseFix, frozen=True, tag="adaquant"):
    """Move weights, scales, biases and input steps down the layer's output error, straight through (Hubara 2020).

    Attributes:
        iterations: steps of the descent, per layer.
        learning_rate: Adam's for the weights, in codes.
        scale_rate: Adam's for the logarithm of uniform grids' scales; 0 leaves them as they are.
        bias: whether biases change too.
        steps: whether the steps of static inputs in integers are learned too.
        step_rate: Adam's for the logarithm of these.
        sequential: whether a layer is fitted on the inputs that the layers before it give, or on the float model's.
    """

    stage = "rounding"
    pace = "minutes"
    title = "AdaQuant"
    about = (
        "Learns each layer's weights, scales, bias and the step of its input anew, so that its output on calibration "
        "data changes least. A weight may go further than to one of its two neighbours."
    )
    cures = "too few bits"
    source = "Hubara et al., 2020 (arXiv:2006.10518)"

    iterations: int = 1000
    learning_rate: float = 0.003
    scale_rate: float = 0.003
    bias: bool = True
    steps: bool = True
    step_rate: float = 0.003
    sequential: bool = True


class Brecq(BaseFix, frozen=True, tag="brecq"):
    """AdaRound's choices, learned for a block of layers at a time on what the block gives (Li et al. 2021).

    Attributes:
        iterations: steps of the descent, per block.
        learning_rate: Adam's.
        regularization: λ of equation 24 of AdaRound; an error of 1 is that of changing an average weight by one code.
        warm_up: the part of the iterations before the regularization sets in.
        batch: samples per step.
        weighting: what a squared error of the block's output counts.
        steps: whether the steps of static inputs in integers are learned too (LSQ).
        step_rate: Adam's for the logarithm of these.
        sequential: whether a block reads what the rounded blocks before it give, or the float model's values.
        seed: in which order the samples are looked at.
    """

    stage = "rounding"
    pace = "minutes"
    title = "BRECQ"
    about = (
        "Learns for each weight whether to round up or down, as AdaRound does, but for whole blocks: the layers of a "
        "residual branch or a transformer block make up for one another's errors."
    )
    cures = "too few bits"
    source = "Li et al., ICLR 2021 (arXiv:2102.05426)"

    iterations: int = 2000
    learning_rate: float = 0.03
    regularization: float = 1.0
    warm_up: float = 0.2
    batch: int = 32
    weighting: Literal["none", "fisher", "damped"] = "none"
    steps: bool = True
    step_rate: float = 0.003
    sequential: bool = True
    seed: int = 0
