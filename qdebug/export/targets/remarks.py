"""Sentences for what several targets leave unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qdebug.errors import RecipeError
from qdebug.recipes import TensorPlan
from qdebug.recipes.fixes import name_of
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer, DecidedTensor

AGREED_RANGES = ("minmax", "stored")


def quantized(layer: DecidedLayer) -> Iterator[tuple[str, DecidedTensor]]:
    """The tensors of a layer that are quantized, each with its word."""
    if layer.activation is not None and not layer.activation.plan.is_float32:
        yield "activation", layer.activation
    if not layer.weight.plan.is_float32:
        yield "weight", layer.weight


def no_codes(layer: DecidedLayer) -> str | None:
    """Why a layer's weight cannot be said as a scale, an integer zero point and codes; None where it can."""
    if layer.is_on_grid:
        return None
    if layer.weight.plan.rank:
        return "its weight is the product of two matrices, and no codes on one grid"
    return "a fix chose its weight so that it is no codes on a grid with integer zero points"


def all_quantized(decided: Decided) -> Iterator[tuple[str, DecidedTensor]]:
    """Every quantized tensor with the words that place it, layers first."""
    for layer in decided.layers:
        for word, tensor in quantized(layer):
            yield f"{layer.layer.name}: the {word}", tensor
    for point in decided.points:
        yield f"The value '{point.name}' between layers", point


def on_fixes(decided: Decided) -> Iterator[str]:
    """What fixes did to stored tensors, for files that hold none."""
    if decided.replaced:
        names = ", ".join(name_of(fix) for fix in decided.recipe.fixes)
        yield (
            f"The fixes ({names}) changed {len(decided.replaced)} stored tensors, which this file does not hold: "
            "use it with a model that has them, such as the exported ONNX file."
        )
    chosen = [layer.layer.name for layer in decided.layers if layer.rounded is not None]
    if chosen:
        yield (
            f"Fixes chose how the weights of {len(chosen)} layers are rounded, or they are pruned or of two factors "
            f"({', '.join(chosen[:3])} …); this file does not hold them, and the tool rounds to nearest: use it with "
            "the exported ONNX file."
        )
    for layer in decided.layers:
        if layer.bias is None and layer.bias_values is not None:
            yield f"{layer.layer.name}: a fix gave it a bias that the model's file does not have."


def on_names(info: ModelInfo, wanted: str = "onnx") -> Iterator[str]:
    """Whether the names are those that the tool will see."""
    if (info.source == "onnx") == (wanted == "onnx"):
        return
    if wanted == "onnx":
        yield (
            "The model was not opened from an ONNX file: layers and values have the names of the captured PyTorch "
            "graph, and an export to ONNX may name them otherwise."
        )
    else:
        yield (
            "The model was opened from an ONNX file: layers have its nodes' names, which the PyTorch module need not "
            "share."
        )


def on_rounding(decided: Decided, tool: str) -> Iterator[str]:
    """Roundings that the tool does not have."""
    for where, tensor in all_quantized(decided):
        if tensor.plan.rounding != "half_even":
            yield f"{where} is rounded {tensor.plan.rounding}; {tool} rounds to the nearest code."


def on_ranges(decided: Decided, tool: str) -> Iterator[str]:
    """Ranges that the tool will choose again in a way of its own."""
    if any(tensor.grid is not None for _, tensor in all_quantized(decided)):
        yield f"Scales and zero points are not in the file: {tool} finds ranges by a calibration of its own."
    for where, tensor in all_quantized(decided):
        chosen = _range_words(tensor.plan)
        if chosen:
            yield f"{where} has {chosen}, which {tool} is not told."


def _range_words(plan: TensorPlan) -> str:
    """What is particular about a plan's range; empty for a plain one."""
    if plan.clip is not None:
        return f"the hand-set range [{plan.clip[0]:g}, {plan.clip[1]:g}]"
    if plan.range in AGREED_RANGES:
        return ""
    return f"a range chosen by {plan.range}" + (f" ({plan.percentile:g})" if plan.range == "percentile" else "")


def on_scale_storage(decided: Decided, tool: str) -> Iterator[str]:
    """Scales stored in fewer bits than the tool computes them in."""
    for where, tensor in all_quantized(decided):
        if tensor.plan.scale_format not in (None, "fp32"):
            yield f"{where} stores its scales as {tensor.plan.scale_format}; {tool} keeps scales in float32."


def on_points(decided: Decided, tool: str) -> Iterator[str]:
    """Activations between layers, for tools that cannot be told of them one by one."""
    kinds: dict[str, list[str]] = {}
    for point in decided.points:
        kinds.setdefault(point.plan.label, []).append(point.name)
    for label, names in kinds.items():
        yield f"Values between layers are {label} ({', '.join(names)}); {tool} cannot be told of each."


def on_attention(decided: Decided) -> Iterator[str]:
    """Keys, values, scores and probabilities inside attentions, of which no file here says anything."""
    if decided.attended:
        yield inside_attention(decided.attended)


def inside_attention(held: Iterable[str]) -> str:
    """The sentence for what attentions compute with, in words such as ``keys int4 pc g32``."""
    return (
        f"Attention computes with {', '.join(held)}; this file does not say so: the format of a cache is chosen where "
        "the model is served."
    )


def on_biases(decided: Decided, tool: str) -> Iterator[str]:
    """Biases in 32 bits, for tools that decide about them alone."""
    if decided.recipe.bias == "int32":
        yield f"Biases are int32; {tool} decides by itself how it holds them."


def on_shared(decided: Decided, tool: str) -> Iterator[str]:
    """Values whose readers ask for different things, where the tool quantizes a value once for all its readers."""
    points = {point.name for point in decided.points}
    readers: dict[str, DecidedLayer] = {}
    for layer in decided.layers:
        if layer.activation is not None and not layer.activation.plan.is_float32:
            readers.setdefault(layer.activation.name, layer)
    for layer in decided.layers:
        first = readers.get(layer.activation.name) if layer.activation is not None else None
        if first is None or first.activation is None or layer.activation is None:
            continue
        if layer.activation.plan.is_float32 and layer.activation.name in points:
            continue  # the recipe itself hands it the quantized value
        if layer.activation.plan != first.activation.plan:
            own = "stays float" if layer.activation.plan.is_float32 else f"is {layer.activation.plan.label}"
            yield (
                f"{layer.layer.name}: its activation {own}, but {first.layer.name} reads the same value "
                f"'{layer.activation.name}' as {first.activation.plan.label}; {tool} gives both the latter."
            )


def nothing_left(tool: str, unsaid: list[str], decided: Decided) -> RecipeError:
    """The refusal of a recipe of which a tool could be told nothing."""
    if not unsaid:
        return RecipeError(
            f"The recipe quantizes nothing that {tool} could be told of", do="Give a layer a format below float32."
        )
    first = unsaid[0].rstrip(".")
    more = f" (and {len(unsaid) - 1} more)" if len(unsaid) > 1 else ""
    return RecipeError(
        f"{tool} could be told nothing of this recipe: {first}{more}", do="Change the format, or choose another target."
    )
