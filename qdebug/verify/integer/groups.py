"""Which nodes ONNX Runtime runs as one integer kernel, and that kernel's inputs.

The rules follow its QDQ node selectors (``qdq_selectors.cc``) and were checked against the graphs that version 1.31.1
saves. A rule looks at one node; it returns the kernel's node, which writes what the group's QuantizeLinear writes, or
None where the runtime computes in floats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.doors.onnx.ir import Attribute, Node
from qdebug.quantize.biases import quantize_bias
from qdebug.verify.integer.draft import EIGHT, INT8, INT32, OWN, Codes, Draft, same_node
from qdebug.verify.integer.kernels import DOMAIN, IN_UINT8
from qdebug.verify.integer.prepare import DROPPED

Rule = Callable[[Draft, Node], "Node | None"]
_BIAS_RELATIVE, _BIAS_ABSOLUTE = 1e-2, 1e-6
"""How far a bias's scale may be from that of the products for a convolution on codes."""


def grouped(draft: Draft, node: Node) -> Node | None:
    """The kernel that a node and what stands around it become."""
    if node.domain:
        return None
    if node.op in DROPPED:
        return _on_codes(draft, node)
    rule = _RULES.get(node.op)
    return rule(draft, node) if rule is not None and len(node.outputs) == 1 else None


def _kernel(
    op: str, node: Node, inputs: tuple[str, ...], output: str, attributes: dict[str, Attribute] | None = None
) -> Node:
    return Node(node.name, op, DOMAIN, inputs, (output,), node.attributes if attributes is None else attributes)


def _where_computed(node: Node, *codes: Codes) -> Node:
    """The kernel for the type that the runtime computes codes in."""
    raised = any(one.grid.elem == INT8 != one.lane for one in codes)
    return same_node(node, domain=IN_UINT8) if raised else node


def _read(draft: Draft, name: str) -> Codes | None:
    """Codes of eight bits in one scale."""
    found = draft.codes(name)
    return found if found is not None and found.grid.is_one and found.grid.elem in EIGHT else None


def _factor(draft: Draft, name: str, axis: int) -> Codes | None:
    """Codes of eight bits in one scale, or in one for each index of an axis."""
    found = draft.codes(name) or _transposed(draft, name)
    if found is None or found.grid.elem not in EIGHT:
        return None
    rank = draft.stored[found.name].shape if found.name in draft.stored else None
    place = found.grid.axis % len(rank) if rank else found.grid.axis
    wanted = axis % len(rank) if rank else axis
    return found if found.grid.is_one or (found.grid.scales.dim() == 1 and place == wanted) else None


def _transposed(draft: Draft, name: str) -> Codes | None:
    """Stored codes that are read through a Transpose."""
    node = draft.makers.get(name)
    if node is None or node.op != "Transpose" or node.domain:
        return None
    found = draft.codes(node.inputs[0])
    codes = None if found is None else draft.value(found.name)
    if found is None or codes is None:
        return None
    order = node.attributes.get("perm", tuple(reversed(range(codes.dim()))))
    assert isinstance(order, tuple)
    turned = codes.permute([axis for axis in order if isinstance(axis, int)]).contiguous()
    stored = draft.store(f"{name}~codes", turned, draft.stored[found.name].elem)
    axis = found.grid.axis if found.grid.is_one else order.index(found.grid.axis % codes.dim())
    return Codes(stored, replace(found.grid, axis=axis), found.lane)


def _fits(x: Codes, weight: Codes, y: Codes | None) -> bool:
    """Whether the types go together: the output's as the input's, and int8 only with int8 weights."""
    return (y is None or x.lane == y.lane) and (x.lane != INT8 or weight.lane == INT8)


def _triple(codes: Codes) -> tuple[str, str, str]:
    return codes.name, codes.grid.scale, codes.grid.zero


def _scales(codes: Codes) -> tuple[str, str]:
    return codes.grid.scale, codes.grid.zero


def _conv(draft: Draft, node: Node) -> Node | None:
    x, weight = _read(draft, node.inputs[0]), _factor(draft, node.inputs[1], 0)
    written = draft.written(node.outputs[0])
    if x is None or weight is None or written is None or not _fits(x, weight, written[1]):
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    name = _bias(draft, bias, x, weight, close=True) if bias else ""
    if bias and not name:
        return None
    inputs = (*_triple(x), *_triple(weight), *_scales(written[1]), *([name] if name else []))
    return _kernel("QLinearConv", node, inputs, written[1].name)


def _bias(draft: Draft, name: str, x: Codes, weight: Codes, *, close: bool) -> str:
    """The int32 codes of a bias; empty where it has none. A stored float row is quantized on the way."""
    products = (x.grid.scales.reshape(()) * weight.grid.scales).reshape(-1)
    found = draft.codes(name)
    if found is not None:
        if found.grid.elem != INT32 or int(found.grid.zeros.abs().max()):
            return ""
        return found.name if not close or _is_close(found.grid.scales.reshape(-1), products) else ""
    stored = draft.value(name)
    if stored is None or stored.dim() != 1 or stored.dtype != torch.float32:
        return ""
    return draft.store(f"{name}~codes", quantize_bias(stored, products).to(torch.int32), INT32)


def _is_close(scales: Tensor, products: Tensor) -> bool:
    if scales.numel() not in (1, products.numel()):
        return False
    return bool(((scales - products).abs() <= _BIAS_ABSOLUTE + _BIAS_RELATIVE * products.abs()).all())


def _gemm(draft: Draft, node: Node) -> Node | None:
    one = node.attributes.get("alpha", 1.0) == 1 and node.attributes.get("beta", 1.0) == 1
    transposed = bool(node.attributes.get("transB", 0))
    x, weight = _read(draft, node.inputs[0]), _factor(draft, node.inputs[1], 0 if transposed else 1)
    if not one or x is None or weight is None:
        return None
    written = draft.written(node.outputs[0])
    if not _fits(x, weight, written[1] if written else None) or (written is None and _is_clipped(draft, node)):
        return None
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    name = _bias(draft, bias, x, weight, close=False) if bias else ""
    if bias and (not name or (written is None and draft.codes(bias) is None)):
        return None
    attributes: dict[str, Attribute] = {"alpha": 1.0}
    attributes.update({one: node.attributes[one] for one in ("transA", "transB") if one in node.attributes})
    inputs = (*_triple(x), *_triple(weight), name, *(_scales(written[1]) if written else ()))
    while not inputs[-1]:
        inputs = inputs[:-1]
    return _kernel("QGemm", node, inputs, written[1].name if written else node.outputs[0], attributes)


def _is_clipped(draft: Draft, node: Node) -> bool:
    """Whether a Relu or Clip that cannot be left out stands between a node and a QuantizeLinear."""
    clip = draft.only_user(node.outputs[0])
    if clip is None or clip.op not in ("Relu", "Clip"):
        return False
    reader = draft.only_user(clip.outputs[0])
    return reader is not None and reader.op == "QuantizeLinear"


def _matmul(draft: Draft, node: Node) -> Node | None:
    a, b = _read(draft, node.inputs[0]), _factor(draft, node.inputs[1], -1)
    if a is None or b is None:
        return None
    written = draft.written(node.outputs[0])
    if not _fits(a, b, written[1] if written else None):
        return None
    if written is not None:
        return _kernel("QLinearMatMul", node, (*_triple(a), *_triple(b), *_scales(written[1])), written[1].name)
    if _is_clipped(draft, node):
        return None
    scales = (a.grid.scale, b.grid.scale, a.grid.zero, b.grid.zero)
    return _kernel("MatMulIntegerToFloat", node, (a.name, b.name, *scales), node.outputs[0])


def _binary(op: str) -> Rule:
    def rule(draft: Draft, node: Node) -> Node | None:
        a, b = _read(draft, node.inputs[0]), _read(draft, node.inputs[1])
        written = draft.written(node.outputs[0])
        if a is None or b is None or written is None or not a.lane == b.lane == written[1].lane:
            return None
        kernel = _kernel(op, node, (*_triple(a), *_triple(b), *_scales(written[1])), written[1].name)
        return _where_computed(kernel, a, b, written[1])

    return rule


def _unary(op: str) -> Rule:
    def rule(draft: Draft, node: Node) -> Node | None:
        x, written = _read(draft, node.inputs[0]), draft.written(node.outputs[0])
        if x is None or written is None or x.lane != written[1].lane:
            return None
        attributes = dict(node.attributes)
        if op == "QLinearSoftmax":
            attributes["opset"] = draft.file.model.opset
        kernel = _kernel(op, node, (*_triple(x), *_scales(written[1])), written[1].name, attributes)
        return _where_computed(kernel, x, written[1]) if op in ("QLinearSoftmax", "QLinearAveragePool") else kernel

    return rule


def _concat(draft: Draft, node: Node) -> Node | None:
    parts = [_read(draft, name) for name in node.inputs]
    written = draft.written(node.outputs[0])
    if written is None:
        return None
    triples: list[str] = []
    for part in parts:
        if part is None or part.lane != written[1].lane:
            return None
        triples += _triple(part)
    return _kernel("QLinearConcat", node, (*_scales(written[1]), *triples), written[1].name)


def _where(draft: Draft, node: Node) -> Node | None:
    one, two = _read(draft, node.inputs[1]), _read(draft, node.inputs[2])
    written = draft.written(node.outputs[0])
    if one is None or two is None or written is None or not one.lane == two.lane == written[1].lane:
        return None
    inputs = (node.inputs[0], *_triple(one), *_triple(two), *_scales(written[1]))
    return _kernel("QLinearWhere", node, inputs, written[1].name)


def _on_codes(draft: Draft, node: Node) -> Node | None:
    """What moves values, on codes: input and output have the same scale."""
    x, written = _read(draft, node.inputs[0]), draft.written(node.outputs[0])
    if x is None or written is None or len(node.outputs) > 1 or not x.grid.same(written[1].grid):
        return None
    if x.grid.elem != written[1].grid.elem or node.domain not in OWN:
        return None
    return Node(node.name, node.op, node.domain, (x.name, *node.inputs[1:]), (written[1].name,), node.attributes)


_RULES: dict[str, Rule] = {
    "Conv": _conv, "Gemm": _gemm, "MatMul": _matmul, "Add": _binary("QLinearAdd"), "Mul": _binary("QLinearMul"),
    "AveragePool": _unary("QLinearAveragePool"), "GlobalAveragePool": _unary("QLinearGlobalAveragePool"),
    "LeakyRelu": _unary("QLinearLeakyRelu"), "Sigmoid": _unary("QLinearSigmoid"), "Softmax": _unary("QLinearSoftmax"),
    "Concat": _concat, "Where": _where,
}  # fmt: skip
