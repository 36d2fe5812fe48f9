"""Places in the graph where a function-preserving rescaling could apply, and why it cannot where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Ref, Step

#: f(s·x) = s·f(x) for s > 0, channel by channel: a scale can be moved through.
_HOMOGENEOUS = {
    "aten.relu.default", "aten.leaky_relu.default", "aten.max_pool2d.default", "aten.max_pool1d.default",
    "aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default", "aten.adaptive_avg_pool1d.default",
    "aten.mean.dim", "aten.flatten.using_ints", "onnx.global_average_pool", "onnx.flatten", "aten.squeeze.dims",
    "aten.reshape.default",
}  # fmt: skip
#: Leaves every value where and what it is, for evaluation.
_IDENTITY = {
    "aten.alias.default", "aten.clone.default", "aten.contiguous.default", "aten.detach.default",
    "aten.dropout.default", "aten.to.dtype", "onnx.Identity-1",
}  # fmt: skip
_BENT = {
    "aten.hardtanh.default": "ReLU6 (a clipped ReLU)", "aten.relu6.default": "ReLU6", "aten.clamp.default": "a clamp",
    "aten.gelu.default": "GELU", "aten.silu.default": "SiLU", "aten.hardswish.default": "hard-swish",
    "aten.sigmoid.default": "a sigmoid", "aten.tanh.default": "tanh", "aten.elu.default": "ELU",
    "aten.prelu.default": "PReLU", "aten.hardsigmoid.default": "hard-sigmoid", "aten.mish.default": "Mish",
    "onnx.PRelu-1": "PReLU", "onnx.Clip-11": "a clamp", "onnx.HardSigmoid-1": "hard-sigmoid", "onnx.Swish-24": "Swish",
}  # fmt: skip
#: What RMS normalization multiplies with; exported to ONNX it is a reciprocal of a root.
_INVERSE_ROOTS = ("aten.rsqrt.default", "aten.reciprocal.default")


@dataclass(frozen=True, slots=True)
class Chain:
    """Two layers with nothing but a positively homogeneous activation between them, or the reason they are not."""

    first: Layer
    second: Layer
    refused: str | None


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


def chains(program: Program, layers: Sequence[Layer]) -> tuple[Chain, ...]:
    """Every pair of successive layers that cross-layer equalization would want, in the order of the graph."""
    readers = {layer.step: layer for layer in layers if layer.kind != "embedding"}
    found: list[Chain] = []
    for first in readers.values():
        walked = _walk(program, first.step, readers)
        if walked:
            second, refused = walked
            found.append(Chain(first, second, refused or _mismatch(program, first, second)))
    return tuple(found)


def _walk(program: Program, start: int, readers: dict[int, Layer]) -> tuple[Layer, str | None] | None:
    """Follow an output to the next layer. The first obstacle on the way becomes the reason for refusing."""
    at, refused = start, None
    weight = program.state.get(readers[start].weight)
    axes = 0 if weight is None else weight.dim() - 2
    while True:
        users = program.consumers[at]
        if at == program.output:
            refused = refused or "the output in between is the model's own"
        if len(users) > 1:
            others = ", ".join(_word(program.steps[user]) for user in users if user not in readers)
            refused = refused or f"its output branches (it also feeds {others or 'another layer'})"
        reader = next((readers[user] for user in users if user in readers and readers[user].x == at), None)
        if reader:
            return reader, refused
        step = next((program.steps[user] for user in users if _passes(program, program.steps[user], at, axes)), None)
        if step is None:
            return None
        if step.op in _BENT:
            refused = refused or f"{_BENT[step.op]} in between is not positively homogeneous"
        at = step.index


def _passes(program: Program, step: Step, source: int, axes: int) -> bool:
    """Whether a step hands a value's channels on; ``axes`` are the axes behind the channels."""
    known = step.op in _HOMOGENEOUS or step.op in _IDENTITY or step.op in _BENT
    if step.op in ("aten.mean.dim", "aten.squeeze.dims") and not set(step.args[1]) <= {2, 3, -1, -2}:
        return False
    # Channels stay channels in a matrix where every channel has one value left.
    if step.op == "aten.reshape.default" and not (len(step.args[1]) == 2 and _is_global(program.steps[source], axes)):
        return False
    # A flatten that mixes channels with positions changes their number, which _mismatch notices.
    return known and bool(step.args) and step.args[0] == Ref(source)


def _is_global(step: Step, axes: int) -> bool:
    """Whether a value is a pooling of all places to one."""
    if step.op == "aten.adaptive_avg_pool2d.default":
        return list(step.args[1]) == [1, 1]
    if step.op == "aten.mean.dim":
        return len(set(step.args[1])) == axes
    return step.op in ("onnx.global_average_pool", "onnx.GlobalMaxPool-1")


def _mismatch(program: Program, first: Layer, second: Layer) -> str | None:
    shared = next((layer for layer in (first, second) if len(program.consumers[layer.weight]) > 1), None)
    if shared:
        return f"the weight of {shared.name} is shared with another operator"
    if first.weight not in program.state or second.weight not in program.state:
        return "a weight is computed in the graph, not stored"
    if first.bias is not None and len(program.consumers[first.bias]) > 1:
        return f"the bias of {first.name} is shared with another operator"
    if second.groups > 1 and not second.is_depthwise:
        return f"{second.name} is a grouped convolution"
    out = program.state[first.weight].shape[first.out_axis] * (first.groups if first.out_axis == 1 else 1)
    weight = program.state[second.weight]
    read = weight.shape[second.out_axis] if second.is_depthwise else weight.shape[second.in_axis]
    if out != read:
        return f"{first.name} writes {out} channels and {second.name} reads {read}"
    return "a transposed convolution" if first.groups > 1 and first.out_axis == 1 else None


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
    while step.op in _IDENTITY:
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
        users.extend(_through_identity(program, user) if program.steps[user].op in _IDENTITY else [user])
    return tuple(users)


def _norm_refusal(
    program: Program, step: Step, scale: int | None, bias: int | None, users: Sequence[int], readers: dict[int, Layer]
) -> str | None:
    if scale is None:
        return "the normalization has no scale of its own"
    others = [program.steps[user] for user in users if user not in readers]
    if others:
        return f"its output also feeds {_word(others[0])}, which is no linear layer"
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


def _word(step: Step) -> str:
    name = step.op.split(".")[1] if step.op.count(".") > 1 else step.op
    return f"{name} ({step.module})" if step.module else name
