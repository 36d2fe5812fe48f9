"""What a plant is, and what all of them need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from qdebug.graph import Layer
from qdebug.recipes import Recipe, parse_plan, set_layers
from qdebug.session import Session

T = TypeVar("T")


@dataclass(frozen=True)
class Planted:
    """A network with a fault.

    Attributes:
        session, recipe: what is diagnosed.
        reference: the same without the fault, and its recipe: sound.
        layer: where it lies; of faults that lie in several, the one where they begin.
        kinds: what it may be called.
        also: other layers where the same fault shows, each with the cause that is right there.
        beside: whether the fault has no part in the loss that is simulated.
    """

    session: Session
    recipe: Recipe
    reference: tuple[Session, Recipe]
    layer: str
    kinds: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()
    beside: bool = False

    def names(self, layer: str, kind: str) -> bool:
        """Whether that layer and that cause are the fault, seen from one of its sides."""
        return (layer == self.layer and kind in self.kinds) or (layer, kind) in self.also


Plant = Callable[[Session, np.random.Generator, float, float], Planted | None]
"""From a sound session, dice, a depth in [0, 1) and how grave it is to be (1, 4, 16 …); None where it has no place."""

PLANTS: dict[str, Plant] = {}


def named(name: str) -> Callable[[Plant], Plant]:
    """Put a plant into the list."""

    def keep(plant: Plant) -> Plant:
        PLANTS[name] = plant
        return plant

    return keep


def at(found: Sequence[T], depth: float) -> T:
    """The one at a depth."""
    return found[min(len(found) - 1, int(depth * len(found)))]


def layers_of(session: Session) -> list[Layer]:
    """All but embeddings."""
    return [layer for layer in session.subject.layers if layer.kind != "embedding"]


def with_plan(recipe: Recipe, layer: str, plan: str, **changes: dict[str, object]) -> Recipe:
    """The recipe with a layer's plan; ``weight`` and ``activation`` change single fields of it."""
    parts = parse_plan(plan)
    for side, fields in changes.items():
        parts = msgspec.structs.replace(parts, **{side: msgspec.structs.replace(getattr(parts, side), **fields)})
    return set_layers(recipe, {layer: parts})
