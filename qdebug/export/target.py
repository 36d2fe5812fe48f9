"""What can be written: each target with its title and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from qdebug.export.document import Document
from qdebug.export.targets.remarks import on_attention
from qdebug.recipes import Recipe
from qdebug.results import ModelInfo
from qdebug.session import Session
from qdebug.session.decided import Decided

Reads = Literal["decided", "layers", "shares"]


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        title: what people read.
        write: from a recipe worked out, the model's facts and, as ``reads`` says, a measurement.
        reads: what it needs beside those two: nothing, the layer table, or every layer's share in the damage.
        suffix: of the file's name.
    """

    title: str
    write: Callable[..., Document]
    reads: Reads = "decided"
    suffix: str = ".json"

    def document(self, session: Session, recipe: Recipe | str) -> Document:
        """The file of a recipe (or a preset's name) on an opened model.

        Raises:
            QDebugError: the recipe does not fit the model, or the target refuses it.
        """
        decided, info = session.decided(recipe), session.info()
        if self.reads == "layers":
            document = self.write(decided, info, session.layers(recipe))
        elif self.reads == "shares":
            document = self.write(decided, info, session.shares(recipe))
        else:
            document = self._without_cells(decided, info)
        return replace(document, unsaid=(*document.unsaid, *on_attention(decided)))

    def _without_cells(self, decided: Decided, info: ModelInfo) -> Document:
        """The file without the matrices of recurrent cells: tools know such a cell as one operator or module."""
        inside = [one.layer.name for one in decided.layers if one.layer.is_recurrent and one.is_quantized]
        others = tuple(one for one in decided.layers if not one.layer.is_recurrent)
        document = self.write(replace(decided, layers=others), info)
        return replace(document, unsaid=(*document.unsaid, *cells_stay_float(inside)))


def cells_stay_float(names: Sequence[str]) -> tuple[str, ...]:
    """The sentence on layers inside recurrent cells, where there are any."""
    if not names:
        return ()
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return (
        f"Recurrent cells are left as they are: a file of this kind has no word for one of their matrices ({shown}).",
    )
