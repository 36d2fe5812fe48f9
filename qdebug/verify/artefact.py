"""A recipe as a file in a folder of its own, for as long as it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.export import write_onnx
from qdebug.recipes import Recipe
from qdebug.results import Exported
from qdebug.session import Session


@contextmanager
def artefact(session: Session, recipe: Recipe, work: Work) -> Iterator[Exported]:
    """The quantized file of a recipe; it is gone afterwards.

    Raises:
        QDebugError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="qdebug-") as folder:
        yield write_onnx(session, recipe, Path(folder) / "model.onnx", work=work)


def as_deployed(recipe: Recipe) -> Recipe:
    """The recipe as an integer runtime wants it: with biases of 32 bits wherever a layer runs in integers."""
    return replace(recipe, bias="int32")
