"""What a plan may say: checks that need no model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import get_args

from qdebug.errors import RecipeError
from qdebug.formats import Block, Codebook, Gguf, Integer, QFormat, Table, find
from qdebug.recipes.plan import ChosenRange, TensorPlan
from qdebug.recipes.sparsity import LARGEST, parse_sparsity

Complaint = tuple[str, str]
"""What is wrong, and what to do."""

SCALED_RANGES: tuple[ChosenRange, ...] = ("minmax", "moving_average", "percentile")
"""Range methods that any format with a scale can have; the others are about the steps of a uniform grid."""


def check_tensor_plan(plan: TensorPlan, tensor: str, where: str, file: str | None = None) -> None:
    """Refuse a plan that contradicts itself.

    Args:
        plan: the plan.
        tensor: ``weight`` or ``activation``.
        where: its place in the recipe, for the message.
        file: the recipe's file, for the message.

    Raises:
        RecipeError: an unknown format, a granularity the tensor cannot have, or a range that is no range.
    """
    form = find(plan.format)
    for complaints in (
        _sharing(plan, form),
        _side(plan, form, tensor),
        _range(plan, form),
        _storage(plan, form, tensor),
        _reduction(plan, form, tensor),
    ):
        for what, do in complaints:
            raise RecipeError(f"{where}: {what}", file=file, do=do)


def _sharing(plan: TensorPlan, form: QFormat) -> Iterator[Complaint]:
    """Which values share a scale."""
    if plan.granularity == "group" and plan.group_size < 1:
        yield "granularity 'group' without a group_size", "Give group_size, for instance 32."
    if plan.granularity != "group" and plan.group_size:
        yield (
            f"group_size with granularity '{plan.granularity}'",
            "Set granularity to group, or leave group_size out.",
        )
    if plan.granularity == "block" and not (plan.block and min(plan.block) >= 1):
        yield "granularity 'block' without a block", "Give block, for instance [128, 128]."
    if plan.granularity != "block" and plan.block:
        yield f"block with granularity '{plan.granularity}'", "Set granularity to block, or leave block out."
    if plan.granularity != "tensor":
        if form.own_blocks:
            yield f"{form.name} says itself which values share a scale", "Leave granularity out."
        if form.is_cast:
            yield f"{form.name} has no scale", "Leave granularity out."
        if isinstance(form, Codebook) and plan.granularity != "channel":
            yield f"{form.name} has one codebook per tensor or channel", "Use granularity tensor or channel."
        if isinstance(form, Table) and form.rule != "absmax" and plan.granularity == "block":
            yield f"{form.name} has no tiles", "Use tensor, channel or group."
    if not plan.symmetric and not form.is_integer and not form.is_cast:
        yield f"{form.name} has no zero point", "Leave symmetric out."


def _side(plan: TensorPlan, form: QFormat, tensor: str) -> Iterator[Complaint]:
    """Weight or activation."""
    if tensor == "weight" and (plan.granularity == "token" or plan.dynamic):
        yield "weights have no tokens and no dynamic range", "Use tensor, channel, group or block."
    if tensor == "activation" and plan.granularity in ("channel", "group", "block"):
        yield f"activations cannot have one scale per {plan.granularity}", "Use tensor or token."
    if tensor == "activation" and not form.for_activations:
        yield f"{form.name} is a format for weights", "Use an integer, a float, an MX format or nvfp4."
    if plan.dynamic and (form.is_cast or form.own_blocks):
        yield f"{form.name} has no range to be dynamic", "Leave dynamic out."


def _range(plan: TensorPlan, form: QFormat) -> Iterator[Complaint]:
    """How the range is found."""
    dynamic = plan.granularity == "token" or plan.dynamic
    if plan.range == "stored":
        if dynamic or not has_stored(form) or plan.clip is not None:
            yield "range 'stored' on what has no scales that a file could fix", "Leave range out."
    elif plan.range not in range_methods(plan):
        yield _why_not(plan, form)
    if plan.clip is not None:
        low, high = plan.clip
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            yield f"clip range [{low}, {high}] is empty or not finite", "Give [clip_min, clip_max], the smaller first."
        if low > 0 or high < 0:
            yield f"clip range [{low}, {high}] leaves out zero", "Zero must stay representable; include it."
        if dynamic:
            yield "a hand-set clip range on a dynamic tensor", "Make it static, or leave the clip range out."
        if not has_range(form):
            yield f"a clip range on {plan.format}", "Only integers, small floats and tables such as nf4 have one."
    if not 50.0 < plan.percentile <= 100.0:
        yield f"percentile {plan.percentile} is outside (50, 100]", "Use for instance 99.99."


def range_methods(plan: TensorPlan) -> tuple[ChosenRange, ...]:
    """The range methods that a plan can have, with its format and granularity."""
    form = find(plan.format)
    if form.is_cast:
        return get_args(ChosenRange)  # there is no range, and nothing to go wrong
    if plan.dynamic or plan.granularity in ("token", "block") or not has_range(form):
        return ("minmax",)
    if not isinstance(form, Integer):
        return SCALED_RANGES
    return tuple(one for one in get_args(ChosenRange) if one != "entropy" or plan.granularity != "group")


def _why_not(plan: TensorPlan, form: QFormat) -> Complaint:
    """Why a plan cannot have its range method."""
    if plan.granularity == "token" or plan.dynamic:
        return (
            f"range '{plan.range}' on a dynamic tensor, whose range is that of the values at hand",
            "Leave range out, or make it static (tensor granularity, dynamic: false).",
        )
    if not has_range(form):
        return f"range '{plan.range}' on {form.name}, which chooses no range", "Leave range out."
    if plan.granularity == "block":
        return f"range '{plan.range}' with tiles", "Leave range out: tiles take their min-max."
    if not isinstance(form, Integer):
        return f"range '{plan.range}' on {form.name}", f"Only integers have it; use {', '.join(SCALED_RANGES)}."
    return (
        "range 'entropy' with granularity 'group': a group has too few values to compare distributions",
        "Use octav or mse, or granularity tensor or channel.",
    )


def _storage(plan: TensorPlan, form: QFormat, tensor: str) -> Iterator[Complaint]:
    """Rounding and the storage of scales."""
    if plan.rounding != "half_even" and not rounds(form):
        yield f"rounding '{plan.rounding}' on {form.name}, whose own rule says how to round", "Leave rounding out."
    if not 0 <= plan.seed < 2**31:
        yield f"seed {plan.seed} is outside 0 … 2^31 − 1", "Use a small whole number."
    if plan.scale_format is not None:
        if not has_range(form):
            yield f"scale_format on {form.name}, whose scales are its own affair", "Leave scale_format out."
        if plan.scale_format == "double" and (tensor == "activation" or plan.granularity == "tensor"):
            yield (
                "double quantization of one scale",
                "Use it with weights that have a scale per channel, group or tile.",
            )


def _reduction(plan: TensorPlan, form: QFormat, tensor: str) -> Iterator[Complaint]:
    """Pruned weights, and weights of two factors."""
    if plan.is_reduced and tensor == "activation":
        yield "an activation is neither pruned nor factorized", "Leave sparsity and rank to weights."
    if plan.is_reduced and plan.range == "stored":
        yield "range 'stored' on a weight that is pruned or factorized", "Choose another range, such as minmax."
    if plan.sparsity is not None and plan.rank:
        yield "both sparsity and rank", "Choose one of them."
    if plan.sparsity is not None and parse_sparsity(plan.sparsity) is None:
        yield f"sparsity '{plan.sparsity}'", f"Write '2:4', N:M up to {LARGEST}, or '50%', in quotes."
    if plan.sparsity is not None and not has_zero(form):
        yield f"sparsity on {form.name}, which has no exact zero for what is pruned", "Use integers, floats or nf4."
    if plan.rank < 0:
        yield f"rank {plan.rank}", "Use a positive whole number, or 0 for none."
    if plan.rank and isinstance(form, (Gguf, Codebook)):
        yield f"rank on {form.name}, whose blocks are made for whole rows", "Use integers, floats or nf4."
    if plan.rank and plan.clip is not None:
        yield "a hand-set clip range on a weight of two factors", "Leave one of them out."


def has_zero(form: QFormat) -> bool:
    """Whether zero is among a format's numbers whatever its scales are, so that what is pruned stays pruned."""
    if isinstance(form, Table):
        return form.rule in ("absmax", "twn", "absmean") and 0.0 in form.levels
    return not isinstance(form, (Gguf, Codebook))


def has_range(form: QFormat) -> bool:
    """Whether scales come from a range that is chosen: integers, small floats, tables such as nf4."""
    return form.needs_scale and not form.own_blocks and not (isinstance(form, Table) and form.rule != "absmax")


def has_stored(form: QFormat) -> bool:
    """Whether scales can come with a model's file: values then go to the nearest level at these scales."""
    return has_range(form) or isinstance(form, Block)


def rounds(form: QFormat) -> bool:
    """Whether a value goes to one of its two neighbours on the grid, so that one can say to which."""
    return (form.name != "fp32" and form.family in ("integer", "float", "block")) or has_range(form)
