"""A recipe as a file in a folder of its own, for as long as it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

from qdebug.engine import Work
from qdebug.export import write_onnx
from qdebug.export.onnx import write_unchanged
from qdebug.recipes import Recipe
from qdebug.results import Exported
from qdebug.session import Session


@contextmanager
def artefact(session: Session, recipe: Recipe, work: Work) -> Iterator[Exported]:
    """The quantized file of a recipe; it is gone afterwards.

    Of a file that was quantized already, and of the recipe in it, that is the file itself; a stranger's is written
    anew.

    Raises:
        QDebugError: it cannot be written.
    """
    origin = session.subject.origin
    own = session.own_recipe()
    is_own = isinstance(origin, Path) and own is not None and own.digest == recipe.digest
    if isinstance(origin, Path) and is_own and not session.subject.is_strange:
        opset = onnx.load(origin, load_external_data=False).opset_import
        version = next((one.version for one in opset if one.domain in ("", "ai.onnx")), 0)
        yield Exported(path=str(origin), opset=version, bytes=origin.stat().st_size)
        return
    with tempfile.TemporaryDirectory(prefix="qdebug-") as folder:
        path = Path(folder) / "model.onnx"
        yield write_unchanged(session, path, work=work) if is_own else write_onnx(session, recipe, path, work=work)
