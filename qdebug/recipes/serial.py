"""Recipes as YAML and JSON files: strict, versioned, whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args

import msgspec

from qdebug.beneath import check_replaceable
from qdebug.errors import FileError, RecipeError, near
from qdebug.recipes.fixes import BY_NAME, Fix
from qdebug.recipes.plan import FLOAT_ATTENTION, VERSION, AttentionPlan, BiasFormat, LayerPlan, Recipe, TensorPlan
from qdebug.recipes.text import LARGEST_YAML, read_plain, write_yaml
from qdebug.whole import write_file

_TOP = ("version", "model", "default", "layers", "fixes", "between", "embeddings", "bias", "attention")
LARGEST = 16 * 2**20
_MOST_IN_YAML = 4000
"""Layers; writing more of them takes seconds as well."""
"""Bytes of a recipe file beyond which it is refused."""


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as dicts, lists, numbers and strings, in the order people read them."""
    plain: dict[str, Any] = {"version": recipe.version}
    if recipe.model:
        plain["model"] = recipe.model
    plain["default"] = msgspec.to_builtins(recipe.default)
    plain["layers"] = {name: msgspec.to_builtins(plan) for name, plan in recipe.layers}
    plain["fixes"] = [msgspec.to_builtins(fix) for fix in recipe.fixes]
    if not recipe.between.is_float32:
        plain["between"] = msgspec.to_builtins(recipe.between)
    if not recipe.embeddings.is_float32:
        plain["embeddings"] = msgspec.to_builtins(recipe.embeddings)
    if recipe.bias != "fp32":
        plain["bias"] = recipe.bias
    if recipe.attention != FLOAT_ATTENTION:
        plain["attention"] = msgspec.to_builtins(recipe.attention)
    return plain


def from_plain(plain: object, *, file: str | None = None) -> Recipe:
    """The recipe that :func:`to_plain` wrote.

    Raises:
        RecipeError: an unknown key, a wrong type, an unknown format or version; the message names the place.
    """
    if plain is None:
        raise RecipeError("The recipe is empty", file=file, do="Is it the right file? See docs/recipes.md.")
    top = _mapping(plain, "The recipe", file)
    _known(top, _TOP, "the recipe", file)
    version = top.get("version", VERSION)
    if type(version) is not int or version != VERSION:
        raise RecipeError(
            f"Recipe version {version!r} is not known here (this is {VERSION})", file=file, do="Update qdebug."
        )
    layers = _mapping(top.get("layers", {}), "layers", file)
    fixes = top.get("fixes", [])
    if not isinstance(fixes, list):
        raise RecipeError("'fixes' must be a list", file=file, do="Write one entry per fix, such as '- method: cle'.")
    bias = top.get("bias", "fp32")
    if bias not in get_args(BiasFormat):
        raise RecipeError(f"'bias' is {bias!r}", file=file, do=near(str(bias), get_args(BiasFormat)))
    model = top.get("model")
    if model is not None and not isinstance(model, str):
        raise RecipeError("'model' must be a digest in quotes", file=file, do="Leave it out if you have none.")
    return Recipe(
        default=_layer_plan(top.get("default", {}), "default", file),
        layers=_layers(layers, file),
        fixes=tuple(_fix(fix, file) for fix in fixes),
        between=_tensor_plan(top.get("between", {}), "between.activation", file),
        embeddings=_tensor_plan(top.get("embeddings", {}), "embeddings.weight", file),
        bias=bias,
        attention=_attention(top.get("attention", {}), file),
        model=model,
    )


def dumps(recipe: Recipe, kind: str = "yaml") -> str:
    """The recipe as YAML or JSON text; ``kind`` is ``yaml`` or ``json``. A very long one is JSON, which is YAML too."""
    plain = to_plain(recipe)
    text = "" if kind == "json" or len(recipe.layers) > _MOST_IN_YAML else write_yaml(plain)
    return text if 0 < len(text) <= LARGEST_YAML else json.dumps(plain, indent=2) + "\n"


def loads(text: str, *, file: str | None = None) -> Recipe:
    """The recipe in a YAML or JSON text (JSON is YAML).

    Raises:
        RecipeError: the text is neither, or not a recipe.
    """
    if len(text) > LARGEST:
        raise RecipeError(f"The recipe is larger than {LARGEST // 2**20} MiB", file=file, do="Is it the right file?")
    try:
        plain = read_plain(text)
    except ValueError as error:
        raise RecipeError(f"The recipe is not YAML or JSON: {error}", file=file, do="Mend or save it again.") from None
    return from_plain(plain, file=file)


def load(path: str | os.PathLike[str]) -> Recipe:
    """The recipe in a file.

    Raises:
        FileError: the file cannot be read.
        RecipeError: it does not hold a recipe.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise FileError(f"Cannot read the recipe: {error.strerror}", file=path, do="Check the path.") from None
    except UnicodeDecodeError:
        raise RecipeError("The recipe is not text", file=path, do="Recipes are YAML or JSON files.") from None
    return loads(text, file=str(path))


def save(recipe: Recipe, path: str | os.PathLike[str]) -> None:
    """Write the recipe, as JSON where the name ends so and as YAML otherwise; the file is whole or absent."""
    target = Path(path)
    check_replaceable(target)
    try:
        write_file(target, dumps(recipe, "json" if target.suffix == ".json" else "yaml").encode())
    except OSError as error:
        raise FileError(f"Cannot write the recipe: {error.strerror}", file=path, do="Choose another place.") from None


def _mapping(value: object, what: str, file: str | None) -> dict[Any, Any]:
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise RecipeError(
            f"{what} must be a mapping of keys to values, not {kind}", file=file, do="See docs/recipes.md."
        )
    return value


def _known(mapping: dict[Any, Any], known: tuple[str, ...], where: str, file: str | None) -> None:
    for key in mapping:
        if key not in known:
            raise RecipeError(f"Unknown key '{key}' in {where}", file=file, do=near(str(key), known))


def _layers(plain: dict[Any, Any], file: str | None) -> tuple[tuple[str, LayerPlan], ...]:
    plans: dict[str, LayerPlan] = {}
    for name, plan in plain.items():
        # The layers of an nn.Sequential are called 0, 1, 2 …, which YAML takes for numbers.
        if not isinstance(name, str) and type(name) is not int:
            raise RecipeError(f"{name!r} is no layer name", file=file, do="Put the name in quotes.")
        if str(name) in plans:
            raise RecipeError(f"The layer '{name}' stands twice", file=file, do="Leave out one of the two.")
        plans[str(name)] = _layer_plan(plan, str(name), file)
    return tuple(sorted(plans.items()))


def _layer_plan(plain: object, where: str, file: str | None) -> LayerPlan:
    mapping = _mapping(plain, where, file)
    _known(mapping, LayerPlan.__struct_fields__, where, file)
    return LayerPlan(**{key: _tensor_plan(value, f"{where}.{key}", file) for key, value in mapping.items()})


def _attention(plain: object, file: str | None) -> AttentionPlan:
    from qdebug.recipes.attention import check_attention

    mapping = _mapping(plain, "attention", file)
    _known(mapping, AttentionPlan.__struct_fields__, "attention", file)
    window = mapping.get("window", 0)
    if type(window) is not int:
        raise RecipeError(f"attention.window is {window!r}", file=file, do="Give a number of tokens, such as 32.")
    plans = {name: _converted(value, f"attention.{name}", file) for name, value in mapping.items() if name != "window"}
    plan = AttentionPlan(**plans, window=window)
    check_attention(plan, file)
    return plan


def _tensor_plan(plain: object, where: str, file: str | None) -> TensorPlan:
    from qdebug.recipes.check import check_tensor_plan

    plan = _converted(plain, where, file)
    check_tensor_plan(plan, "activation" if where.endswith(".activation") else "weight", where, file)
    return plan


def _converted(plain: object, where: str, file: str | None) -> TensorPlan:
    mapping = _mapping(plain, where, file)
    _known(mapping, TensorPlan.__struct_fields__, where, file)
    try:
        return msgspec.convert(mapping, TensorPlan)
    except msgspec.ValidationError as error:
        raise RecipeError(f"Wrong value in {where}: {error}", file=file, do=_allowed(mapping, str(error))) from None


def _allowed(mapping: dict[Any, Any], error: str) -> str:
    """The values that a field takes, where it takes one of several names."""
    for field in msgspec.structs.fields(TensorPlan):
        names = [
            name for part in (field.type, *get_args(field.type)) for name in get_args(part) if isinstance(name, str)
        ]
        if names and f"`$.{field.name}`" in error:
            return near(str(mapping.get(field.name)), names)
    return "See docs/recipes.md."


def _fix(plain: object, file: str | None) -> Fix:
    mapping = _mapping(plain, "a fix", file)
    method = mapping.get("method")
    if not isinstance(method, str) or method not in BY_NAME:
        raise RecipeError(f"Unknown fix '{method}'", file=file, do=near(str(method), BY_NAME))
    kind = BY_NAME[method]
    _known(mapping, ("method", *kind.__struct_fields__), f"fix '{method}'", file)
    try:
        return msgspec.convert(mapping, kind)
    except msgspec.ValidationError as error:
        raise RecipeError(f"Wrong value in fix '{method}': {error}", file=file, do="See docs/recipes.md.") from None


assert set(get_args(Fix)) == set(BY_NAME.values())
