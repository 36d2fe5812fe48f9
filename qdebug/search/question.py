"""What is asked about a session's layers, and the recipes that measuring it takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from qdebug.errors import QDebugError
from qdebug.recipes import FLOAT, LayerPlan, Recipe, parse_format, set_layers
from qdebug.results.sensitivity import Measure
from qdebug.session import Session
from qdebug.session.check import check_layer


@dataclass(frozen=True)
class Question:
    """What is asked about a session's layers.

    Attributes:
        formats: name and plan of each.
        recipe: what comes before: its fixes.
        measure: what the errors are.
    """

    formats: tuple[tuple[str, LayerPlan], ...]
    recipe: Recipe
    measure: Measure = "squared"

    @staticmethod
    def of(formats: Sequence[str], recipe: Recipe | None = None, measure: Measure = "squared") -> Question:
        """From formats as they are typed: ``w8a8``, ``nf4`` (weights alone), ``nf4/int8-tok``.

        Raises:
            RecipeError: one is no format.
        """
        return Question(tuple((name, parse_format(name)) for name in formats), recipe or Recipe(), measure)


def alone(question: Question, layer: str, plan: LayerPlan) -> Recipe:
    """The recipe that quantizes one layer only."""
    return set_layers(unquantized(question), {layer: plan})


def unquantized(question: Question) -> Recipe:
    """The recipe that quantizes no layer: the fixes alone."""
    return replace(question.recipe, default=LayerPlan(), embeddings=FLOAT, layers=(), bias="fp32")


def together(question: Question, layers: Collection[str], plan: LayerPlan) -> Recipe:
    """The recipe that quantizes these layers all in one format, and no other."""
    return set_layers(unquantized(question), dict.fromkeys(layers, plan))


def refusals(session: Session, question: Question) -> dict[tuple[str, str], str]:
    """Why a layer cannot have a format, by layer and the format's name; nothing where it can."""
    found: dict[tuple[str, str], str] = {}
    for name, plan in question.formats:
        for layer in session.subject.layers:
            try:
                check_layer(layer, plan, question.recipe, session.subject)
            except QDebugError as error:
                found[layer.name, name] = error.what
    return found
