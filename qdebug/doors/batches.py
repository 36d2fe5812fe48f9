"""Data as people have them in Python (tensors, loaders, data sets, generators of batches), joined to arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdebug.doors.signature import Signature, by_name, named
from qdebug.errors import DataError, UsageError

SAMPLES = 4096
"""Samples after which an iterable of batches is not read on, unless more are asked for."""
BYTES = 2**30
"""Bytes of inputs after which it is not read on, unless a number of samples is asked for."""
LARGEST = 8 * 2**30
"""Bytes of inputs beyond which that number is refused."""
_ROWS = 64
_WANTED = (
    "Give arrays by the names of forward's parameters and 'labels', a tensor, a Dataset, a DataLoader, or any iterable "
    "of batches: tensors, (x, labels), or mappings."
)
Arrays = dict[str, Any]


def arrays_of(
    given: object, signature: Signature, what: str, samples: int | None = None,
    check: Callable[[], None] = lambda: None, *, has_labels: bool = True,
) -> tuple[Arrays, str]:  # fmt: skip
    """What a module is fed, as one array for each parameter of its forward.

    What lies in memory as a whole (a mapping of arrays, a tensor or array, a tuple of them) is taken as a whole. What
    is run through (a ``DataLoader``, any iterable of batches, a ``Dataset`` of samples) is read up to ``samples``, by
    default up to :data:`SAMPLES` samples or :data:`BYTES` bytes; that it was cut there is a warning and stands in the
    words.

    Args:
        given: the data. A tuple is one batch, its parts in forward's order, labels last; a list has batches in it.
        signature: what forward takes.
        what: what the data are called in messages, such as ``data``.
        samples: how many to read at most.
        check: called between batches; raises where the work is to stop.
        has_labels: whether the last part of a tuple may be labels.

    Returns:
        arrays ``[N, ...]`` by parameter, with ``labels`` where there are some, and words that say where they are from.

    Raises:
        DataError: there is no row, parts are missing, batches differ in keys, shapes or dtypes, samples are of
            different lengths, or more than :data:`LARGEST` bytes were asked for.
        UsageError: the data are of a type that nothing can be made of, or ``samples`` is no positive number.
    """
    if samples is not None and (not isinstance(samples, int) or isinstance(samples, bool) or samples < 1):
        raise UsageError(f"samples is {samples!r}", do="Give a number from 1.")
    words = f"the {what} given"
    whole = _whole(given, signature, words, has_labels)
    if whole is not None:
        return (whole if samples is None else first_rows(whole, samples)), words
    joined, is_cut = _joined(_batches(given, words), signature, words, samples, check)
    count = len(next(iter(joined.values())))
    if not is_cut:
        return joined, words
    words = f"{words} (the first {count} samples; the rest was not read)"
    if samples is None:
        # The frames between are ours; the person's call is what the warning is about.
        warnings.warn(f"{what}: the first {count} samples were read and no more; samples= says how many", stacklevel=6)
    return joined, words


def _whole(given: object, signature: Signature, words: str, has_labels: bool) -> Arrays | None:
    """Data that need no running through; None for others."""
    if isinstance(given, Mapping):
        return by_name(given, signature)
    if isinstance(given, Tensor) or hasattr(given, "__array__"):  # a table of numbers is an array too
        return named([_array(given, words)], signature, words, has_labels=False)
    if isinstance(given, tuple) and given and all(isinstance(part, (Tensor, np.ndarray)) for part in given):
        return named(given, signature, words, has_labels=has_labels)
    return None


def _batches(given: object, words: str) -> Iterator[object]:
    """Batch after batch of what can be run through."""
    if isinstance(given, (str, bytes)) or not (isinstance(given, Iterable) or hasattr(given, "__getitem__")):
        kind = "None" if given is None else f"of the type {type(given).__name__}"
        raise UsageError(f"{words} cannot be {kind}".capitalize(), do=_WANTED)
    is_samples = isinstance(given, torch.utils.data.Dataset) or (
        hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, Sequence)
    )
    if not is_samples:
        yield from given  # type: ignore[misc]
        return
    rows: list[object] = []
    for row in _items(given):
        rows.append(row)
        if len(rows) == _ROWS:
            yield _stacked(rows, words)
            rows = []
    if rows:
        yield _stacked(rows, words)


def _items(dataset: Any) -> Iterator[object]:
    if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        for place in range(len(dataset)):
            yield dataset[place]
        return
    yield from dataset


def _stacked(rows: Sequence[Any], words: str) -> object:
    """Samples as one batch."""
    first = rows[0]
    if isinstance(first, Mapping):
        for row in rows:
            if set(row) != set(first):
                raise DataError(
                    f"{words}: samples have different keys, {sorted(row)} and {sorted(first)}",
                    do="Give every sample the same keys.",
                )
        return {key: _stack([row[key] for row in rows], f"'{key}'", words) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(_stack([row[i] for row in rows], f"part {i}", words) for i in range(len(first)))
    return _stack(rows, "the sample", words)


def _stack(values: Sequence[object], name: str, words: str) -> np.ndarray:
    arrays = [_array(value, f"{words}: {name}") for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        some = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
        raise DataError(
            f"{words}: {name} has different shapes from sample to sample, {some}",
            do="Pad or crop the samples to one shape, or give a DataLoader with a collate_fn that does.",
        )
    return np.stack(arrays)


def _joined(
    batches: Iterator[object], signature: Signature, words: str, samples: int | None, check: Callable[[], None]
) -> tuple[Arrays, bool]:
    """All batches as one, and whether there were more of them."""
    parts: dict[str, list[np.ndarray]] = {}
    count, size, limit = 0, 0, samples or SAMPLES
    for number, batch in enumerate(batches):
        check()
        if count >= limit or (samples is None and size >= BYTES):
            return _concatenated(parts, limit), True
        found = _batch(batch, signature, f"batch {number} of {words}")
        rows = _rows(found, f"batch {number} of {words}")
        if parts:
            _check_like(found, {name: values[0] for name, values in parts.items()}, f"batch {number} of {words}")
        for name, array in found.items():
            parts.setdefault(name, []).append(array)
        count += rows
        size += sum(array.nbytes for array in found.values())
        if size > LARGEST:
            raise DataError(
                f"{words} are more than {LARGEST / 2**30:.3g} GiB after {count} samples", do="Ask for fewer samples."
            )
    if not count:
        raise DataError(
            f"{words} have no row".capitalize(),
            do="Give at least one batch. A generator can be run through only once: make a new one, or give a list.",
        )
    return _concatenated(parts, limit), count > limit


def _batch(batch: object, signature: Signature, where: str) -> dict[str, np.ndarray]:
    if isinstance(batch, Mapping):
        found = by_name(batch, signature)
    elif isinstance(batch, (tuple, list)):
        found = named(batch, signature, where, has_labels=True)
    elif isinstance(batch, (Tensor, np.ndarray)):
        found = named([batch], signature, where, has_labels=False)
    else:
        raise UsageError(f"{where} is of the type {type(batch).__name__}", do=_WANTED)
    return {name: _array(value, f"'{name}' of {where}") for name, value in found.items()}


def _array(value: object, where: str) -> np.ndarray:
    """Numbers as an array; a half of 16 bits that NumPy does not have is widened."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        kind = "lists of different lengths" if array.dtype.kind == "O" and isinstance(value, list) else None
        raise DataError(
            f"{where} is no tensor of numbers but {kind or type(value).__name__}",
            do="Give tensors or arrays; a data set's transform or a collate_fn makes them, and pads what is ragged.",
        )
    return array


def _rows(found: Mapping[str, np.ndarray], where: str) -> int:
    counts: dict[str, int] = {}
    for name, array in found.items():
        if array.ndim == 0:
            raise DataError(
                f"'{name}' of {where} is a single number",
                do="Give batches, samples first; or single samples as a Dataset.",
            )
        counts[name] = len(array)
    if len(set(counts.values())) > 1:
        said = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise DataError(f"{where}: rows differ, {said}", do="Give as many rows of each, samples first.")
    return next(iter(counts.values()), 0)


def _check_like(found: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray], where: str) -> None:
    if set(found) != set(first):
        raise DataError(
            f"{where} has {', '.join(sorted(found))}, the batches before it {', '.join(sorted(first))}",
            do="Give the same in each batch.",
        )
    for name, array in found.items():
        if array.shape[1:] != first[name].shape[1:]:
            raise DataError(
                f"'{name}' of {where} has shape {list(array.shape)}, that of batch 0 {list(first[name].shape)}",
                do="Only the first size may differ: pad or crop all batches to one shape.",
            )
        if array.dtype != first[name].dtype:
            raise DataError(
                f"'{name}' of {where} is {array.dtype}, that of batch 0 {first[name].dtype}",
                do="Give the same dtype in each batch.",
            )


def _concatenated(parts: Mapping[str, Sequence[np.ndarray]], limit: int) -> Arrays:
    return {name: np.concatenate(arrays)[:limit] for name, arrays in parts.items()}


def first_rows(arrays: Mapping[str, Any], samples: int) -> Arrays:
    """The first samples of each array; what is one number is the same for all."""
    return {name: value[:samples] if np.ndim(value) else value for name, value in arrays.items()}
