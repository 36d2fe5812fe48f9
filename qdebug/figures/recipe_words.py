"""Recipes in a few words: the short name of a plan, a title, and pills. In whole sentences: ``recipe_facts``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import msgspec

from qdebug.figures.colours import precision
from qdebug.figures.numbers import three
from qdebug.formats import find
from qdebug.recipes import (
    AttentionPlan,
    BiasCorrection,
    CrossLayerEqualization,
    Fix,
    LayerPlan,
    Recipe,
    SmoothQuant,
    TensorPlan,
    parse_plan,
    preset,
)  # fmt: skip

Tensor = Literal["weight", "activation"]
PRESETS: dict[str, str] = {
    "w8a8": "w8a8, per tensor",
    "w8a8-pc": "w8a8-pc, per channel",
    "w8a8-pc-all": "w8a8-pc-all, all integers",
    "w8a16": "w8a16",
    "w4a8": "w4a8, per tensor",
    "w4a8-pc": "w4a8-pc, per channel",
    "w4g32a16": "w4g32a16, groups of 32",
    "w4g32a8": "w4g32a8, groups of 32",
    "w4a16": "w4a16, per tensor",
    "w16a16": "w16a16, fp16",
    "w32a32": "w32a32, float",
}
COMPRESSED: dict[str, str] = {
    "w8a8-pc@2:4": "w8a8-pc@2:4, two of four weights kept",
    "w8a8-pc@50%": "w8a8-pc@50%, half of the weights pruned",
    "w8a8-pc@r8": "w8a8-pc@r8, two factors of rank 8",
}
"""Weights with fewer numbers, beside presets of formats."""

NAMES = ("Hadamard", "Wanda")
"""First words of titles that are names, though written like other words."""
_STORED = {
    "fp16": " fp16 scales",
    "bf16": " bf16 scales",
    "fp32": " fp32 scales",
    "e8m0": " 2ⁿ scales",
    "double": " dq",
}
_ROUNDED = {"half_away": " away", "stochastic": " stochastic", "floor": " floor"}


@dataclass(frozen=True, slots=True)
class Pill:
    """A few words and the precision class that colours them; empty for none."""

    text: str
    precision: str = ""


def label_of(plan: TensorPlan, tensor: Tensor) -> str:
    """The short name of a plan, with whatever departs from what is usual for that tensor."""
    unusual = " dyn" if plan.dynamic and plan.granularity != "token" else ""
    if find(plan.format).is_integer:
        sign = " sym" if tensor == "activation" and plan.symmetric else ""
        unusual = sign + (" affine" if tensor == "weight" and not plan.symmetric else "") + unusual
    return plan.label + unusual + _STORED.get(plan.scale_format or "", "") + _ROUNDED.get(plan.rounding, "")


def short_name(plan: LayerPlan) -> str | None:
    """The short notation of a plan, whatever its ranges; None where there is none.

    >>> from qdebug.recipes import parse_plan
    >>> short_name(parse_plan("w4g32a16"))
    'w4g32a16'
    >>> short_name(parse_plan("w8a8-pc@2:4"))
    'w8a8-pc@2:4'
    """
    bare = _bare_layer(plan)
    weight, activation = find(plan.weight.format).bits, find(plan.activation.format).bits
    group = f"g{plan.weight.group_size}" if plan.weight.granularity == "group" else ""
    less = f"@{plan.weight.sparsity}" if plan.weight.sparsity else f"@r{plan.weight.rank}" if plan.weight.rank else ""
    for end in ("", "-pc", "-dyn", "-tok", "-pc-dyn", "-pc-tok"):
        text = f"w{weight}{group}a{activation}{end}{less}"
        if parse_plan(text) == bare:
            return text
    return None


def preset_of(recipe: Recipe) -> str | None:
    """The preset that gives all layers what a recipe gives them, whatever its ranges, attention and fixes, or None."""
    if recipe.layers or not recipe.embeddings.is_float32:
        return None
    for text in PRESETS:
        one = preset(text)
        same = _bare_layer(one.default) == _bare_layer(recipe.default) and one.bias == recipe.bias
        if same and _bare(one.between) == _bare(recipe.between):
            return text
    return None


def written(recipe: Recipe) -> str | None:
    """What one would write to get a recipe, fixes aside; None where a name is not enough."""
    own = recipe.layers or not recipe.embeddings.is_float32
    name = None if own else short_name(recipe.default)
    if name is None:
        return None
    one = preset(name)
    same = one.bias == recipe.bias and _bare(one.between) == _bare(recipe.between)
    return name if same and one.attention == recipe.attention else None


def _bare_layer(plan: LayerPlan) -> LayerPlan:
    return LayerPlan(_bare(plan.weight), _bare(plan.activation))


def plan_in_words(plan: LayerPlan) -> str:
    """A layer plan in a few words, short notation first."""
    name = short_name(plan)
    return name or f"{label_of(plan.weight, 'weight')} / {label_of(plan.activation, 'activation')}"


def inside(title: str) -> str:
    """A title as it stands inside a sentence: ``cross-layer equalization``, but ``SmoothQuant``.

    A name keeps its capital: ``Hadamard rotation``.
    """
    named = title.startswith(NAMES) or title[1:] != title[1:].lower()
    return title if named else title[:1].lower() + title[1:]


def fix_in_words(fix: Fix) -> str:
    """A fix in a few words."""
    match fix:
        case CrossLayerEqualization():
            return "CLE"
        case SmoothQuant(search=True):
            return "SmoothQuant α searched"
        case BiasCorrection(means=means):
            return "bias correction" if means == "data" else "bias correction without data"
        case SmoothQuant(alpha=alpha):
            return f"SmoothQuant α {three(alpha)}"
        case _:
            return fix.title


def recipe_pills(recipe: Recipe) -> tuple[Pill, ...]:
    """The whole recipe in a few pills: the default, counts of the exceptions, clip ranges, the fixes in order."""
    name = plan_in_words(recipe.default)
    more = {"tensor": " per tensor"}.get(recipe.default.weight.granularity, "") if name.startswith("w8") else ""
    pills = [Pill(name + more, precision(recipe.default.weight.format))]
    pills += [Pill(f"{number} × {text}", precision(text)) for text, number in _exceptions(recipe).items()]
    clips = sum(one.clip is not None for _, plan in recipe.layers for one in (plan.weight, plan.activation))
    if clips:
        pills.append(Pill(f"{clips} × hand-set clip"))
    if not recipe.embeddings.is_float32:
        pills.append(Pill(f"embeddings {row_words(recipe.embeddings)}", precision(recipe.embeddings.format)))
    if not recipe.between.is_float32:
        pills.append(Pill(f"{label_of(recipe.between, 'activation')} between layers", precision(recipe.between.format)))
    if recipe.bias == "int32":
        pills.append(Pill("int32 biases"))
    pills += _attention(recipe.attention)
    ranges = _ranges(recipe)
    if ranges != {"minmax"}:
        pills.append(Pill(f"{ranges.pop().replace('_', ' ')} ranges" if len(ranges) == 1 else "mixed ranges"))
    return (*pills, *(Pill(fix_in_words(fix)) for fix in recipe.fixes))


def _attention(plan: AttentionPlan) -> list[Pill]:
    """What of attention is quantized; the cache in one pill where keys and values have one format."""
    named = [("keys", plan.keys), ("values", plan.values), ("scores", plan.scores), ("probabilities", plan.probs)]
    if plan.has_cache and plan.keys.format == plan.values.format:
        named = [("keys and values", TensorPlan(plan.keys.format)), *named[2:]]
    pills = [Pill(f"{one.label} {name}", precision(one.format)) for name, one in named if not one.is_float32]
    return [*pills, Pill(f"newest {plan.window} tokens float")] if plan.window else pills


def _ranges(recipe: Recipe) -> set[str]:
    """How the ranges of integer tensors are found."""
    plans = (recipe.default, *(plan for _, plan in recipe.layers))
    tensors = (one for plan in plans for one in (plan.weight, plan.activation))
    return {one.range for one in tensors if find(one.format).is_integer and not one.dynamic} or {"minmax"}


def recipe_title(recipe: Recipe) -> str:
    """A recipe's name in a chart: its default, embeddings, what of attention is quantized, exceptions, fixes."""
    parts = [plan_in_words(recipe.default)]
    if not recipe.embeddings.is_float32:
        parts.append(f"embeddings {row_words(recipe.embeddings)}")
    parts += [pill.text for pill in _attention(recipe.attention)]
    if recipe.layers:
        parts.append(f"{len(recipe.layers)} set")
    return " + ".join([*parts, *(fix_in_words(fix) for fix in recipe.fixes)])


def _exceptions(recipe: Recipe) -> Counter[str]:
    found: Counter[str] = Counter()
    for _, plan in recipe.layers:
        if label_of(plan.weight, "weight") != label_of(recipe.default.weight, "weight"):
            found[label_of(plan.weight, "weight")] += 1
        if label_of(plan.activation, "activation") != label_of(recipe.default.activation, "activation"):
            found[f"{label_of(plan.activation, 'activation')} in"] += 1
    return found


def row_words(plan: TensorPlan) -> str:
    """How an embedding's table is held, in a few words: its channels are rows."""
    name = msgspec.structs.replace(plan, granularity="tensor") if plan.granularity == "channel" else plan
    return label_of(name, "weight") + (" by row" if name is not plan else "")


def _bare(plan: TensorPlan) -> TensorPlan:
    return msgspec.structs.replace(plan, range="minmax", percentile=99.99, clip=None)
