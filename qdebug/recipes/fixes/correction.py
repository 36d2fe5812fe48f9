"""Fixes that measure what is left and take it out of the biases."""

from __future__ import annotations

from typing import Literal

from qdebug.recipes.fixes.base import BaseFix


class BiasCorrection(BaseFix, frozen=True, tag="bias-correction"):
    """Take the mean error of each output channel out of the bias (Nagel et al. 2019, section 4.2).

    Attributes:
        means: where they come from: measured on calibration data, or worked out from batch normalizations without data,
            where the model still has these when it is opened.
    """

    stage = "correction"
    pace = "live"
    title = "Bias correction"
    about = (
        "Measures each output channel's mean error on calibration data and takes it out of the bias, layer by layer, "
        "or works it out without data from what batch normalizations say of a layer's input. "
        "The float network does not keep what it computes: the correction belongs to the formats it was measured with."
    )
    cures = "biased error"
    source = "Nagel et al., ICCV 2019 (arXiv:1906.04721)"

    means: Literal["data", "batch-norm"] = "data"

    @property
    def looks_at_data(self) -> bool:
        """Where the means come from."""
        return self.means == "data"
