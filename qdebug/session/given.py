"""A module from a notebook or script, with the data that Python has for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from qdebug.doors.batches import arrays_of, first_rows
from qdebug.doors.dataset import EXTRA
from qdebug.doors.datasets import is_table
from qdebug.doors.images import read_images
from qdebug.doors.module import at_rest
from qdebug.doors.part import hold, recorded
from qdebug.doors.parts import with_parts
from qdebug.doors.signature import by_name, signature_of
from qdebug.engine import Work
from qdebug.errors import DataError, ModelError
from qdebug.session.loading import Arrays, Loaded, from_module

Source = tuple[Arrays | None, str]
Read = Callable[[object, str], Source]


class Given(NamedTuple):
    """A module captured, and its data as arrays, each with words that say where they are from."""

    loaded: Loaded
    data: Source
    calib: Source
    train: Source
    name: str


def from_python(
    module: nn.Module, inputs: object, data: object, calib: object, train: object, *, samples: int | None,
    part: str | None, read: Read, work: Work,
) -> Given:  # fmt: skip
    """Capture a module, or a part of it, and join its data.

    Args:
        module: the model.
        inputs: example inputs; the evaluation data too where there are none.
        data: the evaluation data, as :func:`qdebug.doors.batches.arrays_of` takes them, or a path.
        calib: calibration data likewise, or None.
        train: training data likewise, or None.
        samples: the most that is read of each; None for the documented bounds.
        part: the path of a submodule: it alone is captured, and fed what reaches it in the whole module.
        read: reads a path.
        work: progress and cancel.

    Raises:
        DataError: there are no data, or they do not fit together.
        ModelError: the module or the part cannot be captured, or there is no such part.
        UsageError: data are of a type that nothing can be made of.
    """
    if data is None:
        inputs, data = None, inputs
    if data is None:
        raise DataError(
            "A module needs data",
            do="Give example inputs, or data={'input name': array, ..., 'labels': array}, a tensor, a Dataset, a "
            "DataLoader or any iterable of batches.",
        )
    signature = signature_of(module)

    def source(given: object, what: str, *, has_labels: bool = True) -> Source:
        if given is None or isinstance(given, (str, os.PathLike)):
            if samples is not None and given is not None and Path(given).is_dir() and not is_table(given):
                return read_images(given, samples=samples, check=work.check), os.fspath(given)  # evenly of all classes
            arrays, words = read(given, what)
            arrays = arrays if arrays is None else by_name(arrays, signature)
            return (arrays if samples is None or arrays is None else first_rows(arrays, samples)), words
        work.step(0, 3, f"reading the {what}")
        arrays, words = arrays_of(given, signature, what, samples, work.check, has_labels=has_labels)
        return _as_weights(arrays, module), words

    read_data, read_calib = source(data, "data"), source(calib, "calibration data")
    read_train = source(train, "training data")
    example = None if inputs is None else source(inputs, "example inputs", has_labels=False)[0]
    name = type(module).__name__
    if part is None:
        work.step(0, 3, "capturing the model")
        first = read_data[0] if example is None else example
        assert first is not None
        try:  # what resists as a whole may hold parts that do not
            loaded = from_module(module, first)
        except ModelError as error:
            work.step(0, 3, "looking for parts that can be captured")
            raise with_parts(error, module, first, work.check) from error.__cause__  # which is torch's own
        return Given(loaded, read_data, read_calib, read_train, name)
    work.step(0, 3, f"running the model up to {part}")
    whole = at_rest(module)
    held = hold(whole, part, read_data[0] or {})
    data, calib, train = (
        (None, "") if arrays is None else (recorded(held, arrays, work.check), f"what {part} receives from {words}")
        for arrays, words in (read_data, read_calib, read_train)
    )
    work.step(0, 3, f"capturing {part}")
    # What comes out of a part are features, not scores of classes.
    loaded = replace(from_module(held, data[0] or {}), says_embeddings=True)
    return Given(loaded, data, calib, train, f"{name} {part}")


def _as_weights(arrays: Arrays, module: nn.Module) -> Arrays:
    """Inputs of real numbers in the precision of the module's weights, since NumPy's are twice as wide; on the CPU."""
    arrays = {name: value.detach().cpu() if isinstance(value, Tensor) else value for name, value in arrays.items()}
    kinds = {weight.dtype for weight in module.parameters() if weight.is_floating_point()}
    if len(kinds) != 1:
        return arrays
    (kind,) = kinds
    return {name: value if name in EXTRA else _cast(value, kind) for name, value in arrays.items()}


def _cast(value: object, kind: torch.dtype) -> object:
    is_real = value.is_floating_point() if isinstance(value, Tensor) else np.asarray(value).dtype.kind == "f"
    return torch.as_tensor(value).to(kind) if is_real else value
