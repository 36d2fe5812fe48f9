"""Normalizations whose scale could be moved into the layers that read them, and why it cannot where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Ref, Step

#: Leaves every value where and what it is, for evaluation.
IDENTITY = {
    "aten.alias.default", "aten.clone.default", "aten.contiguous.default", "aten.detach.default",
    "aten.dropout.default", "aten.to.dtype", "onnx.Identity-1",
}  # fmt: skip
BENT = {
    "aten.hardtanh.default": "ReLU6 (a clipped ReLU)", "aten.relu6.default": "ReLU6", "aten.clamp.default": "a clamp",
    "aten.gelu.default": "GELU", "aten.silu.default": "SiLU", "aten.hardswish.default": "hard-swish",
    "aten.sigmoid.default": "a sigmoid", "aten.tanh.default": "tanh", "aten.elu.default": "ELU",
    "aten.prelu.default": "PReLU", "aten.hardsigmoid.default": "hard-sigmoid", "aten.mish.default": "Mish",
    "onnx.PRelu-1": "PReLU", "onnx.Clip-11": "a clamp", "onnx.HardSigmoid-1": "hard-sigmoid", "onnx.Swish-24": "Swish",
}  # fmt: skip
#: What RMS normalization multiplies with; exported to ONNX it is a reciprocal of a root.
_INVERSE_ROOTS = ("aten.rsqrt.default", "aten.reciprocal.default")


@dataclass(frozen=True, slots=True)
class NormSite:
    """A normalization with a scale per channel and the layers that read it.

    Attributes:
        name: the normalization's module path.
        scale, bias: indices of its scale and bias, where it has them.
        layers: the layers that read its output.
        refused: why its scale cannot be moved into them, or None.
    """

    name: str
    scale: int | None
    bias: int | None
    layers: tuple[Layer, ...]
    refused: str | None


def norm_sites(program: Program, layers: Sequence[Layer]) -> tuple[NormSite, ...]:
    """Every normalization whose output is read by at least one linear layer, in the order of the graph."""
    readers = {layer.step: layer for layer in layers if layer.kind == "matmul"}
    found: list[NormSite] = []
    for step in program.steps:
        norm = _norm(program, step)
        if norm is None:
            continue
        scale, bias = norm
        users = _through_identity(program, step.index)
        fed = tuple(readers[user] for user in users if user in readers)
        if fed:
            found.append(
                NormSite(
                    step.module or step.name,
                    scale,
                    bias,
                    fed,
                    _norm_refusal(program, step, scale, bias, users, readers),
                )
            )
    return tuple(found)


def _norm(program: Program, step: Step) -> tuple[int | None, int | None] | None:
    """Scale and bias of a layer or RMS normalization over the last axis; None for any other operator."""
    if step.op == "aten.layer_norm.default" and len(step.args[1]) == 1:
        return _state(program, step, 2), _state(program, step, 3)
    if step.op == "aten.rms_norm.default" and len(step.args[1]) == 1:
        return _state(program, step, 2), None
    if step.op == "aten.mul.Tensor":  # RMS normalization written out: scale · (x / rms)
        scale = next((i for i in step.inputs if i in program.state and program.state[i].dim() == 1), None)
        other = next((i for i in step.inputs if i != scale), None)
        if scale is not None and other is not None and _is_rms(program, other):
            return scale, None
    return None


def _is_rms(program: Program, index: int) -> bool:
    """Whether a value is x · rsqrt(...), possibly cast."""
    step = program.steps[index]
    while step.op in IDENTITY:
        step = program.steps[step.inputs[0]]
    if step.op == "aten.div.Tensor":  # as ONNX has it, which knows no reciprocal root
        return program.steps[step.inputs[-1]].op == "aten.sqrt.default"
    return step.op == "aten.mul.Tensor" and any(program.steps[i].op in _INVERSE_ROOTS for i in step.inputs)


def _state(program: Program, step: Step, position: int) -> int | None:
    argument = step.args[position] if position < len(step.args) else None
    return argument.index if isinstance(argument, Ref) and argument.index in program.state else None


def _through_identity(program: Program, index: int) -> tuple[int, ...]:
    users: list[int] = []
    for user in program.consumers[index]:
        users.extend(_through_identity(program, user) if program.steps[user].op in IDENTITY else [user])
    return tuple(users)


def _norm_refusal(
    program: Program, step: Step, scale: int | None, bias: int | None, users: Sequence[int], readers: dict[int, Layer]
) -> str | None:
    if scale is None:
        return "the normalization has no scale of its own"
    others = [program.steps[user] for user in users if user not in readers]
    if others:
        return f"its output also feeds {word(others[0])}, which is no linear layer"
    if step.index == program.output:
        return "its output is the model's own"
    for index in (scale, bias):
        if index is not None and len(program.consumers[index]) > 1:
            return f"{program.steps[index].name} is shared with another operator"
    for layer in (readers[user] for user in users):
        if layer.weight not in program.state:
            return f"the weight of {layer.name} is computed in the graph, not stored"
        if len(program.consumers[layer.weight]) > 1:
            return f"the weight of {layer.name} is shared with another operator"
    return None


def word(step: Step) -> str:
    """A step as messages name it: its operator, and the module it came from."""
    name = step.op.split(".")[1] if step.op.count(".") > 1 else step.op
    return f"{name} ({step.module})" if step.module else name
