"""Which channel of a layer stands where, behind a step that hands channels on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from qdebug.graph.calls import fill
from qdebug.graph.patterns import BENT, IDENTITY, word
from qdebug.graph.program import Program, Ref, Step, refs

Numbers = Tensor | tuple[Tensor, ...]
"""Whole numbers in the shape of a step's value, in the place of each value that of the channel it comes from."""

#: f(s·x) = s·f(x) for s > 0, value by value.
_LINEAR = {
    "aten.relu.default", "aten.leaky_relu.default", "aten.prelu.default", "aten.neg.default", "aten.mul.Scalar",
    "aten.div.Scalar",
}  # fmt: skip
_MOVES = {
    "aten.transpose.int", "aten.permute.default", "aten.unsqueeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
    "aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default", "aten.unbind.int", "getitem",
    "aten.slice.Tensor", "aten.select.int", "aten.repeat_interleave.self_int", "aten.flatten.using_ints",
    "aten.t.default", "aten.numpy_T.default", "aten.swapaxes.default", "aten.movedim.int", "aten.narrow.default",
}  # fmt: skip
_SHAPES = {"aten.view.default", "aten.reshape.default", "aten._unsafe_view.default"}
_REDUCED = {"aten.mean.dim", "aten.sum.dim_IntList"}
_SPREADS = {"aten.expand.default", "onnx.Expand-8"}
_PRODUCTS = {"aten.matmul.default", "aten.bmm.default"}
_ATTENTION = "aten.scaled_dot_product_attention.default"
_MIXED = "mixes its channels"


def moved(
    program: Program, step: Step, source: int, numbers: Numbers, shapes: Mapping[int, tuple[int, ...]]
) -> Numbers | str:
    """Where channels stand behind a step, or why factors of theirs would not come through it.

    A factor comes through where the step, as a function of this one of its inputs and with the others held, multiplies
    with it what comes of the channel: f(s·x) = s·f(x). So do sums over values of one channel, such as attention's over
    positions; and a copy of a channel, such as the query heads' of a shared value head, keeps its number.

    Args:
        program: the program.
        step: reads ``source``.
        source: the step that the numbers belong to.
        numbers: of its value.
        shapes: of all values, by step index.

    Returns:
        The numbers of the step's own value, or the reason in words.
    """
    if sum(index == source for index in refs((step.args, step.kwargs))) > 1:
        return f"{word(step)} reads it twice"
    if step.op in _MOVES:
        return _executed(step, source, numbers)
    if isinstance(numbers, tuple):
        return _not(step)
    shape, first = shapes.get(step.index), bool(step.args) and step.args[0] == Ref(source)
    if shape is None:
        return _not(step)
    if step.op in _SHAPES:
        return numbers.reshape(shape)
    if (step.op in IDENTITY | _LINEAR | _SPREADS and first) or _is_factor(step, first):
        return numbers.expand(shape)
    if step.op in _REDUCED and first:
        return _reduced(step, numbers)
    if step.op in _PRODUCTS and step.args[1] == Ref(source):
        return _summed(step, numbers, shape)
    if step.op == _ATTENTION and len(step.args) > 2 and step.args[2] == Ref(source):
        return _attended(step, numbers, shape)
    return _not(step)


def source_of(program: Program, step: Step) -> int | None:
    """The value whose channels a step hands on; None where it hands on those of none, or nobody can say whose."""
    if not step.args or step.kind != "op":
        return None
    place = 1 if step.op in _PRODUCTS else 2 if step.op == _ATTENTION else 0
    if step.op == "aten.mul.Tensor":
        # Of two, the one that is not bent on its way, where one is: a gate is.
        both = [arg.index for arg in step.args if isinstance(arg, Ref) and not program.constant[arg.index]]
        plain = [index for index in both if program.steps[index].op not in BENT]
        return next(iter(plain or both), None)
    passing = _MOVES | _SHAPES | _SPREADS | _REDUCED | _PRODUCTS | IDENTITY | _LINEAR | {_ATTENTION}
    if step.op not in passing and not _is_factor(step, True):
        return None
    found = step.args[place] if place < len(step.args) else None
    return found.index if isinstance(found, Ref) and not program.constant[found.index] else None


def _is_factor(step: Step, first: bool) -> bool:
    """Whether a step multiplies, or divides, value by value."""
    if step.op == "aten.masked_fill.Scalar":
        return first and step.args[2] == 0
    return step.op == "aten.mul.Tensor" or (step.op == "aten.div.Tensor" and first)


def _executed(step: Step, source: int, numbers: Numbers) -> Numbers | str:
    if any(index != source for index in refs((step.args, step.kwargs))):
        return f"{word(step)} is given places that are computed in the graph"
    assert step.target is not None
    found: Any = step.target(*fill(step.args, {source: numbers}), **fill(dict(step.kwargs), {source: numbers}))
    return tuple(found) if isinstance(found, list) else found


def _reduced(step: Step, numbers: Tensor) -> Tensor | str:
    axes, keep = list(step.args[1]), bool(step.args[2]) if len(step.args) > 2 else False
    least, most = numbers.amin(axes, keep), numbers.amax(axes, keep)
    return most if torch.equal(least, most) else f"{word(step)} {_MIXED}"


def _summed(step: Step, numbers: Tensor, shape: tuple[int, ...]) -> Tensor | str:
    """A product with the channels on its right: sums over the rows of a column, which have to be of one channel."""
    if numbers.dim() < 2 or not torch.equal(numbers.amin(-2), numbers.amax(-2)):
        return f"{word(step)} {_MIXED}"
    return numbers[..., :1, :].expand(shape)


def _attended(step: Step, numbers: Tensor, shape: tuple[int, ...]) -> Tensor | str:
    if step.kwargs.get("enable_gqa") and numbers.dim() > 2:
        numbers = numbers.repeat_interleave(shape[-3] // numbers.shape[-3], -3)
    return _summed(step, numbers, shape)


def _not(step: Step) -> str:
    return f"no factor comes through {BENT.get(step.op) or word(step)}"
