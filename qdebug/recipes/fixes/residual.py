"""Fixes that keep beside a quantized weight what its rounding has lost."""

from __future__ import annotations

from qdebug.recipes.fixes.base import NO_GUARD, BaseFix


class LowRank(BaseFix, frozen=True, tag="low-rank"):
    """Keep the best approximation of the weight's error by two thin fp16 matrices (Yao et al. 2023, section 5).

    Attributes:
        rank: columns of the first and rows of the second matrix.
        weighted: best for the layer's output on calibration data, in the place of best for the weight.
    """

    stage = "residual"
    pace = "seconds"
    title = "Low-rank compensation"
    about = (
        "Keeps what rounding took from a layer's weight, as well as two thin matrices in half precision can say it. "
        "Their product is added to the quantized weight and multiplies the same input."
    )
    caution = NO_GUARD
    cures = "too few bits"
    source = "Yao et al. 2023, ZeroQuant-V2 (arXiv:2303.08302)"

    rank: int = 8
    weighted: bool = False

    @property
    def looks_at_data(self) -> bool:
        """Only where the layer's output counts."""
        return self.weighted
