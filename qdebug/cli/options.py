"""The options that verbs share, and the recipe they spell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import get_args

import msgspec

from qdebug.errors import UsageError, near
from qdebug.formats import find, split_name
from qdebug.recipes import (
    Fix,
    LayerPlan,
    Recipe,
    TensorPlan,
    load,
    matching,
    parse_activation_format,
    parse_fix,
    parse_format,
    parse_weight_format,
    preset,
    set_layers,
)
from qdebug.recipes.check import range_methods
from qdebug.recipes.fixes import name_of
from qdebug.recipes.plan import ChosenRange
from qdebug.results import LayerInfo

PRESET = "w8a8"


METRIC = (
    "what recipes are judged by: accuracy, top5 (any number), perplexity, agreement, cosine, sqnr, mse (to the data's "
    "target, else to the float output), or a function of your own, path/to/file.py:function, which is run; by default "
    "what fits the data"
)


def add_model(parser: argparse.ArgumentParser, *, needed: bool = True, judged: bool = True) -> None:
    """Declare the model and its data, and what it is judged by where that matters."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs=None if needed else "?",
        help="a sample's name, or the path of an .onnx file, of a Hugging Face folder, or of a .pt2 file of your own",
    )
    parser.add_argument(
        "--data", metavar="D",
        help="evaluation data: .npz (the model's inputs, labels or target); .jsonl or .txt for a Hugging Face folder; "
        "samples bring theirs",
    )  # fmt: skip
    parser.add_argument("--calib", metavar="C", help="calibration data; without it, the first 256 samples of D")
    parser.add_argument("--train", metavar="T", help="data for fixes that train; without it C, never D")
    if judged:
        parser.add_argument("--metric", metavar="M", help=METRIC)
        add_windows(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def add_windows(parser: argparse.ArgumentParser) -> None:
    """Declare how a language model's texts are cut."""
    parser.add_argument(
        "--window", metavar="N", type=int, help="tokens of the windows that a language model's texts are cut into (512)"
    )
    parser.add_argument("--tokens", metavar="N", type=int, help="how many of these tokens are used at most (32768)")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Declare what spells a recipe."""
    group = parser.add_argument_group("recipe")
    base = group.add_mutually_exclusive_group()
    base.add_argument("--recipe", metavar="R", help="a recipe file (YAML or JSON)")
    base.add_argument(
        "--preset",
        metavar="P",
        help=f"w8a8, w8a8-pc, w4g32a16 …: one plan for all layers; w8a8-pc-all: between layers too, and int32 biases "
        f"(default: {PRESET}, or the recipe in a quantized .onnx file)",
    )
    group.add_argument(
        "--weight-format", metavar="F",
        help="replaces the default plan's weights: int4g32, int8-pc, nf4, mxfp4, q4_k; evaluate ranks several (a,b)",
    )  # fmt: skip
    group.add_argument(
        "--activation-format", metavar="F", help="replaces its activations: int8, int8-tok, fp8_e4m3fn, bf16 …"
    )
    group.add_argument(
        "--range", metavar="METHOD", help=f"how clip ranges are chosen: {', '.join(get_args(ChosenRange))}"
    )
    group.add_argument(
        "--set",
        metavar="GLOB=PLAN",
        action="append",
        default=[],
        help="plan of the layers that match, such as 'blocks.*=w4a16', 'head=int8' or 'head=nf4/fp16'; repeatable",
    )
    group.add_argument(
        "--fix", metavar="A,B", help="fixes in order, name[:key=value…]: cle,smoothquant:alpha=0.6,bias-correction"
    )


def base_recipe(options: argparse.Namespace, own: Recipe | None = None) -> Recipe:
    """The recipe that the options spell, but for ``--set``, which needs the model's layers.

    Args:
        options: the options.
        own: the recipe in the model, where it was quantized already: what is looked at where no other is asked for.

    Raises:
        QDebugError: an option names what does not exist; the message lists near names.
    """
    named = (options.recipe, options.preset, options.weight_format, options.activation_format, options.range)
    if own is not None and not any(named):
        recipe = own
    else:
        recipe = load(options.recipe) if options.recipe else preset(options.preset or PRESET)
    default = recipe.default
    if options.weight_format is not None:
        default = msgspec.structs.replace(default, weight=parse_weight_format(options.weight_format))
    if options.activation_format is not None:
        default = msgspec.structs.replace(default, activation=parse_activation_format(options.activation_format))
    if options.range:
        default = _with_range(default, range_method(options.range))
    for setting in options.set:
        _split(setting, default)
    fixes = () if options.fix is None else parse_fixes(options.fix)
    kept = tuple(fix for fix in recipe.fixes if name_of(fix) not in map(name_of, fixes))
    return msgspec.structs.replace(recipe, default=default, fixes=kept + fixes)


def with_layers(recipe: Recipe, options: argparse.Namespace, layers: Sequence[LayerInfo]) -> Recipe:
    """The recipe with what ``--set`` says, later ones over earlier ones.

    Raises:
        RecipeError: a pattern that matches no layer.
    """
    kinds = {layer.name: layer.kind for layer in layers}
    for setting in options.set:
        pattern, plan = _split(setting, recipe.default)
        if options.range:
            plan = _with_range(plan, range_method(options.range))
        # Embeddings have no activation to quantize.
        weights_only = LayerPlan(weight=plan.weight)
        chosen = {name: weights_only if kinds[name] == "embedding" else plan for name in matching(pattern, kinds)}
        recipe = set_layers(recipe, chosen)
    return recipe


def parse_fixes(text: str) -> tuple[Fix, ...]:
    """Fixes from ``cle,smoothquant:alpha=0.6``.

    Raises:
        MethodError: no such fix or parameter.
        UsageError: one is named twice.
    """
    fixes = tuple(parse_fix(part) for part in text.split(","))
    names = [name_of(fix) for fix in fixes]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--fix names '{name}' twice", do="Leave one of them out.")
    return fixes


def range_method(text: str) -> ChosenRange:
    """A range method by name.

    Raises:
        UsageError: there is none of that name.
    """
    for known in get_args(ChosenRange):
        if text.replace("-", "_") == known:
            return known
    raise UsageError(f"There is no range method '{text}'", do=near(text, get_args(ChosenRange)))


def _with_range(plan: LayerPlan, method: ChosenRange) -> LayerPlan:
    def chosen(tensor: TensorPlan, method: ChosenRange) -> TensorPlan:
        able = not find(tensor.format).is_cast and method in range_methods(tensor)
        return msgspec.structs.replace(tensor, range=method) if able else tensor

    # A moving average is one over batches, and a weight comes in none.
    weight = chosen(plan.weight, "minmax" if method == "moving_average" else method)
    return LayerPlan(weight=weight, activation=chosen(plan.activation, method))


def _split(setting: str, default: LayerPlan) -> tuple[str, LayerPlan]:
    """Pattern and plan. A plan is ``w4a16``, or a weight format, or weight and activation format apart by a slash."""
    pattern, equals, text = setting.rpartition("=")
    if not equals or not pattern:
        raise UsageError(f"--set '{setting}' is not GLOB=PLAN", do="Write for instance --set 'blocks.*=w4a16'.")
    plan = parse_format(text)
    inputs_as_before = "/" not in text and split_name(text.strip().lower()) is not None
    return pattern, msgspec.structs.replace(plan, activation=default.activation) if inputs_as_before else plan
