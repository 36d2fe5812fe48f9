"""Counting a file's layers by its nodes, without the door."""

from __future__ import annotations

import onnx


def layers_in(model: onnx.ModelProto) -> tuple[int, int, int]:
    """Convolutions, linear layers and embeddings: operators with one constant weight and one operand that is none.

    A recurrent operator has linear layers in each direction, the products with W and with R: two, and a third of a GRU
    whose reset gate comes before R.

    Args:
        model: a model without functions; subgraphs are not looked into.
    """
    shapes = {weight.name: len(weight.dims) for weight in model.graph.initializer}
    constant = set(shapes)
    for node in model.graph.node:
        if all(name in constant for name in node.input if name):
            constant.update(node.output)
            if node.op_type in ("Transpose", "Identity"):  # a shared weight, maybe seen from the other side
                shapes[node.output[0]] = shapes.get(node.input[0], 0)

    def weighs(name: str) -> bool:
        return name in constant and shapes.get(name, 0) >= 2

    convolutions = linear = embeddings = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            convolutions += weighs(node.input[1])
        elif node.op_type in ("Gemm", "MatMul"):
            a, b = node.input[:2]
            linear += (weighs(a) and b not in constant) or (weighs(b) and a not in constant)
        elif node.op_type in ("LSTM", "GRU"):
            both = any(attribute.s == b"bidirectional" for attribute in node.attribute)
            after = any(attribute.name == "linear_before_reset" and attribute.i for attribute in node.attribute)
            each = 3 if node.op_type == "GRU" and not after else 2
            linear += weighs(node.input[1]) * (2 if both else 1) * each
        elif node.op_type == "Gather":
            embeddings += weighs(node.input[0]) and node.input[1] not in constant
    return convolutions, linear, embeddings
