"""Sequences and optional values: lists and None of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.onnx.body import Body
from qdebug.doors.onnx.registry import operator
from qdebug.errors import ModelError


@operator("SequenceConstruct", 11)
def sequence_construct(*items: Tensor) -> list[Tensor]:
    """Tensors as a sequence."""
    return list(items)


@operator("SequenceEmpty", 11)
def sequence_empty(*, dtype: int = 1) -> list[Tensor]:
    """No tensors."""
    return []


@operator("SequenceAt", 11)
def sequence_at(items: Sequence[Tensor], place: Tensor) -> Tensor:
    """One of a sequence; negative places count from its end."""
    return items[_checked(place, items)]


def _checked(place: Tensor, items: Sequence[Tensor], end: int = 0) -> int:
    wanted = int(place)
    if not -len(items) <= wanted < len(items) + end:
        raise ModelError(f"A sequence of {len(items)} has no place {wanted}", do="Check what computes the place.")
    return wanted


@operator("SequenceInsert", 11)
def sequence_insert(items: Sequence[Tensor], item: Tensor, place: Tensor | None = None) -> list[Tensor]:
    """A sequence with one more, at its end where no place is given."""
    longer = list(items)
    longer.insert(len(items) if place is None else _checked(place, items, 1), item)
    return longer


@operator("SequenceErase", 11)
def sequence_erase(items: Sequence[Tensor], place: Tensor | None = None) -> list[Tensor]:
    """A sequence with one less, the last where no place is given."""
    shorter = list(items)
    del shorter[-1 if place is None else _checked(place, items)]
    return shorter


@operator("SequenceLength", 11)
def sequence_length(items: Sequence[Tensor]) -> Tensor:
    """How many there are."""
    return torch.tensor(len(items))


@operator("ConcatFromSequence", 11)
def concat_from_sequence(items: Sequence[Tensor], *, axis: int, new_axis: int = 0) -> Tensor:
    """The tensors of a sequence one behind the other, or along an axis of their own."""
    return torch.stack(list(items), axis) if new_axis else torch.cat(list(items), axis)


@operator("SplitToSequence", 11)
def split_to_sequence(x: Tensor, split: Tensor | None = None, *, axis: int = 0, keepdims: int = 1) -> list[Tensor]:
    """Parts of a tensor: of a size, of the sizes given, or of one each, where the axis may be dropped."""
    if split is None:
        parts = x.split(1, axis)
        return list(parts) if keepdims else [part.squeeze(axis) for part in parts]
    return list(x.split(int(split) if split.dim() == 0 else split.tolist(), axis))


@operator("SequenceMap", 17)
def sequence_map(*given: Any, body: Body, captured: Sequence[Any], outputs: list[bool]) -> Any:
    """A graph for each tensor of the first sequence and its fellows of the others."""
    rows = [
        body([one[place] if isinstance(one, list) else one for one in given], captured)
        for place in range(len(given[0]))
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in outputs]
    return columns[0] if len(outputs) == 1 else tuple(columns)


@operator("Optional", 15)
def optional(value: Any = None, *, type: Any = None) -> Any:  # noqa: A002 - the attribute's name
    """A value that may be absent."""
    return value


@operator("OptionalHasElement", 15)
def optional_has_element(value: Any = None) -> Tensor:
    """Whether it is there."""
    return torch.tensor(value is not None)


@operator("OptionalGetElement", 15)
def optional_get_element(value: Any) -> Any:
    """The value of an optional.

    Raises:
        ModelError: it is absent.
    """
    if value is None:
        raise ModelError("An optional value is asked for that is absent", do="Check the input, or export without it.")
    return value
