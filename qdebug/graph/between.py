"""What operators between layers do to a scale per channel, and to a shift: let it through, or not and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, prod
from typing import Any

from qdebug.graph.program import Program, Ref, Step

_SAME = {
    "aten.relu.default", "aten.leaky_relu.default", "aten.prelu.default", "aten.alias.default", "aten.clone.default",
    "aten.contiguous.default", "aten.detach.default", "aten.dropout.default", "aten.to.dtype",
    "aten._to_copy.default", "onnx.Identity-1",
}  # fmt: skip
"""f(s·x) = s·f(x) for s > 0, value by value; of PReLU whatever its slopes are, channel by channel."""
_POOLS = {
    "aten.max_pool1d.default", "aten.max_pool2d.default", "aten.max_pool3d.default", "aten.avg_pool1d.default",
    "aten.avg_pool2d.default", "aten.avg_pool3d.default", "aten.adaptive_avg_pool1d.default",
    "aten.adaptive_avg_pool2d.default", "aten.adaptive_avg_pool3d.default", "aten.upsample_nearest2d.vec",
    "aten.upsample_bilinear2d.vec", "onnx.global_average_pool",
}  # fmt: skip
_RESHAPING = {
    "aten.reshape.default", "aten.view.default", "aten.flatten.using_ints", "aten.squeeze.dims", "aten.squeeze.dim",
    "aten.squeeze.default", "aten.unsqueeze.default", "onnx.flatten",
}  # fmt: skip
_BENT = {
    "aten.gelu.default": "GELU", "aten.silu.default": "SiLU", "aten.hardswish.default": "hard-swish",
    "aten.sigmoid.default": "a sigmoid", "aten.tanh.default": "tanh", "aten.elu.default": "ELU",
    "aten.hardsigmoid.default": "hard-sigmoid", "aten.mish.default": "Mish", "aten.softplus.default": "softplus",
    "onnx.HardSigmoid": "hard-sigmoid", "onnx.Swish": "Swish", "onnx.Clip": "a clamp between computed values",
}  # fmt: skip
_CAPPED = ("aten.relu6.default", "aten.hardtanh.default", "aten.clamp.default")


@dataclass(frozen=True, slots=True)
class Lay:
    """Where the channels of a value lie.

    Attributes:
        axis: of the value.
        spread: how many neighbours along it belong to one channel: 1, or more behind a flattening.
    """

    axis: int
    spread: int = 1


@dataclass(frozen=True, slots=True)
class Passage:
    """What an operator does to a scale per channel that its first argument comes with.

    Attributes:
        lay: where the channels lie in what it returns.
        refused: why no scale goes through.
        cap: ends of the interval it holds values in; a scale goes through where no value reaches them.
        shifts: whether a shift of a channel goes through too, where all values are positive before and behind it.
    """

    lay: Lay
    refused: str | None = None
    cap: tuple[float, float] | None = None
    shifts: bool = True


def passage(
    program: Program, step: Step, source: int, lay: Lay, shapes: Mapping[int, tuple[int, ...]]
) -> Passage | None:
    """What an operator does to the channels of a value; None where it is not known to keep them apart.

    Args:
        program: the program.
        step: an operator; additions of two computed values are not met here.
        source: the value's step.
        lay: where its channels lie.
        shapes: shapes by step, of one and the same run.
    """
    if step.index not in shapes or source not in shapes:
        return None
    before, after, plain = shapes[source], shapes[step.index], step.op.rsplit("-", 1)[0]
    others = [index for index in program.sources[step.index] if index != source]
    fixed = before == after and all(program.constant[index] for index in others)
    if step.op in ("aten.add.Tensor", "aten.sub.Tensor") and fixed:
        return Passage(lay, "a constant is added in between")
    if step.op == "aten.mul.Tensor":
        return Passage(lay, shifts=False) if fixed else None
    if not step.args or step.args[0] != Ref(source):
        return None
    if step.op in _CAPPED:
        return _clamped(step, lay)
    if step.op in _SAME or plain == "onnx.PRelu":
        return Passage(lay) if all(program.constant[index] for index in others) else None
    if step.op in _BENT or plain in _BENT:
        word = _BENT[step.op] if step.op in _BENT else _BENT[plain]
        return Passage(lay, f"{word} in between is not positively homogeneous")
    if step.op in _POOLS or plain in ("onnx.MaxPool", "onnx.AveragePool", "onnx.GlobalMaxPool"):
        keeps = lay == Lay(1) and len(after) == len(before) > 2 and after[1] == before[1]
        return Passage(lay, shifts=not _pads(step)) if keeps else None
    if step.op == "aten.mean.dim":
        return _mean(step, lay, len(before))
    if step.op in ("aten.permute.default", "aten.transpose.int"):
        order = _order(step, len(before))
        return Passage(Lay(order.index(lay.axis), lay.spread))
    if step.op == "aten.div.Tensor":
        return Passage(lay, shifts=False) if fixed else None
    if step.op in _RESHAPING:
        found = _reshaped(before, after, lay)
        return None if found is None else Passage(found)
    return None


def _clamped(step: Step, lay: Lay) -> Passage:
    low, high = ends(step)
    if low > 0 or high < 0:
        return Passage(lay, f"a clamp to {low:g} … {high:g} in between is not positively homogeneous")
    return Passage(lay, cap=None if low in (0.0, -inf) and high == inf else (low, high))


def ends(step: Step) -> tuple[float, float]:
    """The interval that a clamp holds values in."""
    if step.op == "aten.relu6.default":
        return 0.0, 6.0
    usual = (-1.0, 1.0) if step.op == "aten.hardtanh.default" else (None, None)
    low, high = (_given(step, place, name, usual[place - 1]) for place, name in ((1, "min"), (2, "max")))
    return -inf if low is None else float(low), inf if high is None else float(high)


def _given(step: Step, place: int, name: str, default: Any) -> Any:
    return step.args[place] if len(step.args) > place else step.kwargs.get(name, default)


def _pads(step: Step) -> bool:
    """Whether an average takes zeros in at the borders; a maximum never does."""
    if step.op == "onnx.AveragePool" or step.op.startswith("onnx.AveragePool-"):
        return bool(step.kwargs.get("count_include_pad", 0))
    if step.op.startswith("aten.avg_pool"):
        padding = step.args[3] if len(step.args) > 3 else 0
        counts = step.args[5] if len(step.args) > 5 else True
        return bool(counts) and any(padding if isinstance(padding, (list, tuple)) else [padding])
    return False


def _mean(step: Step, lay: Lay, rank: int) -> Passage | None:
    gone = {int(axis) % rank for axis in step.args[1] or range(rank)}
    if lay.axis in gone or 0 in gone:
        return None
    keeps = bool(_given(step, 2, "keepdim", False))
    return Passage(Lay(lay.axis if keeps else lay.axis - sum(axis < lay.axis for axis in gone), lay.spread))


def _order(step: Step, rank: int) -> list[int]:
    if step.op == "aten.permute.default":
        return [int(axis) % rank for axis in step.args[1]]
    order = list(range(rank))
    one, two = (int(axis) % rank for axis in step.args[1:3])
    order[one], order[two] = order[two], order[one]
    return order


def _reshaped(before: tuple[int, ...], after: tuple[int, ...], lay: Lay) -> Lay | None:
    """Where channels lie in the same values in another shape: on an axis of their own, or with what is behind it."""
    size, behind = before[lay.axis], prod(before[lay.axis + 1 :])
    for axis, found in enumerate(after):
        if prod(after[:axis]) == prod(before[: lay.axis]):
            if found == size:
                return Lay(axis, lay.spread)
            if found == size * behind:
                return Lay(axis, lay.spread * behind)
    return None
