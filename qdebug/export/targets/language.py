"""What the tools for language models share: they quantize linear layers, know them by module path, find scales anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from qdebug.export.targets import remarks
from qdebug.formats import find
from qdebug.recipes import TensorPlan
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

Entry = Any
Say = Callable[[DecidedLayer, list[str]], Entry | str]
"""What is said of a layer, or why nothing can be, as the end of a sentence. Further sentences go into the list."""


def told(decided: Decided, tool: str, say: Say) -> tuple[list[tuple[DecidedLayer, Entry]], list[str]]:
    """The layers that a tool can be told of, each with what is said; and what is left unsaid of the others.

    Raises:
        RecipeError: it can be told of none.
    """
    found: list[tuple[DecidedLayer, Entry]] = []
    unsaid: list[str] = []
    for layer in decided.layers:
        if not layer.is_quantized:
            continue
        own: list[str] = []
        entry = _no_linear(layer, tool) or _no_weight(layer, tool) or say(layer, own)
        if isinstance(entry, str):
            unsaid.append(f"{layer.layer.name}: it stays float: {entry}.")
        else:
            found.append((layer, entry))
            unsaid += own
    if not found:
        raise remarks.nothing_left(tool, unsaid, decided)
    return found, unsaid


def most(
    found: list[tuple[DecidedLayer, Entry]], unsaid: list[str], tool: str
) -> tuple[Entry, list[DecidedLayer]]:  # fmt: skip
    """For a tool that knows one choice for all layers: the most frequent one, and the layers that have it."""
    chosen = Counter(entry for _, entry in found).most_common(1)[0][0]
    kept = [layer for layer, entry in found if entry == chosen]
    unsaid += [
        f"{layer.layer.name}: it stays float: {tool} knows one choice for all layers, and that of {len(kept)} others "
        "is another."
        for layer, entry in found
        if entry != chosen
    ]
    return chosen, kept


def left_out(decided: Decided, kept: list[DecidedLayer]) -> list[str]:
    """Module paths of the linear layers that are not among those kept, embeddings left aside."""
    names = {layer.node for layer in kept}
    return [one.node for one in decided.layers if one.layer.kind == "matmul" and one.node not in names]


def on_recipe(decided: Decided, info: ModelInfo, tool: str) -> Iterator[str]:
    """What of the recipe as a whole no such tool is told."""
    yield from remarks.on_names(info, "torch")
    yield from remarks.on_ranges(decided, tool)
    yield from remarks.on_fixes(decided)
    yield from remarks.on_rounding(decided, tool)
    yield from remarks.on_points(decided, tool)
    yield from remarks.on_biases(decided, tool)


def input_of(layer: DecidedLayer) -> TensorPlan | None:
    """The plan of a layer's input where it is quantized to less than 16 bits; else None."""
    if layer.activation is None or find(layer.activation.plan.format).is_cast:
        return None
    return layer.activation.plan


def is_by_token(plan: TensorPlan | None, name: str) -> bool:
    """Whether an input has one scale per token in such a format."""
    return plan is not None and plan.format == name and plan.granularity == "token"


def _no_linear(layer: DecidedLayer, tool: str) -> str | None:
    if layer.layer.kind == "matmul" and layer.values.dim() == 2 and layer.layer.out_axis == 0:
        return None
    return f"{tool} quantizes linear layers alone"


def _no_weight(layer: DecidedLayer, tool: str) -> str | None:
    if layer.weight.plan.is_float32:
        return f"{tool} quantizes no inputs of layers whose weights stay float"
    return "its weight is pruned or of two factors" if layer.weight.plan.is_reduced else None
