"""The fixes a recipe can ask for, each with its parameters. What they do lives in ``qdebug.methods``."""

from __future__ import annotations

import msgspec

from qdebug.recipes.fixes.base import STAGES, BaseFix, Pace, Stage
from qdebug.recipes.fixes.basis import Hadamard, Outliers, SvdQuant, Wanda
from qdebug.recipes.fixes.correction import BiasCorrection
from qdebug.recipes.fixes.equivalent import Awq, CrossLayerEqualization, SmoothQuant
from qdebug.recipes.fixes.grid import AwqClip, Hqq, LearnedClipping
from qdebug.recipes.fixes.reconstruction import AdaQuant, AdaRound, Brecq
from qdebug.recipes.fixes.residual import LowRank
from qdebug.recipes.fixes.rounding import Gpfq, Gptq, Ldlq
from qdebug.recipes.fixes.training import Qat

Fix = (
    CrossLayerEqualization
    | SmoothQuant
    | Hadamard
    | Outliers
    | SvdQuant
    | Wanda
    | Awq
    | Hqq
    | AwqClip
    | LearnedClipping
    | Gptq
    | Gpfq
    | AdaRound
    | AdaQuant
    | Brecq
    | Ldlq
    | LowRank
    | Qat
    | BiasCorrection
)  # fmt: skip

KINDS: tuple[type[Fix], ...] = (
    CrossLayerEqualization,
    SmoothQuant,
    Hadamard,
    Outliers,
    SvdQuant,
    Wanda,
    Awq,
    Hqq,
    AwqClip,
    LearnedClipping,
    Gptq,
    Gpfq,
    AdaRound,
    AdaQuant,
    Brecq,
    Ldlq,
    LowRank,
    Qat,
    BiasCorrection,
)
"""All of them, in the order in which they are shown."""

BY_NAME: dict[str, type[Fix]] = {str(kind.__struct_config__.tag): kind for kind in KINDS}


def name_of(fix: BaseFix) -> str:
    """The fix's name on the command line and in files, such as ``cle``."""
    return str(fix.__struct_config__.tag)


def written(fix: BaseFix) -> str:
    """The fix as it is written on the command line: its name, and the parameters that are not the default ones."""
    other = {name: value for name, value in msgspec.structs.asdict(fix).items() if value != getattr(type(fix)(), name)}
    said = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in other.items()]
    return ":".join([name_of(fix), *said])


def in_order(fixes: tuple[Fix, ...]) -> tuple[Fix, ...]:
    """Fixes in the order in which they are applied: by stage, and within one as they are named."""
    return tuple(sorted(fixes, key=lambda fix: STAGES.index(fix.stage)))


__all__ = [
    "BY_NAME", "KINDS", "STAGES", "AdaQuant", "AdaRound", "Awq", "AwqClip", "BaseFix", "BiasCorrection", "Brecq",
    "CrossLayerEqualization", "Fix", "Gpfq", "Gptq", "Hadamard", "Hqq", "Ldlq", "LearnedClipping", "LowRank",
    "Outliers", "Pace", "Qat", "SmoothQuant", "Stage", "SvdQuant", "Wanda", "in_order", "name_of", "written",
]  # fmt: skip
