"""Which fixes make sense together."""

from __future__ import annotations

from collections.abc import Sequence

from qdebug.errors import MethodError
from qdebug.recipes.fixes.base import BaseFix, Stage

_ALONE: dict[Stage, str] = {
    "basis": "Both choose what a layer is quantized in",
    "grid": "Both choose scales, and the second would undo the first",
    "rounding": "Both choose the code of each weight, and the second would undo the first",
    "residual": "Both keep what rounding lost",
    "training": "Both train all weights anew",
}
_TRAINED: tuple[Stage, ...] = ("basis", "grid", "rounding", "residual")


def why_not(one: BaseFix, other: BaseFix) -> str | None:
    """Why two fixes of different methods make no sense in one recipe; None where they do."""
    if one.stage == other.stage:
        return _ALONE.get(one.stage)
    if {"training"} < {one.stage, other.stage} and (one.stage in _TRAINED or other.stage in _TRAINED):
        return "Training changes the weights that the other has rounded"
    return None


def check_fixes(fixes: Sequence[BaseFix]) -> None:
    """Refuse fixes that make no sense together.

    Raises:
        MethodError: a fix is named twice, or one would undo another; the message says which and why.
    """
    for place, one in enumerate(fixes):
        for other in fixes[:place]:
            if type(one) is type(other):
                raise MethodError(f"{one.title} is named twice", do="Leave one of them out.")
            reason = why_not(other, one)
            if reason:
                raise MethodError(
                    f"{other.title} and {one.title} make no sense together: {reason[:1].lower() + reason[1:]}",
                    do="Leave one of them out.",
                )
