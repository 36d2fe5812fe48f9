"""Data that are run through, batch after batch, for a model that is no module: its inputs say what a batch holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from qdebug.doors.axes import declared_alike
from qdebug.doors.batches import arrays_of
from qdebug.doors.signature import Signature
from qdebug.engine import Work
from qdebug.results import TensorSpec
from qdebug.session.loading import Arrays


def is_run_through(given: object) -> bool:
    """Whether data are tensors, samples or batches: neither a path nor arrays by name."""
    if given is None or isinstance(given, (str, bytes, os.PathLike, Mapping)):
        return False
    return isinstance(given, Iterable) or hasattr(given, "__getitem__")


def run_through(
    given: object, what: str, inputs: Sequence[TensorSpec], name: str, samples: int | None, work: Work
) -> tuple[Arrays, str]:
    """Batches joined to arrays by the names of the model's inputs, as :func:`qdebug.doors.batches.arrays_of` does it.

    A batch that is no mapping holds the inputs in the model's order, labels last; an input that is the same for every
    sample (:func:`qdebug.doors.axes.declared_alike`) is in no batch.

    Args:
        given: the data.
        what: what they are called in messages.
        inputs: the model's, as it declares them.
        name: the model's.
        samples: how many are read at most; None for the documented bounds.
        work: progress and cancel.

    Raises:
        DataError: there is no row, or batches do not fit each other or the inputs.
        UsageError: the data are of a type that nothing can be made of.
    """
    alike = declared_alike(inputs)
    fed = tuple(spec.name for spec in inputs if spec.name not in alike)
    work.step(0, 3, f"reading the {what}")
    signature = Signature(name, fed, len(fed), tuple(alike), is_open=False, is_file=True)
    return arrays_of(given, signature, what, samples, work.check)
