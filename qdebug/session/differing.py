"""Layers that two recipes treat differently."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from qdebug.engine import Work
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.recipes import BiasCorrection, Fix, LayerPlan, Recipe, TensorPlan
from qdebug.recipes.attention import in_words
from qdebug.recipes.fixes import name_of
from qdebug.results import LayerDifference, LayerSide
from qdebug.session.prepare import Preparer
from qdebug.session.tables import Local, Tables

_IN_LABEL = ("format", "granularity", "group_size", "block", "sparsity", "rank")
"""What of a tensor's plan its label says."""

Fixes = tuple[Fix, ...]


def layer_differences(
    preparer: Preparer, tables: Tables, a: Recipe, b: Recipe, work: Work
) -> tuple[LayerDifference, ...]:
    """The layers whose plan differs or that other fixes touch, each measured alone under both recipes.

    A fix touches the layers whose weight or bias it changes: of an equalization that is measured and taken back, or of
    factors that are no better than none, there are none. A layer downstream of one is not touched.
    """
    touched = [fixes_by_layer(preparer, recipe, work) for recipe in (a, b)]
    chosen = [
        layer
        for layer in preparer.subject.layers
        if a.plan_for(layer.name, layer.kind) != b.plan_for(layer.name, layer.kind)
        or touched[0][layer.name] != touched[1][layer.name]
    ]
    found: list[LayerDifference] = []
    for done, layer in enumerate(chosen):
        work.step(done, len(chosen), f"measuring {layer.name}")
        plans = a.plan_for(layer.name, layer.kind), b.plan_for(layer.name, layer.kind)
        more = other_fields(*plans, embedding=layer.kind == "embedding")
        sides = [
            _side(layer, plan, words, fixes[layer.name], tables.local(recipe, layer, work))
            for recipe, plan, words, fixes in zip((a, b), plans, more, touched, strict=True)
        ]
        found.append(LayerDifference(name=layer.name, op=layer.op, a=sides[0], b=sides[1]))
    return tuple(found)


def between_layers(a: Recipe, b: Recipe) -> tuple[tuple[str, str], ...]:
    """What differs between layers and in biases, in words for each side."""
    found = []
    if a.between != b.between:
        more = _words(a.between, b.between, "")
        found.append(
            tuple(
                f"values between layers {' '.join((plan.label, *words))}"
                for plan, words in zip((a.between, b.between), more, strict=True)
            )
        )
    if a.bias != b.bias:
        found.append((f"biases {a.bias}", f"biases {b.bias}"))
    if a.attention != b.attention:
        found.append(tuple(f"attention: {', '.join(in_words(one.attention)) or 'float'}" for one in (a, b)))
    return tuple((one, two) for one, two in found)


def _side(layer: Layer, plan: LayerPlan, more: tuple[str, ...], fixes: Fixes, local: Local) -> LayerSide:
    return LayerSide(
        weight=plan.weight.label, activation=None if layer.kind == "embedding" else plan.activation.label, more=more,
        fixes=tuple(map(notation, fixes)), weight_sqnr_db=local.weight.sqnr_db if local.weight else None,
        activation_sqnr_db=local.activation.sqnr_db if local.activation else None,
        output_sqnr_db=local.output.sqnr_db,
    )  # fmt: skip


def fixes_by_layer(preparer: Preparer, recipe: Recipe, work: Work) -> dict[str, Fixes]:
    """The fixes of a recipe that touch each layer, in order."""
    touched = [(fix, _touched(preparer, recipe, fix, work)) for fix in recipe.fixes]
    return {
        layer.name: tuple(fix for fix, names in touched if layer.name in names) for layer in preparer.subject.layers
    }


def _touched(preparer: Preparer, recipe: Recipe, fix: Fix, work: Work) -> set[str]:
    """The layers whose weight or bias an equivalent fix has changed; of other fixes, those that they treat."""
    layers = preparer.subject.layers
    if fix.stage == "equivalent":
        changed = preparer.rewrites.changed(recipe, fix, work)
        return {layer.name for layer in layers if not changed.isdisjoint({layer.weight, layer.bias})}
    if isinstance(fix, BiasCorrection):
        return {layer.name for layer in layers if _is_quantized(recipe, layer)}
    return {layer.name for layer, refused in preparer.repairs.places(recipe, fix) if refused is None}


def _is_quantized(recipe: Recipe, layer: Layer) -> bool:
    plan = recipe.plan_for(layer.name, layer.kind)
    return layer.kind != "embedding" and not (plan.weight.is_float32 and plan.activation.is_float32)


def other_fields(a: LayerPlan, b: LayerPlan, *, embedding: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What differs between two plans besides what their labels say, in words for each side."""
    weight = _words(a.weight, b.weight, "weight ")
    activation = ((), ()) if embedding else _words(a.activation, b.activation, "input ")
    return weight[0] + activation[0], weight[1] + activation[1]


def _words(a: TensorPlan, b: TensorPlan, tensor: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [name for name in a.__struct_fields__ if name not in _IN_LABEL and getattr(a, name) != getattr(b, name)]
    if a.is_float32 or b.is_float32:  # a float has no range, no zero point and no rounding to compare
        return (), ()
    if not (find(a.format).is_integer and find(b.format).is_integer):  # only integers have a zero point
        names = [name for name in names if name != "symmetric"]
    return tuple(f"{tensor}{_said(name, a)}" for name in names), tuple(f"{tensor}{_said(name, b)}" for name in names)


def _said(name: str, plan: TensorPlan) -> str:
    """One field of a plan in words."""
    value = getattr(plan, name)
    words: dict[str, Callable[[], str]] = {
        "symmetric": lambda: "symmetric" if value else "affine",
        "dynamic": lambda: "dynamic" if value else "static",
        "clip": lambda: "no hand-set range" if value is None else f"range {value[0]:.3g} to {value[1]:.3g}",
        "range": lambda: f"range {value}",
        "rounding": lambda: f"rounding {value}",
        "scale_format": lambda: f"scales {value or 'fp32'}",
    }
    return words.get(name, lambda: f"{name} {value:g}")()


def notation(fix: Fix) -> str:
    """A fix as the command line spells it, parameters that are not the default's behind its name.

    >>> from qdebug.recipes import BiasCorrection, CrossLayerEqualization, SmoothQuant
    >>> notation(SmoothQuant(alpha=0.6)), notation(SmoothQuant())
    ('smoothquant:alpha=0.6', 'smoothquant')
    >>> notation(CrossLayerEqualization(guard=False)), notation(BiasCorrection(means="batch-norm"))
    ('cle:guard=false', 'bias-correction:means=batch-norm')
    """
    usual = type(fix)()
    changed = {name: value for name, value in msgspec.structs.asdict(fix).items() if value != getattr(usual, name)}
    return ":".join([name_of(fix), *(f"{name}={_spelled(value)}" for name, value in changed.items())])


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
