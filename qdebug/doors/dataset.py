"""Data joined to a model: checked, in tensors, in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from blake3 import blake3
from torch import Tensor

from qdebug.doors.axes import declared_alike, fed_shape
from qdebug.errors import DataError, near
from qdebug.quantize.finite import all_finite
from qdebug.results import TensorSpec

#: Keys of a data file that are no model inputs.
EXTRA = ("labels", "group")
#: Labels that are real numbers in the shape of the output may be called so, where no input is.
TARGET = "target"


@dataclass(frozen=True)
class Dataset:
    """Samples of a model's inputs.

    Attributes:
        inputs: tensors by input name, samples first; those in ``alike`` whole.
        labels: class per sample ``[N]``, token per position ``[N, T]`` or class per pixel ``[N, H, W]`` (int64);
            targets, real numbers in the shape of the output (float32); or None.
        group: the subgroup of each sample ``[N]``, or None.
        source: where it came from, for messages.
        alike: the inputs that are the same for every sample.
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor | None
    group: np.ndarray | None
    source: str
    alike: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return next(len(tensor) for name, tensor in self.inputs.items() if name not in self.alike)

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
        labels = self.labels[:count] if self.labels is not None else None
        group = self.group[:count] if self.group is not None else None
        return Dataset(self.rows(0, count), labels, group, self.source, self.alike)

    def take(self, rows: np.ndarray) -> Dataset:
        """Some samples.

        Args:
            rows: int ``[n]``, their places, in the order wanted.
        """
        picked = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.int64))
        inputs = {name: tensor if name in self.alike else tensor[picked] for name, tensor in self.inputs.items()}
        labels = self.labels[picked] if self.labels is not None else None
        group = self.group[rows] if self.group is not None else None
        return Dataset(inputs, labels, group, self.source, self.alike)

    def rows(self, start: int, stop: int) -> dict[str, Tensor]:
        """The inputs of some samples; what is the same for every sample is handed on whole."""
        return {name: tensor if name in self.alike else tensor[start:stop] for name, tensor in self.inputs.items()}

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """``(start, stop)`` of each batch."""
        for start in range(0, len(self), size):
            yield start, min(start + size, len(self))


def join_data(arrays: Mapping[str, object], specs: tuple[TensorSpec, ...], source: str) -> Dataset:
    """Data that fit a model.

    Args:
        arrays: numpy arrays or tensors by key: one per model input, and optionally ``labels`` (or ``target``, where
            they are real numbers in the shape of the output) and ``group``.
        specs: the model's inputs, as it declares them.
        source: the file's name or words, for messages.

    An array holds a row for each sample, whatever batch the model declares. An input that the declaration says is the
    same for every sample (:func:`~qdebug.doors.axes.declared_alike`) may be given once, with exactly the declared
    shape; of any other length, its rows are samples.

    Raises:
        DataError: a key is missing or unknown, a shape, dtype or length is wrong, a value is NaN or Inf, or there is
            no sample.
    """
    names = [spec.name for spec in specs]
    for key in arrays:
        if key not in names and key not in (*EXTRA, TARGET):
            raise DataError(
                f"The data have a key '{key}' that the model has no input for",
                file=source,
                do=near(key, [*names, *EXTRA]),
            )
    given = {spec.name: _given(arrays, spec.name, source) for spec in specs}
    possible = declared_alike(specs)
    alike = frozenset(spec.name for spec in specs if spec.name in possible and given[spec.name].shape == spec.shape)
    inputs = {spec.name: _input(given[spec.name], spec, alike, possible, source) for spec in specs}
    count = _count(inputs, specs, alike, possible, source)
    labels, group = _labels(arrays, names, count, source), _group(arrays, count, source)
    return Dataset(inputs, labels, group, source, alike)


def _given(arrays: Mapping[str, object], name: str, source: str) -> Tensor:
    if name not in arrays:
        have = ", ".join(arrays) or "nothing"
        raise DataError(
            f"The data lack the model input '{name}'",
            file=source,
            do=f"Add an array of that name; the file has {have}.",
        )
    return _tensor(arrays[name], name, source)


def _input(tensor: Tensor, spec: TensorSpec, alike: Collection[str], possible: Collection[str], source: str) -> Tensor:
    shape = tuple(tensor.shape)
    wanted = fed_shape(spec, alike if spec.shape else possible)
    fits = len(shape) == len(wanted) and all(w is None or w == h for w, h in zip(wanted, shape, strict=True))
    if not fits:
        once = f"{list(spec.shape)}, the same for every sample" if spec.shape else "one number for all samples"
        each = "[" + ", ".join("N" if size is None else str(size) for size in wanted) + "]"
        raise DataError(
            f"'{spec.name}' has shape {list(shape)}, the model wants {once if spec.name in possible else each}",
            file=source,
            do="Give it once, not for each sample." if spec.name in possible else "Reshape the data, samples first.",
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
        _refuse_nonfinite(tensor, spec.name, spec.name in alike, source)
    return tensor.to(wanted_type)


def _refuse_nonfinite(tensor: Tensor, name: str, is_alike: bool, source: str) -> None:
    if is_alike:
        # A mask of -inf that softmax reads is how attention is written, not a fault.
        if bool((torch.isnan(tensor) | (tensor == torch.inf)).any()):
            raise DataError(
                f"'{name}' holds NaN or Inf", file=source, shape=list(tensor.shape), do="Repair it: all samples use it."
            )
        return
    bad = int((~torch.isfinite(tensor)).flatten(1).any(1).nonzero()[0]) if tensor.dim() > 1 else 0
    raise DataError(
        f"'{name}' holds NaN or Inf, first in sample {bad}",
        file=source,
        shape=list(tensor.shape),
        do="Remove or repair those samples.",
    )


def _count(
    inputs: Mapping[str, Tensor], specs: Sequence[TensorSpec], alike: Collection[str], possible: Collection[str],
    source: str,
) -> int:  # fmt: skip
    """The number of samples, which all inputs but those that are the same for every sample agree on."""
    rows = {name: len(tensor) for name, tensor in inputs.items() if name not in alike}
    if not rows:
        raise DataError(
            "No input of the model has a row for each sample", file=source,
            do="Export the model with inputs whose first axis is the batch.",
        )  # fmt: skip
    # Inputs that are certain to hold samples tell how many: those of open size, or of another length than declared.
    certain = (spec.name for spec in specs if spec.name in rows and spec.name not in possible)
    sizes = {spec.name: spec.shape[:1] for spec in specs}
    count = next((rows[name] for name in certain if sizes[name] != (rows[name],)), next(iter(rows.values())))
    if count == 0:
        raise DataError("The data have no sample", file=source, do="Give at least one; 256 or more are better.")
    for spec in specs:
        have = rows.get(spec.name, count)
        if have == count:
            continue
        if spec.name in possible:
            do = f"Give it once, as {list(spec.shape)}, or for each sample."
        elif spec.shape and spec.shape[0] == have:
            do = (
                "Give a row for each sample. If it is the same for all of them, export the model with the first size "
                "of its other inputs left open, or with this one as a stored tensor."
            )
        else:
            do = "Give the same number of samples for each key."
        raise DataError(f"'{spec.name}' has {have} rows, the other inputs have {count} samples", file=source, do=do)
    return count


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


def _labels(arrays: Mapping[str, object], inputs: Collection[str], count: int, source: str) -> Tensor | None:
    """Whole numbers, or targets: real numbers, called ``target`` or not."""
    given = [name for name in ("labels", TARGET) if name in arrays and name not in inputs]
    if len(given) > 1:
        raise DataError(
            "The data have both 'labels' and 'target'", file=source, do="Give one: outputs are judged by it."
        )
    if not given:
        return None
    name = given[0]
    labels = _tensor(arrays[name], name, source)
    if labels.dim() == 0:
        raise DataError(f"'{name}' is a single number", file=source, do=f"Give one per sample ({count}).")
    _same_length(name, len(labels), count, source)
    if name != TARGET and not labels.dtype.is_floating_point:
        return labels.long()
    targets = labels.float()
    if not all_finite(targets):
        _refuse_nonfinite(targets, name, False, source)
    return targets


def _group(arrays: Mapping[str, object], count: int, source: str) -> np.ndarray | None:
    if "group" not in arrays:
        return None
    group = np.asarray(arrays["group"])
    if group.ndim != 1:
        raise DataError(f"'group' has shape {list(group.shape)}", file=source, do=f"Give one per sample ({count}).")
    _same_length("group", len(group), count, source)
    return group


def _same_length(name: str, have: int, want: int, source: str) -> None:
    if have != want:
        raise DataError(
            f"'{name}' has {have} samples and the inputs have {want}",
            file=source,
            do="Give the same number of samples for each key.",
        )
