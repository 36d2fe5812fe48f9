"""Bytes of a model under a recipe."""

from __future__ import annotations

from msgspec.structs import replace

from qdebug.engine import Sheet
from qdebug.recipes import Recipe
from qdebug.results import Size
from qdebug.session.subject import Subject
from qdebug.targets import model_size


def size(subject: Subject, recipe: Recipe, sheet: Sheet | None = None) -> Size:
    """The size of all parameters, float and under the recipe, with what fixes keep beside the codes.

    Args:
        subject: the model.
        recipe: the recipe; see :func:`qdebug.targets.model_size`.
        sheet: its sheet, which says what is kept. A weight that several layers share has it once for each. Without
            one nothing is.
    """
    plain = model_size(subject.info, recipe)
    if sheet is None:
        return plain
    chosen = (sheet.rounded(step) for step in sheet.quants)
    beside = sum(one.beside for one in chosen if one is not None)
    return replace(
        plain, quantized_bytes=plain.quantized_bytes - (-beside // 8),
        bits_per_weight=plain.bits_per_weight + beside / max(subject.info.params, 1),
    )  # fmt: skip
