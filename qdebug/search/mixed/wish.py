"""What somebody wants of a mixture of formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from msgspec.structs import replace

from qdebug.errors import RecipeError, UsageError, near
from qdebug.formats import find
from qdebug.recipes import LayerPlan, Recipe, matching, parse_format, preset
from qdebug.results import LayerInfo
from qdebug.results.mixture import How, Judge, Unit
from qdebug.targets import Device, Measured, Platform

UNITS: tuple[Unit, ...] = ("bits", "bytes", "bops", "seconds", "joules")


@dataclass(frozen=True, eq=False)
class Times:
    """Seconds of layers, measured.

    Attributes:
        seconds: by layer name and plan, of one sample; a plan without is not offered.
        words: what measured them, for people.
        reasons: why a format has no time, for some layers or all.
    """

    seconds: Measured
    words: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """A search's question.

    Attributes:
        formats: name and plan of each that a layer may have.
        recipe: its function-preserving fixes come first, and what it quantizes between layers, with its biases, is in
            every candidate.
        unit: what costs and the budget are in; seconds need a device or times.
        budget: the most the model may cost: bits per weight, bytes of all parameters, or the sum over layers.
        max_drop: the most the metric may lose.
        pins: a pattern of layer names, and the format that these have.
        floors: a pattern, and the fewest bits that weights and inputs of these may have.
        ties: patterns whose layers take one format together; ``inputs`` ties those that read one activation.
        platform: what has to run it.
        device: whose rates seconds are modelled with.
        times: measured seconds, which stand in for a device's rates.
        how: which prediction is minimized.
        judge: whose error is minimized, and whose drop is limited.
    """

    formats: tuple[tuple[str, LayerPlan], ...]
    recipe: Recipe = field(default_factory=Recipe)
    unit: Unit = "bits"
    budget: float | None = None
    max_drop: float | None = None
    pins: tuple[tuple[str, str], ...] = ()
    floors: tuple[tuple[str, float], ...] = ()
    ties: tuple[str, ...] = ()
    platform: Platform | None = None
    device: Device | None = None
    times: Times | None = None
    how: How = "additive"
    judge: Judge = "mean"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise UsageError(f"There is no unit '{self.unit}'", do=near(self.unit, UNITS))
        if self.unit == "seconds" and self.device is None and self.times is None:
            raise UsageError(
                "Seconds are modelled from a device's rates", do="Name one, for instance raspberry-pi-5, or measure."
            )
        if self.judge == "worst-group" and self.how == "quadratic":
            raise UsageError("The worst group's error is predicted as additive", do="Leave out the other predictor.")
        if len(self.formats) < 2:
            raise UsageError("A mixture needs two formats to choose from", do="Name more formats.")
        for _, name in self.pins:
            if name not in self.names:
                raise UsageError(f"'{name}' is not among the formats to choose from", do=near(name, self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """The formats' names."""
        return tuple(name for name, _ in self.formats)


def formats_of(names: Sequence[str]) -> tuple[tuple[str, LayerPlan], ...]:
    """Formats by name, each once.

    Raises:
        RecipeError: one is no format.
    """
    return tuple((name, parse_format(name)) for name in dict.fromkeys(names))


def whole_formats(names: Sequence[str], recipe: Recipe) -> tuple[tuple[tuple[str, LayerPlan], ...], Recipe]:
    """Formats by name, and the recipe with what presets of these names say beside layers.

    A name with ``-all`` behind it (``w8a8-pc-all``) asks for activations between layers in its inputs' plan, and for
    biases of 32 bits; the format is that without the ending.

    Args:
        names: as they are typed.
        recipe: what is wanted beside formats.

    Raises:
        RecipeError: one is no format, or two want different plans between layers.
    """
    endings = [preset(name) for name in names if name.strip().lower().endswith("-all")]
    wanted = dict.fromkeys(one for one in (*(one.between for one in endings), recipe.between) if not one.is_float32)
    if len(wanted) > 1:
        raise RecipeError(
            f"Activations between layers have one plan, not {' and '.join(one.label for one in wanted)}",
            do="Put -all behind the names of one width, or name it with --between.",
        )
    if endings:
        recipe = replace(recipe, between=endings[0].between, bias=endings[0].bias)
    return formats_of([re.sub(r"-all$", "", name.strip(), flags=re.IGNORECASE) for name in names]), recipe


def plan_of(layer: LayerInfo, plan: LayerPlan) -> LayerPlan:
    """A format's plan as a layer can have it: embeddings have no input to quantize."""
    return LayerPlan(weight=plan.weight) if layer.kind == "embedding" else plan


def wanted(wish: Wish, layers: Sequence[LayerInfo]) -> list[list[bool]]:
    """Which formats pins and floors leave each layer, ``[layers][formats]``.

    Raises:
        RecipeError: a pattern matches no layer, or they leave a layer nothing.
    """
    names = [layer.name for layer in layers]
    for pattern, _ in (*wish.pins, *wish.floors):
        matching(pattern, names)
    rows = [[_leaves(wish, layer, name, plan_of(layer, plan)) for name, plan in wish.formats] for layer in layers]
    for layer, row in zip(layers, rows, strict=True):
        if not any(row):
            raise RecipeError(
                "Pins and floors leave no format",
                layer=layer.name,
                do="Name a format with enough bits, such as w16a16.",
            )
    return rows


def _leaves(wish: Wish, layer: LayerInfo, name: str, plan: LayerPlan) -> bool:
    pinned = [pin for pattern, pin in wish.pins if fnmatchcase(layer.name, pattern)]
    if pinned and name != pinned[-1]:
        return False
    bits = min(find(plan.weight.format).bits, find(plan.activation.format).bits)
    return all(bits >= floor for pattern, floor in wish.floors if fnmatchcase(layer.name, pattern))


def tied(wish: Wish, layers: Sequence[LayerInfo]) -> list[list[int]]:
    """Groups of layers, by place, that take one format: as asked, and those that share a weight.

    Raises:
        RecipeError: a pattern matches no layer.
    """
    names = [layer.name for layer in layers]
    groups = _alike([layer.weight_name for layer in layers])
    for pattern in wish.ties:
        if pattern == "inputs":
            groups += _alike([layer.input_name if layer.kind != "embedding" else "" for layer in layers])
        else:
            groups.append([names.index(name) for name in matching(pattern, names)])
    return groups


def _alike(keys: Sequence[str]) -> list[list[int]]:
    """Places with equal keys that are not empty, where there are several."""
    found: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if key:
            found.setdefault(key, []).append(place)
    return [places for places in found.values() if len(places) > 1]
