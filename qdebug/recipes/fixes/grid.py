"""Fixes that choose scales and zero points, in the place of those that follow from the weights' range."""

from __future__ import annotations

from qdebug.recipes.fixes.base import NO_GUARD, BaseFix


class Hqq(BaseFix, frozen=True, tag="hqq"):
    """Move zero points until few weights are far off (Badri & Shaji 2023). Looks at no data.

    Attributes:
        p: exponent of the error that is made small, below 1: outliers count little.
        beta: weight of the quadratic term at the start.
        kappa: what it is multiplied with at each iteration.
        iterations: of the solver.
        scales: solve for the scales too, which the authors leave as they are.
        integer_zeros: round the zero points that it finds, as integer runtimes want them. Most of what they win is less
            than half a step, and lost with that.
    """

    stage = "grid"
    pace = "live"
    title = "HQQ"
    about = (
        "Moves the zero point of each affine row or group so that most weights come out right, at the cost of a few "
        "outliers. It needs no data. Its zero points are not integers, and few runtimes take such."
    )
    caution = NO_GUARD
    cures = "too few bits"
    source = "Badri & Shaji, Mobius Labs 2023 (Half-Quadratic Quantization of Large Machine Learning Models)"

    p: float = 0.7
    beta: float = 10.0
    kappa: float = 1.01
    iterations: int = 20
    scales: bool = False
    integer_zeros: bool = False

    @property
    def looks_at_data(self) -> bool:
        """Weights are all it looks at."""
        return False


class AwqClip(BaseFix, frozen=True, tag="awq-clip"):
    """Search for the clip range of each row or group that changes the layer's output least (Lin et al. 2023).

    Attributes:
        steps: into how many the largest magnitude is divided.
        shrink: by which part of it a range shrinks at most.
    """

    stage = "grid"
    pace = "seconds"
    title = "AWQ's clip search"
    about = (
        "Tries smaller ranges for each row or group of weights and keeps the one that changes the layer's output on "
        "calibration data least: the largest weights are clipped where finer steps for the others are worth more."
    )
    cures = "too few bits"
    source = "Lin et al., MLSys 2024 (arXiv:2306.00978)"

    steps: int = 20
    shrink: float = 0.5


class LearnedClipping(BaseFix, frozen=True, tag="lwc"):
    """Learn how strongly each row or group is clipped at either end (OmniQuant, Shao et al. 2023).

    Attributes:
        iterations: steps of gradient descent.
        rate: learning rate of Adam.
        start: the strengths' logits at the start: sigmoid(4) = 0.98 of the range.
    """

    stage = "grid"
    pace = "minutes"
    title = "Learned clipping"
    about = (
        "Learns by gradient descent how far either end of each row's or group's range is drawn in, so that the layer's "
        "output on calibration data changes least. A row that this does not help keeps its own range."
    )
    cures = "too few bits"
    source = "Shao et al., ICLR 2024 (OmniQuant, arXiv:2308.13137)"

    iterations: int = 300
    rate: float = 0.01
    start: float = 4.0
