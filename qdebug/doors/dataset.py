"""Data joined to a model: checked, in tensors, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from blake3 import blake3
from torch import Tensor

from qdebug.errors import DataError, near
from qdebug.quantize.finite import all_finite
from qdebug.results import TensorSpec

#: Keys of a data file that are no model inputs.
EXTRA = ("labels", "group")


@dataclass(frozen=True)
class Dataset:
    """Samples of a model's inputs.

    Attributes:
        inputs: tensors by input name, samples first.
        labels: class per sample ``[N]``, token per position ``[N, T]`` or class per pixel ``[N, H, W]``
            (int64), or None.
        group: the subgroup of each sample ``[N]``, or None.
        source: where it came from, for messages.
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor | None
    group: np.ndarray | None
    source: str

    def __len__(self) -> int:
        return int(next(iter(self.inputs.values())).shape[0])

    @cached_property
    def digest(self) -> bytes:
        """A content hash of the inputs (16 bytes)."""
        total = blake3()
        for name, tensor in self.inputs.items():
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            total.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
        return total.digest(16)

    def first(self, count: int) -> Dataset:
        """The first samples."""
        cut = {name: tensor[:count] for name, tensor in self.inputs.items()}
        labels = self.labels[:count] if self.labels is not None else None
        return Dataset(cut, labels, self.group[:count] if self.group is not None else None, self.source)

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """``(start, stop)`` of each batch."""
        for start in range(0, len(self), size):
            yield start, min(start + size, len(self))


def join_data(arrays: Mapping[str, object], specs: tuple[TensorSpec, ...], source: str) -> Dataset:
    """Data that fit a model.

    Args:
        arrays: numpy arrays or tensors by key: one per model input, and optionally ``labels`` and ``group``.
        specs: the model's inputs.
        source: the file's name or words, for messages.

    Raises:
        DataError: a key is missing or unknown, a shape, dtype or length is wrong, a value is NaN or Inf, or there is
            no sample.
    """
    names = [spec.name for spec in specs]
    for key in arrays:
        if key not in names and key not in EXTRA:
            raise DataError(
                f"The data have a key '{key}' that the model has no input for",
                file=source,
                do=near(key, [*names, *EXTRA]),
            )
    inputs = {spec.name: _input(arrays, spec, source) for spec in specs}
    count = len(next(iter(inputs.values())))
    if count == 0:
        raise DataError("The data have no sample", file=source, do="Give at least one; 256 or more are better.")
    for name, tensor in inputs.items():
        _same_length(name, len(tensor), count, names[0], source)
    return Dataset(inputs, _labels(arrays, count, names[0], source), _group(arrays, count, names[0], source), source)


def _input(arrays: Mapping[str, object], spec: TensorSpec, source: str) -> Tensor:
    if spec.name not in arrays:
        have = ", ".join(arrays) or "nothing"
        raise DataError(
            f"The data lack the model input '{spec.name}'",
            file=source,
            do=f"Add an array of that name; the file has {have}.",
        )
    tensor = _tensor(arrays[spec.name], spec.name, source)
    shape = tuple(tensor.shape)
    fits = len(shape) == len(spec.shape) and all(w is None or w == h for w, h in zip(spec.shape, shape, strict=True))
    if not fits:
        wanted = "[" + ", ".join("N" if size is None else str(size) for size in spec.shape) + "]"
        raise DataError(
            f"'{spec.name}' has shape {list(shape)}, the model wants {wanted}",
            file=source,
            do="Reshape the data, samples first.",
        )
    wanted_type: torch.dtype = getattr(torch, spec.dtype)
    if wanted_type.is_floating_point != tensor.dtype.is_floating_point:
        have = str(tensor.dtype).removeprefix("torch.")
        raise DataError(
            f"'{spec.name}' has dtype {have}, the model wants {spec.dtype}",
            file=source,
            do="Convert the data first; a silent cast could hide a missing normalization.",
        )
    if tensor.dtype.is_floating_point and not all_finite(tensor):
        bad = int((~torch.isfinite(tensor)).flatten(1).any(1).nonzero()[0]) if tensor.dim() > 1 else 0
        raise DataError(
            f"'{spec.name}' holds NaN or Inf, first in sample {bad}",
            file=source,
            shape=list(shape),
            do="Remove or repair those samples.",
        )
    return tensor.to(wanted_type)


def _tensor(value: object, name: str, source: str) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu().contiguous()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"'{name}' has dtype {array.dtype}, which is not numbers", file=source, do="Save integers or floats."
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))


def _labels(arrays: Mapping[str, object], count: int, first: str, source: str) -> Tensor | None:
    if "labels" not in arrays:
        return None
    labels = _tensor(arrays["labels"], "labels", source)
    if labels.dtype.is_floating_point:
        raise DataError("'labels' are floats", file=source, do="Give class numbers as integers.")
    if labels.dim() == 0:
        raise DataError("'labels' is a single number", file=source, do=f"Give one label per sample ({count}).")
    _same_length("labels", len(labels), count, first, source)
    return labels.long()


def _group(arrays: Mapping[str, object], count: int, first: str, source: str) -> np.ndarray | None:
    if "group" not in arrays:
        return None
    group = np.asarray(arrays["group"])
    _same_length("group", len(group), count, first, source)
    return group


def _same_length(name: str, have: int, want: int, first: str, source: str) -> None:
    if have != want:
        raise DataError(
            f"'{name}' has {have} samples and '{first}' has {want}",
            file=source,
            do="Give the same number of samples for each key.",
        )
