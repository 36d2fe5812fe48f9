"""Which function does what a fix asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qdebug.graph import Layer
from qdebug.methods.adaquant import round_by_adaquant
from qdebug.methods.adaround import round_by_adaround
from qdebug.methods.bench import Bench, refusal
from qdebug.methods.brecq import round_by_brecq
from qdebug.methods.clip_search import search_clips
from qdebug.methods.gpfq import round_by_gpfq
from qdebug.methods.gptq import round_by_gptq
from qdebug.methods.hqq import move_zero_points, why_not_hqq
from qdebug.methods.incoherence import round_rotated, without_rotation
from qdebug.methods.inputs import design_of
from qdebug.methods.ldlq import round_by_ldlq
from qdebug.methods.learned_clipping import learn_clips, without_learning
from qdebug.methods.low_rank import compensate, without_factors
from qdebug.methods.outliers import keep_outliers, without_channels
from qdebug.methods.ranges import without_ranges
from qdebug.methods.svdquant import split_off, without_branch
from qdebug.methods.training.qat import train_quantized, without_training
from qdebug.methods.wanda import prune_by_inputs, without_mask
from qdebug.recipes.fixes import (
    AdaQuant,
    AdaRound,
    AwqClip,
    BaseFix,
    Brecq,
    Gpfq,
    Gptq,
    Hadamard,
    Hqq,
    Ldlq,
    LearnedClipping,
    LowRank,
    Outliers,
    Qat,
    SvdQuant,
    Wanda,
)


@dataclass(frozen=True)
class Method:
    """A fix at work on quantized weights.

    Attributes:
        run: takes the bench as earlier fixes left it, and the fix; hands back another bench.
        why_not: why a layer of the bench is not treated; None where it is.
        version: of the numbers it gives; what was kept of another one is computed anew.
    """

    run: Callable[[Bench, Any], Bench]
    why_not: Callable[[Bench, Layer], str | None]
    version: int = 1


def without_rows(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's weight cannot be rounded by what its inputs say; None where it can."""
    if design_of(bench.engine, layer) is None:
        return (
            "what its weight multiplies is not known here (a convolution over three axes, a transposed one with groups)"
        )
    return refusal(bench.quants[layer.step].plan.weight)


def on_a_grid(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's weight has no neighbouring levels to choose between; None where it has."""
    if layer.kind == "embedding":
        return "its rows are looked up, not multiplied"
    return refusal(bench.quants[layer.step].plan.weight)


METHODS: dict[type[BaseFix], Method] = {
    Hadamard: Method(round_rotated, without_rotation),
    Outliers: Method(keep_outliers, without_channels),
    SvdQuant: Method(split_off, without_branch),
    Wanda: Method(prune_by_inputs, without_mask),
    Hqq: Method(move_zero_points, why_not_hqq, version=2),
    AwqClip: Method(search_clips, without_ranges),
    LearnedClipping: Method(learn_clips, without_learning),
    Gptq: Method(round_by_gptq, without_rows),
    Gpfq: Method(round_by_gpfq, without_rows),
    AdaRound: Method(round_by_adaround, without_rows),
    AdaQuant: Method(round_by_adaquant, without_rows, version=2),
    Brecq: Method(round_by_brecq, on_a_grid),
    Ldlq: Method(round_by_ldlq, without_rows),
    LowRank: Method(compensate, without_factors),
    Qat: Method(train_quantized, without_training, version=2),
}
