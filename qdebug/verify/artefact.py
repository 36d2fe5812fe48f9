"""A recipe as a file in a folder of its own, for as long as it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

from qdebug.engine import Work
from qdebug.export import write_onnx
from qdebug.recipes import Recipe
from qdebug.results import Exported
from qdebug.session import Session


@contextmanager
def artefact(session: Session, recipe: Recipe, work: Work) -> Iterator[Exported]:
    """The quantized file of a recipe; it is gone afterwards.

    Of a file that was quantized already, and of the recipe in it, that is the file itself.

    Raises:
        QDebugError: it cannot be written.
    """
    origin = session.subject.origin
    own = session.own_recipe()
    if isinstance(origin, Path) and own is not None and own.digest == recipe.digest:
        opset = onnx.load(origin, load_external_data=False).opset_import
        version = next((one.version for one in opset if one.domain in ("", "ai.onnx")), 0)
        yield Exported(path=str(origin), opset=version, bytes=origin.stat().st_size)
        return
    with tempfile.TemporaryDirectory(prefix="qdebug-") as folder:
        yield write_onnx(session, recipe, Path(folder) / "model.onnx", work=work)
