"""Recipes made from recipes. Nothing here changes a recipe in place."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from qdebug.errors import RecipeError, near
from qdebug.recipes.fixes import Fix, name_of
from qdebug.recipes.plan import LayerPlan, Recipe


def set_layers(recipe: Recipe, plans: dict[str, LayerPlan]) -> Recipe:
    """The recipe with those layers' plans replaced."""
    merged = dict(recipe.layers) | plans
    return msgspec.structs.replace(recipe, layers=tuple(sorted(merged.items())))


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


#: A fix that changes weights comes before one that measures what is left: the order in which the field applies them.
_ORDER = ("cle", "smoothquant", "bias-correction")


def with_fix(recipe: Recipe, fix: Fix) -> Recipe:
    """The recipe with that fix switched on, in the place of one of the same method if there is one."""
    kept = [other for other in recipe.fixes if name_of(other) != name_of(fix)]
    ordered = sorted([*kept, fix], key=lambda one: _ORDER.index(name_of(one)))
    return msgspec.structs.replace(recipe, fixes=tuple(ordered))


def without_fix(recipe: Recipe, method: str) -> Recipe:
    """The recipe without the fix of that method."""
    return msgspec.structs.replace(recipe, fixes=tuple(fix for fix in recipe.fixes if name_of(fix) != method))
