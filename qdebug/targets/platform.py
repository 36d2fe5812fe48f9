"""A platform: a runtime on a kind of processor, as the plans that its kernels can have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qdebug.recipes.plan import BiasFormat, LayerPlan, Recipe, TensorPlan
from qdebug.results import LayerInfo
from qdebug.targets.accepts import Accepts
from qdebug.targets.kernel import KINDS, Fact, Kernel, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A runtime on a kind of processor; a kind of file is :class:`qdebug.export.target.Target`.

    Attributes:
        name: lower case, with hyphens.
        title: what people read.
        kernels: what it computes; what is in none of them is refused.
        between: what it takes of activations between layers; None where these stay float.
        bias: how biases of integer layers are stored.
        merges: which layers are run as one, and so want one plan; empty where the documents name none.
        sparse: that weights pruned 2:4 are read and multiplied as such, where the document says so; else they are
            computed as if they were whole.
        facts: what else is known, and what is not documented.
    """

    name: str
    title: str
    kernels: tuple[Kernel, ...]
    between: Accepts | None
    bias: BiasFormat
    merges: tuple[Fact, ...] = ()
    sparse: Fact | None = None
    facts: tuple[Fact, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The documents behind it, each once."""
        said = (*(one.fact for one in self.kernels), *self.merges, *self.facts)
        said = (*said, *([self.sparse] if self.sparse else []))
        return tuple(dict.fromkeys(fact.source for fact in said))

    def kernel(self, layer: LayerInfo, plan: LayerPlan) -> Kernel | None:
        """The first kernel that runs a layer under a plan; None where it is refused."""
        return next((one for one in self._fitting(layer, plan) if not [*one.objections(layer, plan)]), None)

    def refuses(self, layer: LayerInfo, plan: LayerPlan) -> str | None:
        """Why a layer cannot have a plan, in a sentence; None where it runs.

        A refused plan may still run as floats of the same values, in some runtimes: it is not computed as it says.
        """
        kind = kind_of(layer)
        what, weight, activation = KINDS[kind], plan.weight.format, plan.activation.format
        kernels = [one for one in self.kernels if kind in one.kinds]
        if not kernels:
            return f"{self.title} runs no {what.split(' ', 1)[1]}."
        if not any(weight in one.weight.formats for one in kernels):
            return f"{self.title} runs {what} with {_any(one.weight for one in kernels)} weights, not {weight}."
        kernels = [one for one in kernels if weight in one.weight.formats]
        fitting = self._fitting(layer, plan)
        if not fitting:
            there = _any(one.activation for one in kernels)
            return f"{self.title} runs {what} of {weight} weights with {there} activations, not {activation}."
        found = min(([*one.objections(layer, plan)] for one in fitting), key=len)
        return f"{self.title} {', and '.join(found)}." if found else None

    def refuses_between(self, plan: TensorPlan) -> str | None:
        """Why activations between layers cannot have a plan, in a sentence; None where they can."""
        if plan.is_float32:
            return None
        if self.between is None:
            return f"{self.title} holds activations between layers in floats."
        if plan.format not in self.between.formats:
            return f"{self.title} holds {_any([self.between])} activations between layers, not {plan.format}."
        found = [*self.between.objections(plan, 1, weight=False)]
        return f"{self.title} {', and '.join(found)}." if found else None

    def refusals(self, layers: Iterable[LayerInfo], recipe: Recipe) -> dict[str, str]:
        """What of a recipe is refused: sentences by layer name, and under ``between`` for what is between layers."""
        found = {one.name: self.refuses(one, recipe.plan_for(one.name, one.kind)) for one in layers}
        found["between"] = self.refuses_between(recipe.between)
        return {name: reason for name, reason in found.items() if reason}

    def clashes(self, layers: Sequence[LayerInfo], recipe: Recipe) -> tuple[str, ...]:
        """Layers that read one activation and hold it differently, each group in a sentence.

        They run, but the runtime holds the activation more than once and converts it in between: query, key and value
        projections, or the two branches of a block.
        """
        readers: dict[str, list[LayerInfo]] = {}
        for layer in layers:
            if layer.input_name and layer.kind != "embedding":
                readers.setdefault(layer.input_name, []).append(layer)
        found: list[str] = []
        for group in readers.values():
            labels = {one.name: recipe.plan_for(one.name, one.kind).activation for one in group}
            if len(set(labels.values())) > 1:
                held = ", ".join(f"{name} as {plan.label}" for name, plan in labels.items())
                found.append(f"One activation is read by {held}: {self.title} would hold it more than once.")
        return tuple(found)

    def _fitting(self, layer: LayerInfo, plan: LayerPlan) -> list[Kernel]:
        """Kernels of the layer's kind with the plan's formats."""
        return [
            one
            for one in self.kernels
            if kind_of(layer) in one.kinds
            and plan.weight.format in one.weight.formats
            and (layer.kind == "embedding" or plan.activation.format in one.activation.formats)
        ]


def _any(accepted: Iterable[Accepts]) -> str:
    """Formats in words: ``int8, fp16 or fp32``."""
    names = list(dict.fromkeys(name for one in accepted for name in one.formats))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
