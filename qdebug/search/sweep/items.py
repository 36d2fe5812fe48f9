"""What a sweep measures: one recipe an item, and what each costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qdebug.graph import Layer, Program
from qdebug.recipes import LayerPlan, Recipe
from qdebug.search.question import Question, alone, refusals, together, unquantized
from qdebug.session import Session

Kind = Literal["alone", "without", "whole"]
_Pair = tuple[Layer, str, LayerPlan]


@dataclass(frozen=True)
class Item:
    """A recipe to measure.

    Attributes:
        kind: ``alone``: one layer quantized; ``whole``: all that can be; ``without``: all but one.
        layer: which layer; empty for ``whole``.
        format: its format's name.
        recipe: the recipe.
        base: the recipe whose values the item starts from: equal to it upstream of the layer.
        passes: what it costs, in float passes.
    """

    kind: Kind
    layer: str
    format: str
    recipe: Recipe
    base: Recipe
    passes: float


def items(
    session: Session, question: Question, harm: Mapping[tuple[str, str], float], leave_one_out: bool, worst: int = 0
) -> list[Item]:
    """All items: layers alone, the most harmful first; then, where asked, whole recipes, and these but for one layer.

    Args:
        session: the model with its data.
        question: formats and fixes.
        harm: what is predicted, by layer and format; what is missing comes last, in the order of the graph.
        leave_one_out: whether whole recipes are asked for too. Embeddings stay float in them, as in a preset.
        worst: of each format only so many layers are measured, alone or left out; all for 0.
    """
    refused, share = refusals(session, question), downstream(session)
    float_ = unquantized(question)
    pairs = [(layer, name, plan) for name, plan in question.formats for layer in session.subject.layers]
    pairs = [pair for pair in pairs if (pair[0].name, pair[1]) not in refused]
    pairs.sort(key=lambda pair: -harm.get((pair[0].name, pair[1]), 0.0))
    chosen = _worst(pairs, worst) if worst else pairs
    found = [
        Item("alone", layer.name, name, alone(question, layer.name, plan), float_, share[layer.name])
        for layer, name, plan in chosen
    ]
    if not leave_one_out:
        return found
    kept = {
        name: [layer.name for layer, other, _ in pairs if other == name and layer.kind != "embedding"]
        for name, _ in question.formats
    }
    whole = {name: together(question, kept[name], plan) for name, plan in question.formats if kept[name]}
    found += [Item("whole", "", name, recipe, recipe, 1.0) for name, recipe in whole.items()]
    for layer, name, plan in chosen:
        if layer.name in kept[name]:
            others = [other for other in kept[name] if other != layer.name]
            recipe = together(question, others, plan)
            found.append(Item("without", layer.name, name, recipe, whole[name], share[layer.name]))
    return found


def _worst(pairs: Sequence[_Pair], many: int) -> list[_Pair]:
    """The first so many of each format."""
    seen: Counter[str] = Counter()
    found: list[_Pair] = []
    for pair in pairs:
        seen[pair[1]] += 1
        if seen[pair[1]] <= many:
            found.append(pair)
    return found


def downstream(session: Session) -> dict[str, float]:
    """The part of a model's multiply-accumulates that lies at or behind each layer: what its change costs."""
    subject = session.subject
    macs = {info.name: info.macs for info in subject.info.layers}
    total = sum(macs.values())
    found: dict[str, float] = {}
    for layer in subject.layers:
        behind = reached(subject.program, layer.step)
        part = sum(macs[other.name] for other in subject.layers if other.step in behind)
        found[layer.name] = part / total if total else 1.0
    return found


def reached(program: Program, start: int) -> set[int]:
    """The steps that change when one does, itself included."""
    found = {start}
    for step in program.steps[start + 1 :]:
        if not found.isdisjoint(step.inputs):
            found.add(step.index)
    return found
