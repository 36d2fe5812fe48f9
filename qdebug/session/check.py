"""Whether a recipe fits a model."""

from __future__ import annotations

from qdebug.errors import NumericError, RecipeError, near
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.recipes import LayerPlan, Recipe
from qdebug.recipes.attention import check_attention
from qdebug.recipes.check import check_tensor_plan
from qdebug.recipes.fixes import name_of
from qdebug.recipes.fixes.compose import check_fixes
from qdebug.recipes.plan import FLOAT_LAYER
from qdebug.session.subject import Subject


def check_recipe(recipe: Recipe, subject: Subject) -> None:
    """Refuse a recipe that does not fit.

    Raises:
        MethodError: its fixes make no sense together.
        RecipeError: it was made for another model, names a layer that is not there, or asks for what a layer cannot do.
        NumericError: it quantizes a weight that holds NaN or Inf.
    """
    if recipe.model and recipe.model != subject.info.digest:
        raise RecipeError(
            f"The recipe was made for another model (digest {recipe.model}, this one is {subject.info.digest})",
            model=subject.info.name, do="Open that model, or delete the recipe's 'model' line to use it here anyway.",
        )  # fmt: skip
    check_tensor_plan(recipe.between, "activation", "between")
    _check_attention(recipe, subject)
    check_tensor_plan(recipe.embeddings, "weight", "embeddings")
    check_fixes(recipe.fixes)
    for name, _ in recipe.layers:
        if name not in subject.by_name:
            raise RecipeError(
                f"The model has no layer '{name}'", model=subject.info.name, do=near(name, subject.by_name)
            )
    for layer in subject.layers:
        check_layer(layer, recipe.plan_for(layer.name, layer.kind), recipe, subject)


def _check_attention(recipe: Recipe, subject: Subject) -> None:
    """Refuse plans of attention where they make no sense, or where there is no attention."""
    check_attention(recipe.attention)
    if not recipe.attention.is_float32 and not subject.attentions:
        raise RecipeError(
            "The recipe quantizes keys, values or scores of attention, and no attention was found in the model",
            model=subject.info.name, do="Leave 'attention' (--kv, --attention-scores, --attention-probs) out.",
        )  # fmt: skip


def _check_stored(layer: Layer, plan: LayerPlan, recipe: Recipe, subject: Subject) -> None:
    """Ranges that came with the model have to be there, and to belong to the tensors as they are."""
    moving = [name_of(fix) for fix in recipe.fixes if fix.stage != "correction"]
    if moving and "stored" in (plan.weight.range, plan.activation.range):
        raise RecipeError(
            f"The fix '{moving[0]}' changes tensors whose ranges came with the model's file", layer=layer.name,
            do="Choose ranges for the changed tensors: another range method, or a preset.",
        )  # fmt: skip
    for tensor, one, index in (("weight", plan.weight, layer.weight), ("activation", plan.activation, layer.x)):
        if one.range == "stored" and index not in subject.program.stored:
            raise RecipeError(
                f"The model's file stores no scale for the {tensor}", layer=layer.name,
                do="Choose another range method for it, for instance minmax.",
            )  # fmt: skip


def check_layer(layer: Layer, plan: LayerPlan, recipe: Recipe, subject: Subject) -> None:
    """Refuse a plan that a layer cannot have in a recipe.

    Raises:
        RecipeError: it asks for what the layer cannot do.
        NumericError: it quantizes a weight that holds NaN or Inf.
    """
    if plan == FLOAT_LAYER:
        return
    check_tensor_plan(plan.weight, "weight", f"{layer.name}.weight")
    check_tensor_plan(plan.activation, "activation", f"{layer.name}.activation")
    _check_stored(layer, plan, recipe, subject)
    if layer.kind == "conv" and plan.activation.granularity == "token":
        raise RecipeError(
            "A convolution's input has no tokens", layer=layer.name, op=layer.op,
            do="Use activation granularity tensor (dynamic: true takes the range from each sample).",
        )  # fmt: skip
    if plan.weight.rank and layer.groups > 1:
        raise RecipeError(
            "Each group of the layer's outputs reads channels of its own, and would need factors of its own",
            layer=layer.name, op=layer.op, do=f"Leave it whole, for instance --set '{layer.name}=w8a8'.",
        )  # fmt: skip
    broken = subject.broken_weights.get(layer.step)
    if broken and not find(plan.weight.format).is_cast:
        raise NumericError(
            f"The weight holds {broken[0]} NaN and {broken[1]} Inf", layer=layer.name,
            shape=list(subject.program.state[layer.weight].shape),
            do="Repair the model, or leave this layer's weight in fp32.",
        )  # fmt: skip
