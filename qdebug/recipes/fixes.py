"""The fixes a recipe can ask for, each with its parameters. What they do lives in ``qdebug.methods``."""

from __future__ import annotations

import msgspec


class _Fix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method"):
    """What every fix shares: it is a value, and its name stands under ``method``."""


class CrossLayerEqualization(_Fix, frozen=True, tag="cle"):
    """Equalize the channel ranges of neighbouring layers (Nagel et al. 2019, section 4.1).

    Attributes:
        iterations: sweeps over all pairs; the ranges converge geometrically.
    """

    iterations: int = 20


class BiasCorrection(_Fix, frozen=True, tag="bias-correction"):
    """Take the mean error of each output channel out of the bias (Nagel et al. 2019, section 4.2, from data)."""


class SmoothQuant(_Fix, frozen=True, tag="smoothquant"):
    """Move activation outliers into the weights that follow a normalization (Xiao et al. 2023).

    Attributes:
        alpha: migration strength, 0 leaves the activations alone, 1 flattens them entirely.
    """

    alpha: float = 0.5


Fix = CrossLayerEqualization | BiasCorrection | SmoothQuant

BY_NAME: dict[str, type[CrossLayerEqualization] | type[BiasCorrection] | type[SmoothQuant]] = {
    str(kind.__struct_config__.tag): kind for kind in (CrossLayerEqualization, BiasCorrection, SmoothQuant)
}


def name_of(fix: Fix) -> str:
    """The fix's name on the command line and in files, such as ``cle``."""
    return str(fix.__struct_config__.tag)
