"""Bytes of a model under a recipe."""

from __future__ import annotations

from qdebug.recipes import Recipe
from qdebug.results import Size
from qdebug.session.subject import Subject
from qdebug.targets import model_size


def size(subject: Subject, recipe: Recipe) -> Size:
    """The size of all parameters, float and under the recipe; see :func:`qdebug.targets.model_size`."""
    return model_size(subject.info, recipe)
