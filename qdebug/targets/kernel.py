"""What a runtime can run: one row of its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qdebug.recipes.plan import LayerPlan
from qdebug.results import LayerInfo
from qdebug.targets.accepts import Accepts

Kind = Literal["conv", "depthwise", "conv-transpose", "matmul", "embedding"]

KINDS: dict[Kind, str] = {
    "conv": "a convolution",
    "depthwise": "a depthwise convolution",
    "conv-transpose": "a transposed convolution",
    "matmul": "a matrix product",
    "embedding": "an embedding",
}
"""Kinds of layers as runtimes tell them apart, with the words for them."""


def kind_of(layer: LayerInfo) -> Kind:
    """A layer's kind as runtimes see it: depthwise and transposed convolutions have kernels of their own."""
    if layer.kind == "conv":
        for kind in ("depthwise", "conv-transpose"):
            if layer.op.startswith(kind):
                return kind
    return layer.kind


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a document says, and where.

    Attributes:
        says: in our words.
        source: the document's address.
        proof: the test that shows it, as ``file::name`` under ``tests/``, where it was found by trying; the document is
            then the one where it should stand.
    """

    says: str
    source: str
    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A combination of weight and activation that a runtime computes.

    Attributes:
        kinds: of layers.
        weight, activation: what it takes of either. Embeddings have no activation.
        arithmetic: what products are computed in (``int8``, ``fp16`` …); empty: what the activation is held in.
        fact: what the document says.
    """

    kinds: tuple[Kind, ...]
    weight: Accepts
    activation: Accepts
    arithmetic: str = ""
    fact: Fact

    def objections(self, layer: LayerInfo, plan: LayerPlan) -> Iterator[str]:
        """What of a plan whose formats fit does not fit otherwise."""
        yield from self.weight.objections(plan.weight, layer.in_features, weight=True)
        if layer.kind != "embedding":
            yield from self.activation.objections(plan.activation, layer.in_features, weight=False)
