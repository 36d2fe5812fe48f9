"""A recipe worked out on a model: every tensor's grid, and the values that fixes leave. What exports are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from qdebug.engine import Rounded, Sheet, Work
from qdebug.graph import Layer
from qdebug.graph.filed import plain
from qdebug.quantize import Basis, Grid, weight_grid
from qdebug.recipes import Recipe, TensorPlan
from qdebug.session.prepare import Preparer


@dataclass(frozen=True)
class DecidedTensor:
    """A tensor and how it is quantized.

    Attributes:
        name: the value's name in the model (of an ONNX model, the file's).
        plan: how.
        grid: scales and zero points; None for a float format, a range found at run time, or a format with a rule of
            its own.
    """

    name: str
    plan: TensorPlan
    grid: Grid | None


@dataclass(frozen=True)
class DecidedLayer:
    """A layer with all that was decided about it.

    Attributes:
        layer: where it is in the graph.
        node: the node's name in the model.
        activation: its input, by the value's name; None where the layer has none to quantize (an embedding).
        weight: its weight, by the stored tensor's name. The grid's rows are output channels.
        values: the weight's float values after all fixes that compute the same, as the layer wants them.
        bias: the stored bias's name, or None.
        bias_values: the bias after all fixes; set without a name where a fix gives a layer its first bias.
        output: name of the value that it writes.
        rounded: the quantized weight that a method chose in the place of rounding to nearest, or that is pruned or of
            two factors, on the weight's grid (on none where that is None); None where there is none.
        basis: what its input is quantized in, where that is not the one it comes in.
        has_int32_bias: whether the bias is to be rounded as integer runtimes store it.
    """

    layer: Layer
    node: str
    activation: DecidedTensor | None
    weight: DecidedTensor
    values: Tensor
    bias: str | None
    bias_values: Tensor | None
    output: str
    rounded: Rounded | None = None
    basis: Basis | None = None
    has_int32_bias: bool = False

    @property
    def is_on_grid(self) -> bool:
        """Whether the quantized weight is codes on a grid and nothing else."""
        return self.rounded is None or self.rounded.is_on_grid

    @property
    def is_quantized(self) -> bool:
        """Whether anything of it is."""
        return not self.weight.plan.is_float32 or bool(self.activation and not self.activation.plan.is_float32)


@dataclass(frozen=True)
class Decided:
    """A recipe worked out on a model.

    Attributes:
        recipe: the recipe.
        layers: all layers, in the order of the graph.
        points: activations between layers that are quantized, in the order of the graph.
        replaced: every stored tensor that a fix changed, by name (weights and biases of layers among them).
        attended: what attention computes with that is quantized and no point, in words: ``keys int4 pc g32``.
    """

    recipe: Recipe
    layers: tuple[DecidedLayer, ...]
    points: tuple[DecidedTensor, ...]
    replaced: Mapping[str, Tensor]
    attended: tuple[str, ...] = ()


def decide(preparer: Preparer, recipe: Recipe, work: Work) -> Decided:
    """Work a recipe out.

    Raises:
        NumericError: calibration saw no finite value of a tensor that needs a range.
    """
    subject, program = preparer.subject, preparer.subject.program
    sheet = preparer.sheet(recipe, work)
    layers = tuple(_layer(preparer, layer, recipe, sheet) for layer in subject.layers)
    points = tuple(
        DecidedTensor(program.steps[index].name, point.plan.activation, point.activation)
        for index, point in sorted(sheet.points.items())
    )
    replaced = {
        program.steps[index].name: tensor
        for index, tensor in sheet.overlay.tensors.items()
        if program.consumers[index]  # others are known here alone
    }
    return Decided(recipe, layers, points, replaced, _attended(sheet))


def _attended(sheet: Sheet) -> tuple[str, ...]:
    """The parts of attentions that are quantized inside, each once."""
    held = (
        f"{name} {part.plan.label}"
        for one in sheet.attended.values()
        for name, part in (
            ("keys", one.keys), ("values", one.values), ("scores", one.scores), ("probabilities", one.probs),
        )
        if part is not None
    )  # fmt: skip
    return tuple(dict.fromkeys(held))


def _layer(preparer: Preparer, layer: Layer, recipe: Recipe, sheet: Sheet) -> DecidedLayer:
    program, cache = preparer.subject.program, preparer.subject.engine.cache
    quant, rounded = sheet.quants.get(layer.step), sheet.rounded(layer.step)
    plan = recipe.plan_for(layer.name, layer.kind)
    values = sheet.constant(layer.weight, cache)
    if rounded is None and plan.weight.is_reduced:
        rounded = Rounded(*sheet.quantized(layer, plan.weight, cache))
    if rounded is not None:
        grid = rounded.grid if rounded.is_on_grid else None
    elif plan.weight.range == "stored":
        grid = program.stored.get(layer.weight)
    else:
        grid = (
            None
            if plan.weight.is_float32
            else weight_grid(plain(values), plan.weight, layer.out_axis, layer=layer.name)
        )
    added = sheet.overlay.biases.get(layer.step)
    own = sheet.constant(layer.bias, cache) if layer.bias is not None else None
    activation = None
    if layer.kind != "embedding":
        activation = DecidedTensor(program.steps[layer.x].name, plan.activation, quant.activation if quant else None)
    return DecidedLayer(
        layer=layer, node=program.steps[layer.step].module or layer.name, activation=activation,
        weight=DecidedTensor(program.steps[layer.weight].name, plan.weight, grid), values=values, rounded=rounded,
        bias=program.steps[layer.bias].name if layer.bias is not None else None,
        bias_values=own if added is None else added, output=program.steps[layer.step].name,
        basis=quant.basis if quant else None, has_int32_bias=sheet.has_int32_bias(layer.step),
    )  # fmt: skip
