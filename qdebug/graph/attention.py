"""Attentions in the graph: fused, or written out as product, softmax, product."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import prod

from qdebug.graph.program import Program, Ref, Step

FUSED = "aten.scaled_dot_product_attention.default"
#: What exporters put beside a softmax: whether its value is NaN, which a ``Where`` then takes out.
_ASKING = ("onnx.IsNaN", "aten.isnan.default")
_SOFTMAX = ("aten.softmax.int", "aten._softmax.default", "onnx.Softmax")
PRODUCTS = ("aten.matmul.default", "aten.bmm.default")
#: Between softmax and the product with values: what hands probabilities on as they are.
_HANDING = {
    "aten.dropout.default", "aten.alias.default", "aten.clone.default", "aten.contiguous.default", "aten.to.dtype",
    "aten._to_copy.default", "aten.view.default", "aten.reshape.default", "aten._unsafe_view.default",
    "aten.expand.default", "aten.detach.default", "onnx.Identity", "onnx.Reshape",
}  # fmt: skip
#: Between the product of queries and keys and softmax: scales, masks, biases, a cap.
_BETWEEN = _HANDING | {
    "aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor", "aten.div.Tensor", "aten.masked_fill.Scalar",
    "aten.masked_fill.Tensor", "aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther",
    "aten.tanh.default", "aten.clamp.default", "aten.maximum.default", "onnx.Where",
    "aten.unsqueeze.default", "aten.squeeze.dim", "aten.slice.Tensor",
}  # fmt: skip
#: Between a cached value and the product that reads it: heads repeated, axes moved, a scale.
_MOVING = _HANDING | {
    "aten.transpose.int", "aten.permute.default", "aten.unsqueeze.default", "aten.squeeze.dim", "aten.slice.Tensor",
    "aten.repeat_interleave.self_int", "aten.repeat.default", "aten.mul.Tensor", "aten.div.Tensor", "onnx.Expand",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention.

    Attributes:
        name: path of the module that it is in, or the name of its softmax.
        first: the step that multiplies queries and keys.
        second: the step that multiplies probabilities and values; ``first`` itself where one operator does it all.
        softmax: the step whose value the probabilities are; None in a fused operator.
        query, key, value: what is multiplied, as it goes in. Tokens lie along the last axis but one; in an attention
            that is written out keys come with theirs along the last.
    """

    name: str
    first: int
    second: int
    softmax: int | None
    query: int
    key: int
    value: int

    @property
    def is_fused(self) -> bool:
        """Whether one operator does it all."""
        return self.softmax is None


def find_attentions(
    program: Program, layers: Collection[int], shapes: Mapping[int, tuple[int, ...]]
) -> tuple[Attention, ...]:
    """The attentions of a program, in the order of the graph.

    Args:
        program: the program.
        layers: the steps of layers, whose products are with weights.
        shapes: by step, of one run; an attention that the run did not reach is not found.
    """
    found: list[Attention] = []
    taken: set[int] = set()
    for step in program.steps:
        if step.index not in shapes:
            continue
        one = _fused(step) if step.op == FUSED else None
        if _is_softmax(step, len(shapes[step.index])):
            one = _written_out(program, step, layers)
        if one is not None and not program.constant[one.key] and one.first not in taken:
            found.append(one)
            taken.add(one.first)
    return tuple(_named(found))


def cached_values(program: Program, index: int, shapes: Mapping[int, tuple[int, ...]]) -> int:
    """How many numbers of a key or value a cache has to hold, for all samples of a run: before heads are repeated.

    The fewest on the way back to where the values are computed.

    Args:
        program: the program.
        index: what attention reads.
        shapes: by step, of one run.
    """
    least = prod(shapes[index])
    while _bare(program.steps[index]) in _MOVING and index in shapes:
        least = min(least, prod(shapes[index]))
        moving = [one for one in program.sources[index] if not program.constant[one] and len(shapes.get(one, ())) > 1]
        if len(moving) != 1:
            return least
        index = moving[0]
    return min(least, prod(shapes[index])) if index in shapes else least


def _is_softmax(step: Step, rank: int) -> bool:
    """Whether a step is a softmax over the last axis of a value of that many."""
    if step.kind != "op" or _bare(step) not in _SOFTMAX:
        return False
    axis = step.kwargs.get("axis", 1) if step.op.startswith("onnx") else step.args[1]
    return axis in (-1, rank - 1)


def _fused(step: Step) -> Attention | None:
    read = step.args[:3]
    if len(read) < 3 or not all(isinstance(one, Ref) for one in read):
        return None
    query, key, value = (one.index for one in read)
    return Attention(step.module or step.name, step.index, step.index, None, query, key, value)


def _written_out(program: Program, step: Step, layers: Collection[int]) -> Attention | None:
    second = _ahead(program, step.index)
    first = _behind(program, step.index, layers)
    if second is None or first is None or second in layers:
        return None
    query, key = (one.index for one in program.steps[first].args[:2])
    value = program.steps[second].args[1].index
    name = step.module or program.steps[first].module or step.name
    return Attention(name, first, second, step.index, query, key, value)


def _ahead(program: Program, index: int) -> int | None:
    """The product that reads the probabilities as its first factor."""
    seen = 0
    while seen < 8:
        users = [one for one in program.consumers[index] if _bare(program.steps[one]) not in _ASKING]
        if len(users) != 1:
            return None
        step = program.steps[users[0]]
        if step.op in PRODUCTS and step.args[0] == Ref(index) and isinstance(step.args[1], Ref):
            return step.index
        if _bare(step) != "onnx.Where" and (_bare(step) not in _HANDING or step.args[0] != Ref(index)):
            return None
        index, seen = step.index, seen + 1
    return None


def _behind(program: Program, index: int, layers: Collection[int]) -> int | None:
    """The nearest product of two computed values on the way back from softmax."""
    stack, seen = [program.sources[index][0]], {index}
    while stack:
        step = program.steps[stack.pop(0)]
        if step.index in seen or program.constant[step.index]:
            continue
        seen.add(step.index)
        if step.op in PRODUCTS and step.index not in layers:
            read = step.args[:2]
            if all(isinstance(one, Ref) and not program.constant[one.index] for one in read):
                return step.index
        elif _bare(step) in _BETWEEN:
            stack.extend(program.sources[step.index])
    return None


def _bare(step: Step) -> str:
    """An operator without the version of its kernel."""
    return step.op.rsplit("-", 1)[0]


def _named(found: list[Attention]) -> list[Attention]:
    """The same, each with a name of its own."""
    taken: dict[str, int] = {}
    named: list[Attention] = []
    for one in found:
        taken[one.name] = taken.get(one.name, 0) + 1
        named.append(replace(one, name=f"{one.name}#{taken[one.name]}") if taken[one.name] > 1 else one)
    return named
