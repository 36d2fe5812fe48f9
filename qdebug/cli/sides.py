"""The two sides of a comparison, as they are written on the command line."""

from __future__ import annotations

from pathlib import Path

from qdebug.cli.options import parse_fixes
from qdebug.errors import FileError, RecipeError, UsageError
from qdebug.recipes import Recipe, load, preset, with_fix

FLOAT, OWN = "float", "own"
_ENDS = (".yaml", ".yml", ".json")


def parse_side(text: str, own: Recipe | None = None, *, is_open: bool = True) -> Recipe:
    """The recipe of a side: ``float``, ``own``, a file, or a preset with fixes behind it (``w8a8+cle``).

    Args:
        text: what was written.
        own: the recipe in the model, where it was quantized already.
        is_open: whether the model is open yet, so that ``own`` is known.

    Raises:
        QDebugError: there is no such preset, file or fix; the message says which.
    """
    name = text.strip()
    if Path(name).is_file() or name.lower().endswith(_ENDS):
        return load(name)
    if name.lower() == OWN:
        if own is None and is_open:
            raise UsageError("'own' asks for the recipe in the model's file, and it has none", do="Name another side.")
        return own or Recipe()
    first, *fixes = name.split("+")
    recipe = Recipe() if first.lower() == FLOAT else _preset(first)
    for fix in parse_fixes(",".join(fixes)) if fixes else ():
        recipe = with_fix(recipe, fix)
    return recipe


def _preset(text: str) -> Recipe:
    try:
        return preset(text)
    except RecipeError as error:
        if "/" in text or "\\" in text:
            raise FileError("There is no such recipe file", file=text, do="Check the path.") from None
        raise RecipeError(
            f"'{text}' is no side to compare: {error.what[:1].lower()}{error.what[1:]}",
            do="Give float, a preset such as w8a8 or w4g32a16 (with fixes: w8a8+cle), or a recipe file.",
        ) from None
