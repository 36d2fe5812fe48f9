"""Constants computed while a file is opened. Bounded: a few bytes of a file can ask for any number of elements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from qdebug.errors import ModelError

FREE = 2**30
"""Bytes that one constant may have whatever it is computed from."""
GROWTH = 4
"""Times its inputs' bytes that a constant may have beyond that."""

#: Operators whose results have no more elements than their first input; asking torch for sizes takes time.
_NEVER_GROWS = frozenset({
    "Cast", "DequantizeLinear", "Flatten", "QuantizeLinear", "Reshape", "Shape", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze", "aten.alias.default", "aten.permute.default", "aten.reshape.default",
})  # fmt: skip

#: Operators whose results have the shape that their inputs broadcast to.
_ELEMENTWISE = frozenset({"aten.add.Tensor", "aten.mul.Tensor", "aten.sub.Tensor", "aten.div.Tensor", "Div", "Where"})

#: What torch and Python raise where a file's constants do not fit each other, or kernels meet sizes of no sense.
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def fold(run: Callable[[Mapping[int, Tensor]], Any], state: Mapping[int, Tensor], template: Any, op: str) -> Any:
    """What a step gives on constants.

    Args:
        run: the step (:func:`~qdebug.graph.calls.compiled`).
        state: the constants.
        template: the step's arguments, with the constants' tensors in them.
        op: its operator's name.

    Raises:
        ModelError: it would take more memory than such inputs explain; nothing has been allocated then.
    """
    with torch.no_grad():
        if _reach(template, op.removeprefix("onnx.").partition("-")[0]) * 16 <= FREE:
            return run(state)
        with _Bounded():
            return run(state)


def _reach(template: Any, op: str) -> float:
    """A bound on the elements of whatever is computed from these arguments: no operator multiplies more."""
    if op in _NEVER_GROWS:
        return 0
    leaves = tree_leaves(template)
    reach = 1.0
    if op in _ELEMENTWISE:
        shapes = [leaf.shape for leaf in leaves if isinstance(leaf, Tensor)]
        for sizes in itertools.zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
            reach *= max(sizes)
        return reach
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            reach *= max(leaf.numel(), 1)
            if leaf.numel() <= 64 and not leaf.is_floating_point() and not leaf.is_complex():
                reach *= math.prod(max(abs(float(one)), 1) for one in leaf.reshape(-1).tolist())
        elif isinstance(leaf, int):
            reach *= max(abs(float(leaf)), 1)
    return reach


class _Bounded(TorchDispatchMode):
    """Asks torch for the size of each result, on tensors without memory, before it lets it be computed."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = sum(leaf.nbytes for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
        wanted = _bytes(func, args, kwargs)
        if wanted > max(FREE, GROWTH * given):
            raise ModelError(f"A constant of {wanted / 2**30:.0f} GiB would be computed from {given} bytes", do=_DO)
        return func(*args, **kwargs)


_DO = "The file's constants do not fit each other, or the file is a bomb: write it again."


def _bytes(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Bytes of memory that an operator's results would take; 0 where only their values tell."""
    meta_args, meta_kwargs = tree_map(_without_memory, (args, kwargs))
    if any(one.name == "device" for one in func._schema.arguments):
        meta_kwargs = {**meta_kwargs, "device": torch.device("meta")}
    try:
        made = func(*meta_args, **meta_kwargs)
    except FAILURES:  # it has no such form, or fails on memory, too, and says so then
        return 0
    return sum(leaf.untyped_storage().nbytes() for leaf in tree_leaves(made) if isinstance(leaf, Tensor))


def _without_memory(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="meta")
    return torch.device("meta") if isinstance(leaf, torch.device) else leaf
