"""What a plan may say: checks that need no model."""

from __future__ import annotations

import math

from qdebug.errors import RecipeError
from qdebug.formats import find
from qdebug.recipes.plan import TensorPlan


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

    def refuse(what: str, do: str) -> None:
        raise RecipeError(f"{where}: {what}", file=file, do=do)

    if plan.granularity == "group" and plan.group_size < 1:
        refuse("granularity 'group' without a group_size", "Give group_size, for instance 32.")
    if plan.granularity != "group" and plan.group_size:
        refuse(
            f"group_size with granularity '{plan.granularity}'", "Set granularity to group, or leave group_size out."
        )
    if tensor == "weight" and (plan.granularity == "token" or plan.dynamic):
        refuse("weights have no tokens and no dynamic range", "Use tensor, channel or group.")
    if tensor == "activation" and plan.granularity in ("channel", "group"):
        refuse(f"activations cannot have one scale per {plan.granularity}", "Use tensor or token.")
    if plan.range != "minmax" and (plan.granularity == "token" or plan.dynamic):
        refuse(
            f"range '{plan.range}' on a dynamic tensor, whose range is that of the values at hand",
            "Leave range out, or make it static (tensor granularity, dynamic: false).",
        )
    if plan.range == "entropy" and plan.granularity == "group":
        refuse(
            "range 'entropy' with granularity 'group': a group has too few values to compare distributions",
            "Use octav or mse, or granularity tensor or channel.",
        )
    if plan.clip is not None:
        low, high = plan.clip
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            refuse(
                f"clip range [{low}, {high}] is empty or not finite", "Give [clip_min, clip_max], the smaller first."
            )
        if low > 0 or high < 0:
            refuse(f"clip range [{low}, {high}] leaves out zero", "Zero must stay representable; include it.")
        if plan.granularity == "token" or plan.dynamic:
            refuse("a hand-set clip range on a dynamic tensor", "Make it static, or leave the clip range out.")
        if not form.is_integer:
            refuse(f"a clip range on {plan.format}", "Only integer formats have a clip range.")
    if not 50.0 < plan.percentile <= 100.0:
        refuse(f"percentile {plan.percentile} is outside (50, 100]", "Use for instance 99.99.")
