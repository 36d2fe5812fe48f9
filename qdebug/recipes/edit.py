"""Recipes made from recipes. Nothing here changes a recipe in place."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from qdebug.errors import RecipeError, near
from qdebug.recipes.fixes import KINDS, Fix, in_order, name_of
from qdebug.recipes.fixes.compose import why_not
from qdebug.recipes.notation import parse_embedding_format
from qdebug.recipes.plan import LayerPlan, Recipe


def set_layers(recipe: Recipe, plans: dict[str, LayerPlan]) -> Recipe:
    """The recipe with those layers' plans replaced."""
    merged = dict(recipe.layers) | plans
    return msgspec.structs.replace(recipe, layers=tuple(sorted(merged.items())))


def with_embeddings(recipe: Recipe, text: str) -> Recipe:
    """The recipe with the tables of embeddings in a weight format, a scale for each row unless it says otherwise.

    Args:
        recipe: the recipe; what it says of layers by name stays.
        text: such as ``int8``, ``int4g32``, ``nf4``; ``fp32`` leaves them float.

    Raises:
        RecipeError: there is no such format.
    """
    return msgspec.structs.replace(recipe, embeddings=parse_embedding_format(text))


def matching(pattern: str, names: Iterable[str]) -> tuple[str, ...]:
    """The layer names that a glob pattern selects.

    Raises:
        RecipeError: it selects none; the message lists near names.
    """
    known = tuple(names)
    found = tuple(name for name in known if fnmatchcase(name, pattern))
    if not found:
        raise RecipeError(f"No layer matches '{pattern}'", do=near(pattern, known))
    return found


def with_clip(
    recipe: Recipe,
    layer: str,
    tensor: Literal["weight", "activation"],
    clip: tuple[float, float] | None,
    kind: str = "matmul",
) -> Recipe:
    """The recipe with a hand-set clip range on one tensor, or, for None, without one."""
    plan = recipe.plan_for(layer, kind)
    changed = msgspec.structs.replace(getattr(plan, tensor), clip=clip)
    return set_layers(recipe, {layer: msgspec.structs.replace(plan, **{tensor: changed})})


def with_fix(recipe: Recipe, fix: Fix) -> Recipe:
    """The recipe with that fix switched on, in the place of one of the same method or that makes no sense with it."""
    kept = [one for one in recipe.fixes if name_of(one) != name_of(fix) and why_not(one, fix) is None]
    shown = sorted((*kept, fix), key=lambda one: KINDS.index(type(one)))
    return msgspec.structs.replace(recipe, fixes=in_order(tuple(shown)))


def without_fix(recipe: Recipe, method: str) -> Recipe:
    """The recipe without the fix of that method."""
    return msgspec.structs.replace(recipe, fixes=tuple(fix for fix in recipe.fixes if name_of(fix) != method))
