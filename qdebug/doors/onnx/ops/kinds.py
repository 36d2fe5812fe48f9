"""Element types that torch holds but hardly computes with: wide unsigned integers and floats of 8 bits.

What only moves values treats them as signed integers of the same width (:func:`movable`); what compares them maps them
to signed integers in the same order (:func:`sortable`); the rest of integer arithmetic is NumPy's (:func:`by_numpy`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS, name_of
from qdebug.errors import ModelError

WIDE_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
_SAME_WIDTH = {
    torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64,
    torch.float8_e4m3fn: torch.uint8, torch.float8_e4m3fnuz: torch.uint8, torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8, torch.float8_e8m0fnu: torch.uint8,
}  # fmt: skip
_LOWEST = -(2**63)


def carrier(elem: int) -> torch.dtype:
    """The torch type of an element type that an attribute names.

    Raises:
        ModelError: nothing here carries it, such as strings.
    """
    if elem not in ELEMENTS:
        raise ModelError(
            f"Values of the element {name_of(elem)} cannot be computed with",
            do="Export the model so that its operators take and give numbers.",
        )
    return ELEMENTS[elem].carrier


def is_wide(*tensors: Tensor) -> bool:
    """Whether there is a type among them that :func:`by_numpy` is for."""
    return any(tensor.dtype in WIDE_UNSIGNED for tensor in tensors)


def by_numpy(function: Callable[..., Any], *tensors: Tensor) -> Tensor:
    """What NumPy's function gives, on the first tensor's device and, unless it is a truth value, in its type."""
    result = np.asarray(function(*(tensor.cpu().numpy() for tensor in tensors)))
    whole = torch.from_numpy(result).to(tensors[0].device)
    return whole if result.dtype == np.bool_ else whole.to(tensors[0].dtype)


def movable(x: Tensor) -> Tensor:
    """The same bits in a type that every operator which moves values can move."""
    same = _SAME_WIDTH.get(x.dtype)
    return x if same is None else x.view(same)


def restored(moved: Tensor, dtype: torch.dtype) -> Tensor:
    """What :func:`movable` values became, in their own type. A view of the same type would end the gradient."""
    return moved if moved.dtype == dtype else moved.view(dtype)


def sortable(x: Tensor) -> Tensor:
    """Values in the same order, in a type that torch can compare."""
    if x.dtype == torch.uint64:
        return x.view(torch.int64) ^ _LOWEST
    if x.dtype in WIDE_UNSIGNED:
        return x.to(torch.int64)
    return x.to(torch.uint8) if x.dtype == torch.bool else x
