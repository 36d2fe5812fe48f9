"""Formats by name."""

from __future__ import annotations

from qdebug.errors import RecipeError, near
from qdebug.formats import qformat
from qdebug.formats.qformat import QFormat

FORMATS: dict[str, QFormat] = {
    value.name: value
    for value in (
        qformat.FP32, qformat.FP16, qformat.BF16,
        qformat.INT8, qformat.INT7, qformat.INT6, qformat.INT5, qformat.INT4, qformat.INT3, qformat.INT2,
    )
}  # fmt: skip


def find(name: str) -> QFormat:
    """The format of that name.

    Raises:
        RecipeError: no format has it; the message lists near names.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise RecipeError(f"Unknown number format '{name}'", do=near(name, FORMATS)) from None
