"""Which steps are layers: operators with a weight that quantization can choose a format for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

from qdebug.errors import written_out
from qdebug.graph.program import Program, Ref, Step, refs
from qdebug.graph.recurrence import CELL, OUTPUTS, STATES

Kind = Literal["conv", "matmul", "embedding"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: one operator, its weight, its input activation.

    Attributes:
        name: module path, with ``#2`` for the second time that it runs; where there is none, the weight's name.
        op: short operator name, such as ``depthwise 3×3``; ``recurrent`` for a matrix of a recurrent cell.
        kind: ``conv``, ``matmul`` or ``embedding``.
        step: index of the operator.
        x: index of the input activation (of the indices, for an embedding).
        weight: index of the weight, a constant step.
        bias: index of the bias, or None.
        bias_argument: position of the bias among the operator's arguments; None where it takes none.
        x_argument, weight_argument: positions of input and weight.
        out_axis: the weight's axis of output channels.
        in_axis: its axis of input channels.
        groups: groups of a convolution; 1 otherwise.
        channel_axis: the axis of channels in input and output activations.
        loop: index of the step that walks a sequence with this layer in it, from each step's product to the next
            step's input (:func:`qdebug.graph.recurrence.states`); None for a layer that is outside of any.
        turn: which of the loop's products it is.
    """

    name: str
    op: str
    kind: Kind
    step: int
    x: int
    weight: int
    bias: int | None
    x_argument: int
    weight_argument: int
    bias_argument: int | None
    out_axis: int
    in_axis: int
    groups: int
    channel_axis: int
    loop: int | None = None
    turn: int = 0

    @property
    def is_depthwise(self) -> bool:
        """Whether each input channel has filters of its own."""
        return self.op.startswith("depthwise")

    @property
    def is_recurrent(self) -> bool:
        """Whether it is a matrix of a recurrent cell."""
        return self.op == "recurrent"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where an operator keeps its things."""

    kind: Kind
    x: int
    weight: int
    bias: int | None
    out_axis: int
    in_axis: int
    groups: int | None = None


_OPERATORS = {
    "aten.linear.default": _Shape("matmul", 0, 1, 2, 0, 1),
    "aten.matmul.default": _Shape("matmul", 0, 1, None, -1, -2),
    "aten.mm.default": _Shape("matmul", 0, 1, None, 1, 0),
    "aten.addmm.default": _Shape("matmul", 1, 2, 0, 1, 0),
    "aten.conv1d.default": _Shape("conv", 0, 1, 2, 0, 1, 6),
    "aten.conv2d.default": _Shape("conv", 0, 1, 2, 0, 1, 6),
    "aten.conv3d.default": _Shape("conv", 0, 1, 2, 0, 1, 6),
    "aten.conv1d.padding": _Shape("conv", 0, 1, 2, 0, 1, 6),
    "aten.conv2d.padding": _Shape("conv", 0, 1, 2, 0, 1, 6),
    "aten.conv_transpose1d.default": _Shape("conv", 0, 1, 2, 1, 0, 6),
    "aten.conv_transpose2d.input": _Shape("conv", 0, 1, 2, 1, 0, 6),
    "aten.convolution.default": _Shape("conv", 0, 1, 2, 0, 1, 8),
    "aten.embedding.default": _Shape("embedding", 1, 0, None, 0, 1),
    "onnx.conv": _Shape("conv", 0, 1, 2, 0, 1, 6),
    "onnx.linear": _Shape("matmul", 0, 1, 2, 1, 0),
    "onnx.embedding": _Shape("embedding", 1, 0, None, 0, 1),
}


def find_layers(program: Program, shapes: dict[int, tuple[int, ...]]) -> tuple[Layer, ...]:
    """All layers of a program, in the order of the graph.

    Args:
        program: the program.
        shapes: shapes of all constant tensors, by step index.
    """
    found = [layer for step in program.steps if (layer := _layer(program, step, shapes))]
    taken: Counter[str] = Counter()
    unique: list[Layer] = []
    for layer in found:
        taken[layer.name] += 1
        unique.append(_renamed(layer, taken[layer.name]))
    return tuple(unique)


def _layer(program: Program, step: Step, shapes: dict[int, tuple[int, ...]]) -> Layer | None:
    form = _OPERATORS.get(step.op)
    if form is None:
        return None
    x, weight, bias = (_ref(step, position) for position in (form.x, form.weight, form.bias))
    if x is None or weight is None or not program.constant[weight] or program.constant[x] or weight not in shapes:
        return None
    shape = shapes[weight]
    if len(shape) < 2:
        return None
    groups = _argument(step, form.groups, 1)
    transposed = step.op.startswith("aten.conv_transpose") or (
        step.op == "aten.convolution.default" and bool(_argument(step, 6, False))
    )
    loop, turn = _loop(program, program.steps[x])
    return Layer(
        name=_name(step.module, program.steps[weight].name),
        op="recurrent" if _in_cell(program, step.index) else _words(form.kind, shape, groups, transposed),
        kind=form.kind,
        step=step.index,
        x=x,
        weight=weight,
        bias=bias,
        x_argument=form.x,
        weight_argument=form.weight,
        bias_argument=form.bias,
        out_axis=(1 if transposed else form.out_axis) % len(shape),
        in_axis=(0 if transposed else form.in_axis) % len(shape),
        groups=groups,
        channel_axis=1 if form.kind == "conv" else -1,
        loop=loop,
        turn=turn,
    )


def _loop(program: Program, x: Step) -> tuple[int | None, int]:
    """The walk over a sequence that an input comes from, and which of its products it goes into."""
    if x.op == "getitem" and program.steps[x.args[0].index].op == STATES:
        return x.args[0].index, int(x.args[1])
    return None, 0


def _in_cell(program: Program, product: int) -> bool:
    """Whether a product is one of a recurrent cell's own: with its input, or with its state."""
    for user in program.consumers[product]:
        step = program.steps[user]
        if step.op in (STATES, OUTPUTS, CELL) and any(
            product in refs(step.args[place]) for place in ((0,) if step.op == STATES else (0, 2))
        ):
            return True
    return False


def _name(module: str, weight: str) -> str:
    """The path of the module that ran, or of the one inside it whose weight it used, as attention uses its own.

    People read it, look for it and write it into recipes, so it has no character that cannot be seen.

    Args:
        module: path of the module that ran; empty where there is none, or it is the whole.
        weight: the weight's name.
    """
    owner = weight.removesuffix(".weight")
    return written_out(owner if not module or (owner != weight and owner.startswith(f"{module}.")) else module)


def _ref(step: Step, position: int | None) -> int | None:
    argument = _argument(step, position, None)
    return argument.index if isinstance(argument, Ref) else None


def _argument(step: Step, position: int | None, default: Any) -> Any:
    if position is None or position >= len(step.args):
        return default
    return step.args[position]


def _words(kind: Kind, shape: tuple[int, ...], groups: int, transposed: bool) -> str:
    if kind == "embedding":
        return "embedding"
    if kind == "matmul":
        return "linear"
    depthwise = groups > 1 and shape[1] == 1
    word = "depthwise" if depthwise else "conv-transpose" if transposed else "conv"
    return f"{word} {'×'.join(str(size) for size in shape[2:])}"


def _renamed(layer: Layer, occurrence: int) -> Layer:
    return layer if occurrence == 1 else replace(layer, name=f"{layer.name}#{occurrence}")
